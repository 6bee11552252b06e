//! `Attachment`: the place of a stream in its server.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use cyclone_core::{Session, SessionGuard};

use super::OnDrain;

const PROTOCOL: &str = "sse";

/// What the server wants of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    None,
    Drain,
    Cut,
}

/// The stream's place in the server, and the wait for its signals: one future, which holds the place.
pub(super) struct Attachment(Pin<Box<dyn Future<Output = (Place, Signal)> + Send>>);

impl Attachment {
    pub(super) fn new(session: &Session, on_drain: OnDrain) -> Self {
        let place = Place::new(session);
        match on_drain {
            OnDrain::End => Self::until_signal(place),
            OnDrain::Finish => Self::until_cut(place),
        }
    }

    fn until_signal(place: Place) -> Self {
        Self(Box::pin(async move {
            let signal = {
                let session = place.guard.session();
                // In the closure, and in no variable: the future would have room for both.
                let (mut cut, mut draining) = (session.cut(), session.draining());
                poll_fn(move |cx| {
                    if Pin::new(&mut cut).poll(cx).is_ready() {
                        return Poll::Ready(Signal::Cut);
                    }
                    Pin::new(&mut draining).poll(cx).map(|()| Signal::Drain)
                })
            }
            .await;
            (place, signal)
        }))
    }

    fn until_cut(place: Place) -> Self {
        Self(Box::pin(async move {
            place.guard.session().cut().await;
            (place, Signal::Cut)
        }))
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// Not to be called after the cut.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Signal {
        match self.0.as_mut().poll(cx) {
            Poll::Pending => Signal::None,
            Poll::Ready((_place, Signal::Cut)) => Signal::Cut,
            Poll::Ready((place, signal)) => {
                *self = Self::until_cut(place);
                match self.poll(cx) {
                    Signal::None => signal,
                    cut => cut,
                }
            }
        }
    }
}

struct Place {
    guard: SessionGuard,
    /// What the connection spoke before.
    protocol: &'static str,
}

impl Place {
    fn new(session: &Session) -> Self {
        let protocol = session.protocol();
        session.set_protocol(PROTOCOL);
        Self {
            guard: session.hold(),
            protocol,
        }
    }
}

impl Drop for Place {
    /// The connection may serve other requests. With several streams on it (HTTP/2) the last one decides.
    fn drop(&mut self) {
        if self.protocol != PROTOCOL {
            self.guard.session().set_protocol(self.protocol);
        }
    }
}
