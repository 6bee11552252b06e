//! The life of one session: the upgrade, the handler's methods, the end.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep, timeout};

use crate::close::{CloseCause, CloseInfo};
use crate::config::Config;
use crate::handler::WebSocketHandler;
use crate::queue::Queue;
use crate::socket::WebSocket;

mod driver;
mod guarded;
mod heartbeat;
mod method;
mod scratch;
#[cfg(test)]
mod tests;
mod writer;

use driver::Driver;
use guarded::guarded;
use method::method;

/// The name of the protocol in the registry.
const PROTOCOL: &str = "websocket";

/// What the handshake makes of a session.
pub(crate) struct Prepared<H> {
    pub(crate) handler: H,
    pub(crate) socket: WebSocket,
    pub(crate) queue: Arc<Queue>,
    pub(crate) config: Arc<Config>,
}

/// What a session starts with. It is passed on in a box, because the future of an `async fn` has room for its
/// arguments as long as it lives.
pub(crate) struct Start<U, H, T> {
    upgrade: U,
    /// The connection, with the bytes of it that were read already.
    connection: Option<(T, Bytes)>,
    prepared: Prepared<H>,
}

impl<U, H, T> Start<U, H, T> {
    pub(crate) fn new(upgrade: U, prepared: Prepared<H>) -> Box<Self> {
        Box::new(Self {
            upgrade,
            connection: None,
            prepared,
        })
    }
}

/// Waits for the upgrade, then runs the session on it.
///
/// No `async fn`: that has room for its argument twice.
pub(crate) fn upgraded<U, H, T, E>(
    mut start: Box<Start<U, H, T>>,
) -> impl Future<Output = ()> + use<U, H, T, E>
where
    U: Future<Output = Result<(T, Bytes), E>> + Unpin,
    H: WebSocketHandler,
    T: AsyncRead + AsyncWrite + Unpin,
    E: std::error::Error,
{
    let session = start.prepared.socket.session().clone();
    async move {
        let time = start.prepared.config.upgrade_timeout;
        match timeout(time, &mut start.upgrade).await {
            Ok(Ok(connection)) => start.connection = Some(connection),
            Ok(Err(error)) => tracing::debug!(%error, "websocket upgrade failed"),
            Err(_) => tracing::debug!("websocket upgrade timed out"),
        }
        // The driver sets it.
        let timer = pin!(sleep(Duration::ZERO));
        let Some(mut life) = Life::begin(start, session.draining(), timer) else {
            return;
        };
        if !life.open().await {
            life.driver.ended().await;
            return;
        }
        life.owner.opened = true;
        let info = life.serve().await;
        if let Some(closing) = life.close(info) {
            closing.await;
        }
    }
}

/// A session that has its connection.
///
/// It is put together by a function that is not `async`: what such a one borrows and then moves would keep its
/// room in the future.
struct Life<'a, H: WebSocketHandler, T, D> {
    // Dropped first: when the handler hears of it, the session is over for everybody.
    driver: Driver<'a, T, D>,
    owner: Owner<H>,
}

impl<'a, H, T, D> Life<'a, H, T, D>
where
    H: WebSocketHandler,
    T: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()> + Unpin,
{
    #[expect(
        clippy::boxed_local,
        reason = "moved out of its box in the future, the box would be freed only with the future"
    )]
    fn begin<U>(
        start: Box<Start<U, H, T>>,
        draining: D,
        timer: Pin<&'a mut Sleep>,
    ) -> Option<Self> {
        let Start {
            connection,
            prepared,
            ..
        } = *start;
        let Prepared {
            handler,
            socket,
            queue,
            config,
        } = prepared;
        let Some((io, ahead)) = connection else {
            queue.end(&CloseInfo::abnormal(CloseCause::Lost));
            return None;
        };
        socket.session().set_protocol(PROTOCOL);
        Some(Self {
            driver: Driver::new(io, &ahead, queue, config, draining, timer),
            owner: Owner {
                parts: Some((handler, socket)),
                opened: false,
            },
        })
    }

    /// Calls `open`; false when it failed.
    async fn open(&mut self) -> bool {
        let Some((handler, socket)) = &mut self.owner.parts else {
            return false;
        };
        let method = pin!(guarded(|| handler.open(socket)));
        let outcome = self.driver.drive(method).await;
        self.driver.judge(outcome)
    }

    /// Hands events to the handler until the session has ended.
    async fn serve(&mut self) -> CloseInfo {
        while let Some((handler, socket)) = &mut self.owner.parts {
            let event = self.driver.next().await;
            let mut method = pin!(method(handler, socket, event));
            if let Some(info) = method.as_mut().end() {
                return *info;
            }
            let outcome = self.driver.drive(method).await;
            if !self.driver.judge(outcome) {
                return self.driver.ended().await;
            }
        }
        CloseInfo::abnormal(CloseCause::Cut)
    }

    /// What is left to do; in a box, because an idle session has the room of all that may come.
    fn close(
        &mut self,
        info: CloseInfo,
    ) -> Option<Pin<Box<impl Future<Output = ()> + use<H, T, D>>>> {
        let (handler, socket) = self.owner.parts.take()?;
        Some(Box::pin(close(handler, socket, info)))
    }
}

/// Calls `close`, which may panic or hang.
async fn close<H: WebSocketHandler>(mut handler: H, socket: WebSocket, info: CloseInfo) {
    tracing::debug!(code = info.code.as_u16(), cause = %info.cause, "websocket closed");
    let grace = socket.config().handler_grace;
    let closing = guarded(|| handler.close(&socket, info));
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
        runtime.spawn(async move {
            close(handler, socket, info).await;
            drop(guard);
        });
    }
}
