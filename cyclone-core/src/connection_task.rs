//! The task of one connection: it ends with the protocol, or when the connection is cut, and keeps a panic to itself.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::session::{Session, SessionGuard};
use crate::until_cut::UntilCut;

/// Runs the protocol of one connection until it ends or is cut.
pub(crate) fn run<F>(running: F, guard: SessionGuard) -> Running<F>
where
    F: Future<Output = io::Result<()>>,
{
    Running {
        running: UntilCut::new(guard, running),
    }
}

pin_project! {
    /// The task of one connection. It takes the future of the protocol and not the protocol, for which every
    /// connection would have room as long as it lives.
    pub(crate) struct Running<F> {
        #[pin]
        running: UntilCut<F>,
    }
}

impl<F: Future<Output = io::Result<()>>> Future for Running<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut running = self.project().running;
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(ended)) => ended,
            Err(panic) => {
                say_that_it_panicked(running.session());
                resume_unwind(panic)
            }
        };
        if let Some(Err(error)) = ended {
            let session = running.session();
            tracing::debug!(
                id = session.id().get(),
                protocol = session.protocol(),
                peer = %session.peer(),
                %error,
                "connection ended with an error"
            );
        }
        Poll::Ready(())
    }
}

/// Says which connection a panic ended; the runtime keeps the panic inside the task.
pub(crate) fn say_that_it_panicked(session: &Session) {
    tracing::error!(
        id = session.id().get(),
        protocol = session.protocol(),
        peer = %session.peer(),
        "protocol panicked"
    );
}
