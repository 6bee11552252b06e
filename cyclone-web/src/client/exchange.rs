//! One request and the head of its response, on one connection.

use std::error::Error as StdError;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, sleep_until};

use super::error::{ClientError, ClientErrorKind, ClientPhase, Outcome};
use super::pool::{Lease, Line};
use super::timeouts::{CLIENT_CONTINUE_WAIT, ClientTimeouts, after};
use super::upload::{Content, Stage, Upload, Watch};
use crate::body::BodyError;

/// Responses before the last one (1xx) that a server may send.
pub const MAX_INFORMATIONAL: usize = 10;

/// An exchange that failed, with what it would have sent, if nothing of that was taken.
pub(crate) struct Failed {
    pub(crate) error: ClientError,
    pub(crate) content: Option<Content>,
}

type Sent = Result<Response<Incoming>, TrySendError<Request<Upload>>>;

/// Sends a request and waits for the head of its response.
pub(crate) async fn exchange(
    lease: &mut Lease,
    mut request: Request<Upload>,
    watch: &Arc<Watch>,
    timeouts: &ClientTimeouts,
    total: Option<Instant>,
    head: usize,
) -> Result<Response<Incoming>, Failed> {
    let informed = Arc::clone(watch);
    hyper::ext::on_informational(&mut request, move |response| {
        informed.was_informed();
        if response.status() == http::StatusCode::CONTINUE {
            informed.go_on();
        }
    });
    let sending: Pin<Box<dyn Future<Output = Sent> + Send>> = match lease.line() {
        Some(Line::Http1(sender)) => Box::pin(sender.try_send_request(request)),
        Some(Line::Http2(mut sender)) => {
            Box::pin(async move { sender.try_send_request(request).await })
        }
        None => {
            let error = ClientError::new(ClientErrorKind::Closed, Outcome::NotSent);
            let content = request.into_body().into_content();
            return Err(Failed { error, content });
        }
    };
    let refused = match watched(sending, watch, timeouts, total).await {
        Ok(Ok(response)) if watch.informational() <= MAX_INFORMATIONAL => return Ok(response),
        Ok(Ok(_)) => {
            return Err(Failed {
                error: too_many_informational(),
                content: None,
            });
        }
        Ok(Err(refused)) => refused,
        Err(error) => {
            return Err(Failed {
                error,
                content: None,
            });
        }
    };
    let mut refused = refused;
    let unsent = refused.take_message();
    let error = refused.into_error();
    if error.is_parse_too_large() {
        let error = head_too_large(head).because(error);
        return Err(Failed {
            error,
            content: None,
        });
    }
    let was_sent = unsent.is_none() && !is_refused(&error);
    if !was_sent {
        lease.is_broken();
    }
    let outcome = match was_sent {
        true => Outcome::Unknown,
        false => Outcome::NotSent,
    };
    Err(Failed {
        error: broken(error).outcome_is(outcome),
        content: unsent.and_then(|request| request.into_body().into_content()),
    })
}

fn too_many_informational() -> ClientError {
    let error = ClientError::new(ClientErrorKind::Malformed, Outcome::Unknown);
    error.text("too many responses of 1xx before the last one")
}

pub(crate) fn head_too_large(limit: usize) -> ClientError {
    let limit = limit as u64;
    ClientError::new(ClientErrorKind::TooLarge { limit }, Outcome::Answered).text("its head")
}

/// Waits for the response, as long as the times allow.
async fn watched(
    mut sending: Pin<Box<dyn Future<Output = Sent> + Send>>,
    watch: &Watch,
    timeouts: &ClientTimeouts,
    total: Option<Instant>,
) -> Result<Sent, ClientError> {
    loop {
        if watch.informational() > MAX_INFORMATIONAL {
            return Err(too_many_informational());
        }
        let (mut until, mut phase) = match watch.stage() {
            Stage::Taking(since) => (Some(after(since, timeouts.send)), ClientPhase::Send),
            Stage::Done(since) => (
                Some(after(since, timeouts.first_byte)),
                ClientPhase::FirstByte,
            ),
            Stage::Source(Some(since)) => {
                (Some(after(since, CLIENT_CONTINUE_WAIT)), ClientPhase::Send)
            }
            Stage::Source(None) => (None, ClientPhase::Send),
        };
        if let Some(total) = total
            && until.is_none_or(|until| total <= until)
        {
            (until, phase) = (Some(total), ClientPhase::Total);
        }
        let changed = pin!(watch.changed.notified());
        let late = until.unwrap_or_else(|| after(Instant::now(), Duration::MAX));
        let mut waited = Waited {
            changed,
            late: pin!(sleep_until(late)),
        };
        let event = std::future::poll_fn(|cx| {
            if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
                return Poll::Ready(Event::Sent(Box::new(sent)));
            }
            if waited.changed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Changed);
            }
            waited.late.as_mut().poll(cx).map(|()| Event::Late)
        });
        match event.await {
            Event::Sent(sent) => return Ok(*sent),
            Event::Changed => {}
            Event::Late if phase == ClientPhase::Total => {
                return Err(ClientError::timeout(phase, Outcome::Unknown));
            }
            Event::Late => match watch.stage() {
                // The server does not say whether it wants the body: it gets it.
                Stage::Source(Some(_)) => watch.go_on(),
                // There was progress meanwhile.
                Stage::Taking(since) if after(since, timeouts.send) > Instant::now() => {}
                Stage::Done(since) if after(since, timeouts.first_byte) > Instant::now() => {}
                Stage::Source(None) => {}
                _ => return Err(ClientError::timeout(phase, Outcome::Unknown)),
            },
        }
    }
}

struct Waited<C, L> {
    changed: C,
    late: L,
}

enum Event {
    Sent(Box<Sent>),
    Changed,
    Late,
}

/// Whether the server says that it has not looked at the request (RFC 9113 section 8.7).
fn is_refused(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.reason() == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away()
                    && error.is_remote()
                    && error.reason() == Some(h2::Reason::NO_ERROR));
        }
        cause = error.source();
    }
    false
}

/// What an error of hyper's means; the outcome is said by whoever knows it.
pub(crate) fn broken(error: hyper::Error) -> ClientError {
    let kind = if error.is_parse() {
        ClientErrorKind::Malformed
    } else if error.is_user() && caused_by_body(&error) {
        ClientErrorKind::Upload
    } else if error.is_user() {
        ClientErrorKind::Request
    } else {
        ClientErrorKind::Closed
    };
    ClientError::new(kind, Outcome::Unknown).because(error)
}

fn caused_by_body(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<BodyError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
