//! The life of one session: the upgrade, the handler's methods, the end.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::close::{CloseCause, CloseCode, CloseFrame, CloseInfo};
use crate::config::Config;
use crate::error::{Result, SendError};
use crate::handler::WebSocketHandler;
use crate::queue::Queue;
use crate::socket::WebSocket;

mod driver;
mod heartbeat;
#[cfg(test)]
mod tests;
mod writer;

use driver::{Driver, Event};

/// The name of the protocol in the registry.
const PROTOCOL: &str = "websocket";

/// Waits for the upgrade, then runs the session on it.
pub(crate) async fn upgraded<H, T, E>(
    upgrade: impl Future<Output = std::result::Result<(T, Bytes), E>>,
    handler: H,
    socket: WebSocket,
    queue: Arc<Queue>,
    config: Config,
) where
    H: WebSocketHandler,
    T: AsyncRead + AsyncWrite + Unpin,
    E: std::error::Error,
{
    let (io, ahead) = match timeout(config.upgrade_timeout, upgrade).await {
        Ok(Ok(parts)) => parts,
        Ok(Err(error)) => {
            tracing::debug!(%error, "websocket upgrade failed");
            return queue.end(&CloseInfo::abnormal(CloseCause::Lost));
        }
        Err(_) => {
            tracing::debug!("websocket upgrade timed out");
            return queue.end(&CloseInfo::abnormal(CloseCause::Lost));
        }
    };
    socket.session().set_protocol(PROTOCOL);
    run(io, ahead, handler, socket, queue, config).await;
}

/// Runs the session on an upgraded connection.
pub(crate) async fn run<H, T>(
    io: T,
    ahead: Bytes,
    handler: H,
    socket: WebSocket,
    queue: Arc<Queue>,
    config: Config,
) where
    H: WebSocketHandler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let session = socket.session().clone();
    let grace = config.handler_grace;
    // Declared before the driver: dropped after it, when the session is over for everybody.
    let mut owner = Owner {
        parts: Some((handler, socket)),
        opened: false,
        grace,
    };
    let info = {
        let mut draining = pin!(session.draining());
        let mut driver = Driver::new(io, ahead, queue, config, draining.as_mut());
        if !open(&mut driver, &mut owner).await {
            driver.ended().await;
            return;
        }
        owner.opened = true;
        serve(&mut driver, &mut owner).await
    };
    if let Some((handler, socket)) = owner.parts.take() {
        close(handler, socket, info, grace).await;
    }
}

/// Calls `open`; false when it failed.
async fn open<H, T, D>(driver: &mut Driver<'_, T, D>, owner: &mut Owner<H>) -> bool
where
    H: WebSocketHandler,
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    let Some((handler, socket)) = &mut owner.parts else {
        return false;
    };
    let method = guarded(async { handler.open(socket).await });
    step(driver, pin!(method)).await
}

/// Hands events to the handler until the session has ended.
async fn serve<H, T, D>(driver: &mut Driver<'_, T, D>, owner: &mut Owner<H>) -> CloseInfo
where
    H: WebSocketHandler,
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    while let Some((handler, socket)) = &mut owner.parts {
        // A peer with many small messages must not keep the thread from other tasks.
        tokio::task::coop::consume_budget().await;
        let goes_on = match driver.next().await {
            Event::Message(message) => {
                let method = guarded(async { handler.message(socket, message).await });
                step(driver, pin!(method)).await
            }
            Event::Pong(payload) => {
                let method = guarded(async { handler.pong(socket, payload).await });
                step(driver, pin!(method)).await
            }
            Event::Ended(info) => return info,
        };
        if !goes_on {
            return driver.ended().await;
        }
    }
    CloseInfo::abnormal(CloseCause::Cut)
}

/// Makes a panic a value. The handler is not used after one, but for its `close`.
fn guarded<F: Future>(method: F) -> CatchUnwind<AssertUnwindSafe<F>> {
    AssertUnwindSafe(method).catch_unwind()
}

/// Runs one method of the handler and the session under it; false when the session has to end.
///
/// Takes the future pinned: passed by value it would take its room in every future around it.
async fn step<T, D>(
    driver: &mut Driver<'_, T, D>,
    method: Pin<&mut impl Future<Output = std::thread::Result<Result>>>,
) -> bool
where
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    let (frame, cause) = match driver.drive(method).await {
        Some(Ok(Ok(()))) => return true,
        Some(Ok(Err(error))) => {
            if driver.is_closing() && error.is::<SendError>() {
                tracing::debug!(%error, "websocket closed while its handler ran");
            } else {
                tracing::warn!(%error, "websocket handler failed");
            }
            error.into_frame()
        }
        Some(Err(_)) => {
            tracing::error!("websocket handler panicked");
            (
                CloseFrame::bare(CloseCode::INTERNAL_ERROR),
                CloseCause::HandlerPanic,
            )
        }
        None => {
            tracing::warn!("websocket handler dropped, it went on too long after the end");
            return false;
        }
    };
    driver.fail_handler(frame, cause);
    false
}

/// Calls `close`, which may panic or hang.
async fn close<H: WebSocketHandler>(
    mut handler: H,
    socket: WebSocket,
    info: CloseInfo,
    grace: Duration,
) {
    tracing::debug!(code = info.code.as_u16(), cause = %info.cause, "websocket closed");
    let closing = guarded(async { handler.close(&socket, info).await });
    match timeout(grace, closing).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => tracing::error!("websocket handler panicked in close"),
        Err(_) => tracing::warn!("websocket handler dropped, its close went on too long"),
    }
}

/// The handler with its socket. When the session's task is dropped, because the connection was cut, the
/// handler still gets its `close`, in a task of its own that keeps the connection registered.
struct Owner<H: WebSocketHandler> {
    parts: Option<(H, WebSocket)>,
    opened: bool,
    grace: Duration,
}

impl<H: WebSocketHandler> Drop for Owner<H> {
    fn drop(&mut self) {
        let Some((handler, socket)) = self.parts.take().filter(|_| self.opened) else {
            return;
        };
        // None when the runtime shuts down: then nothing can be awaited any more.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let info = socket
            .sender()
            .close_info()
            .unwrap_or_else(|| CloseInfo::abnormal(CloseCause::Cut));
        let guard = socket.session().hold();
        let grace = self.grace;
        runtime.spawn(async move {
            close(handler, socket, info, grace).await;
            drop(guard);
        });
    }
}
