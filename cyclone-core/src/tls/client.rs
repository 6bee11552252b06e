//! TLS of a client.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::client_auth::add_roots;
use super::error::{TlsError, TlsErrorKind};
use super::handshake_error::{HandshakeError, Stage};
use super::identity::Identity;
use super::info::{TlsInfo, TlsVersion, check_protocols};
use super::pem::Source;
use super::provider::Provider;
use super::server::DEFAULT_HANDSHAKE_TIMEOUT;
use super::stream::TlsStream;
use super::system_roots;
use crate::transport::Transport;

/// TLS of a client: the authorities it trusts, and who it is itself.
///
/// The name of the server and its chain are always checked; there is no way to turn that off. Clones are handles of
/// the same thing, and sessions are resumed among them.
///
/// ```no_run
/// use cyclone_core::tls::ClientTls;
/// use tokio::net::TcpStream;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = ClientTls::builder().system_roots().build()?;
/// let stream = TcpStream::connect("example.org:443").await?;
/// let stream = tls.connect("example.org", stream).await?;
/// println!("{}", stream.info().version());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    handshake_timeout: Duration,
}

impl ClientTls {
    /// Settings to begin with. They trust nobody yet.
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder {
            roots: Vec::new(),
            root_ders: Vec::new(),
            system: false,
            identity: None,
            alpn: Vec::new(),
            versions: vec![TlsVersion::V1_2, TlsVersion::V1_3],
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            provider: None,
        }
    }

    #[cfg(feature = "acme")]
    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Does the handshake with the server at the other end of `stream`.
    ///
    /// `name` is the name that the server has to prove, `example.org` or an IP address.
    ///
    /// # Errors
    /// [`HandshakeError`]; nothing of the application was sent, and the connection is closed.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn connect(
        &self,
        name: &str,
        stream: impl Into<Transport>,
    ) -> Result<TlsStream, HandshakeError> {
        let server = ServerName::try_from(name).map_err(|_| HandshakeError::bad_name(name))?;
        // As the other side sees it: an address is not sent (RFC 6066, section 3).
        let asked = match &server {
            ServerName::DnsName(name) => Some(name.as_ref().to_ascii_lowercase()),
            _ => None,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        // Boxed, as it is large and soon over.
        let handshake = Box::pin(connector.connect(server.to_owned(), stream.into()));
        let stream = timeout(self.handshake_timeout, handshake).await;
        let stream = stream.map_err(|_elapsed| {
            HandshakeError::timed_out(self.handshake_timeout, Stage::Exchange)
        })??;
        let info = TlsInfo::new(stream.get_ref().1, asked.as_deref());
        Ok(TlsStream::new(stream.into(), info))
    }
}

impl PartialEq for ClientTls {
    /// Whether both are handles of the same thing.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }
}

impl Eq for ClientTls {}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`ClientTls`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "it does nothing until it is built"]
pub struct ClientTlsBuilder {
    roots: Vec<Source>,
    root_ders: Vec<CertificateDer<'static>>,
    system: bool,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    versions: Vec<TlsVersion>,
    handshake_timeout: Duration,
    provider: Option<Provider>,
}

impl ClientTlsBuilder {
    /// Trusts the authorities in a file (PEM). A self-signed certificate of a server is its own authority.
    pub fn roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(Source::File(path.into()));
        self
    }

    /// Trusts the authorities in PEM that the program has.
    pub fn roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(Source::bytes(pem));
        self
    }

    /// Trusts one authority, whose certificate (DER) the program has.
    pub fn root_der(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.root_ders.push(CertificateDer::from(der.into()));
        self
    }

    /// Trusts the authorities that this machine trusts: those in the file that `SSL_CERT_FILE` names, else in the
    /// first of the usual files of Debian, Fedora, openSUSE, Alpine and the BSDs.
    ///
    /// Certificates there that cannot be used are skipped. Keychains, as macOS has them, are not read.
    pub fn system_roots(mut self) -> Self {
        self.system = true;
        self
    }

    /// Shows a certificate to servers that ask for one.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Offers application protocols (ALPN, RFC 7301), in order of preference; none unless called.
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the versions of TLS, both unless called.
    pub fn versions(mut self, versions: impl IntoIterator<Item = TlsVersion>) -> Self {
        self.versions = versions.into_iter().collect();
        self
    }

    /// Sets how long a handshake may take, [`DEFAULT_HANDSHAKE_TIMEOUT`] unless called.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// Sets the implementation of the cryptography, [`Provider::built_in`] unless called.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Reads the files and checks them. It blocks on files, for milliseconds.
    ///
    /// # Errors
    /// [`TlsError`] with the file, the line and what to do; also when no authority is trusted.
    pub fn build(self) -> Result<ClientTls, TlsError> {
        let provider = Provider::or_built_in(self.provider)?;
        let mut roots = RootCertStore::empty();
        add_roots(&mut roots, &self.roots)?;
        for der in self.root_ders {
            roots.add(der).map_err(|error| {
                TlsError::new(
                    TlsErrorKind::Authority,
                    "the given DER cannot be an authority",
                )
                .because(error)
            })?;
        }
        if self.system {
            system_roots::add(&mut roots)?;
        }
        if roots.is_empty() {
            return Err(TlsError::settings("the client trusts no authority")
                .fix("give some with `roots_file`, or use `system_roots`"));
        }
        if self.versions.is_empty() {
            return Err(TlsError::settings("no version of TLS is allowed"));
        }
        check_protocols(&self.alpn)?;
        let versions: Vec<_> = self.versions.iter().map(|one| one.rustls()).collect();
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider.crypto()))
            .with_protocol_versions(&versions)
            .map_err(|error| {
                TlsError::settings("these versions of TLS do not work").because(error)
            })?
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let loaded = identity.load(&provider)?;
                let resolver = SingleCertAndKey::from(loaded.key);
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
        };
        config.alpn_protocols = self.alpn;
        Ok(ClientTls {
            config: Arc::new(config),
            handshake_timeout: self.handshake_timeout,
        })
    }
}
