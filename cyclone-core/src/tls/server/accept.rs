//! The handshake of a server.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustls::server::Acceptor;
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::active::Active;
use super::{Current, ServerTls};
use crate::tls::handshake_error::{HandshakeError, Stage};
use crate::tls::info::TlsInfo;
use crate::tls::stream::TlsStream;
use crate::transport::Transport;

/// How long a refused client may take to close, so that it sees the alert and not a reset.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of a refused client is read meanwhile: 64 KiB.
const LINGER_MAX_BYTES: usize = 64 * 1024;

/// The record of a fatal alert `unrecognized_name` (RFC 6066, section 3), in the clear.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

impl ServerTls {
    /// Does the handshake with a client at the other end of `stream`.
    ///
    /// The time limit is that of [`handshake_timeout`](super::ServerTlsBuilder::handshake_timeout). A client that is
    /// refused gets an alert that says why; one that comes back to a session, and whose certificate is not good any
    /// more, sees the connection close, and has to do a full handshake the next time.
    ///
    /// # Errors
    /// [`HandshakeError`]; the connection is closed. A refused client is given a second to take note before this
    /// returns.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn accept(&self, stream: impl Into<Transport>) -> Result<TlsStream, HandshakeError> {
        let limit = self.shared.settings.handshake_timeout;
        let progress = Progress::new();
        // Boxed, as it is large and soon over.
        let handshake = Box::pin(self.handshake(stream.into(), &progress));
        match timeout(limit, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err((error, transport))) => {
                if let Some(transport) = transport {
                    linger(transport).await;
                }
                Err(error)
            }
            Err(_elapsed) => Err(HandshakeError::timed_out(limit, progress.stage())),
        }
    }

    /// The handshake without its time limit. With the error comes the transport, if there is anybody to say it to.
    async fn handshake(
        &self,
        transport: Transport,
        progress: &Progress,
    ) -> Result<TlsStream, (HandshakeError, Option<Transport>)> {
        let mut hello = LazyConfigAcceptor::new(Acceptor::default(), transport);
        let start = match (&mut hello).await {
            Ok(start) => start,
            Err(error) => return Err((error.into(), hello.take_io())),
        };
        progress.reached(Stage::Turn);
        // It is never closed.
        let _turn = self.shared.handshakes.acquire().await;
        progress.reached(Stage::Exchange);
        let Current {
            active,
            resumption,
            config,
        } = self.current();
        #[cfg(feature = "acme")]
        if let Some(answer) = active.resolver.answer(&start.client_hello()) {
            let stream = start.into_stream(answer).into_fallible().await;
            // RFC 8737, section 3: the handshake is the whole answer.
            return Err(match stream {
                Ok(mut stream) => {
                    let _ = stream.shutdown().await;
                    let (transport, _) = stream.into_inner();
                    (HandshakeError::challenge(), Some(transport))
                }
                Err((error, transport)) => (error.into(), Some(transport)),
            });
        }
        let name = start.client_hello().server_name().map(str::to_owned);
        if !active.resolver.serves(name.as_deref()) {
            let mut transport = start.io;
            // Whether it arrives or not, the client is refused.
            let _ = transport.write_all(&UNRECOGNIZED_NAME).await;
            return Err((HandshakeError::unknown_name(name), Some(transport)));
        }
        let stream = start.into_stream(config).into_fallible().await;
        let mut stream = stream.map_err(|(error, transport)| (error.into(), Some(transport)))?;
        let (_, session) = stream.get_ref();
        let info = TlsInfo::new(session, session.server_name());
        if let Err(error) = check_again(&active, &info) {
            // Otherwise it would come back to this session for as long as it remembers it.
            self.forget(&resumption);
            // It is too late for an alert. Whether it arrives or not, the client is refused.
            let _ = stream.shutdown().await;
            let (transport, _) = stream.into_inner();
            return Err((error, Some(transport)));
        }
        Ok(TlsStream::new(stream.into(), info))
    }
}

/// Checks the certificate of a client whose session goes on: since the full handshake it may have expired or been
/// revoked, or its authority is gone. (rustls takes the client at its former word.)
fn check_again(active: &Active, info: &TlsInfo) -> Result<(), HandshakeError> {
    let (Some(verifier), true) = (&active.clients, info.is_resumed()) else {
        return Ok(());
    };
    let chain = info.peer_certificates().iter();
    let chain: Vec<_> = chain.map(|one| one.der().into()).collect();
    match chain.split_first() {
        Some((first, others)) => verifier
            .verify_client_cert(first, others, UnixTime::now())
            .map(drop)
            .map_err(HandshakeError::tls),
        None if verifier.client_auth_mandatory() => {
            Err(HandshakeError::tls(rustls::Error::NoCertificatesPresented))
        }
        None => Ok(()),
    }
}

/// Says the end and waits for that of the client: a socket that is closed with bytes unread resets the connection,
/// and the client may never see why.
async fn linger(mut transport: Transport) {
    let read_rest = async {
        transport.shutdown().await?;
        let (mut bytes, mut left) = ([0; 1024], LINGER_MAX_BYTES);
        while left > 0 {
            match transport.read(&mut bytes).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // The client is told already; that it does not listen is no news.
    let _ = timeout(LINGER_TIMEOUT, read_rest).await;
}

/// How far a handshake came, for the error when its time is over.
struct Progress(AtomicU8);

impl Progress {
    fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    fn reached(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Hello,
            1 => Stage::Turn,
            _ => Stage::Exchange,
        }
    }
}
