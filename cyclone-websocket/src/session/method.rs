//! The method of a handler that an event calls for.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::driver::Event;
use super::guarded::{Guarded, guarded};
use crate::close::CloseInfo;
use crate::error::Result;
use crate::handler::WebSocketHandler;
use crate::socket::WebSocket;

pin_project! {
    /// One of the futures. A type of its own, so that the event is gone when it runs: a `match` around the
    /// methods would keep room for it beside them.
    #[project = Projection]
    pub(super) enum Method<M, P> {
        Message { #[pin] method: Guarded<M> },
        Pong { #[pin] method: Guarded<P> },
        // The session has ended: there is nothing to call.
        End { info: Option<Box<CloseInfo>> },
    }
}

/// Calls the method for `event`.
pub(super) fn method<'a, H: WebSocketHandler>(
    handler: &'a mut H,
    socket: &'a WebSocket,
    event: Event,
) -> Method<impl Future<Output = Result> + use<'a, H>, impl Future<Output = Result> + use<'a, H>> {
    match event {
        Event::Message(message) => Method::Message {
            method: guarded(|| handler.message(socket, message)),
        },
        Event::Pong(payload) => Method::Pong {
            method: guarded(|| handler.pong(socket, payload)),
        },
        Event::Ended(info) => Method::End {
            info: Some(Box::new(info)),
        },
    }
}

impl<M, P> Method<M, P> {
    /// How the session ended, when that is the event.
    pub(super) fn end(self: Pin<&mut Self>) -> Option<Box<CloseInfo>> {
        match self.project() {
            Projection::End { info } => info.take(),
            _ => None,
        }
    }
}

impl<M, P> Future for Method<M, P>
where
    M: Future<Output = Result>,
    P: Future<Output = Result>,
{
    type Output = std::thread::Result<Result>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projection::Message { method } => method.poll(cx),
            Projection::Pong { method } => method.poll(cx),
            Projection::End { .. } => Poll::Ready(Ok(Ok(()))),
        }
    }
}
