//! TLS of a client's endpoint, and its options in the string form.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crate::endpoint::error::Problem;
use crate::endpoint::text::{Parts, escape};
use crate::tls::{ClientTls, ClientTlsBuilder, Identity, TlsError, TlsVersion};

/// TLS of a client's endpoint.
#[derive(Clone, Debug)]
pub(super) struct EndpointTls {
    /// What to make the other one of, when it is needed.
    settings: Option<Box<ClientTlsBuilder>>,
    /// Clones share it, and so their sessions.
    ready: Arc<OnceLock<ClientTls>>,
    /// The options in their order, as they stand in the string form; none when the program gave the TLS.
    text: String,
}

impl EndpointTls {
    pub(super) fn ready(tls: ClientTls) -> Self {
        Self {
            settings: None,
            ready: Arc::new(OnceLock::from(tls)),
            text: String::new(),
        }
    }

    /// TLS that can do handshakes. Files are read once, which blocks for milliseconds.
    pub(super) fn load(&self) -> Result<&ClientTls, TlsError> {
        if let Some(tls) = self.ready.get() {
            return Ok(tls);
        }
        let settings = self.settings.as_deref().cloned();
        let made = settings.unwrap_or_else(ClientTls::builder).build()?;
        // Somebody else may have been quicker.
        Ok(self.ready.get_or_init(|| made))
    }
}

impl PartialEq for EndpointTls {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
            && self.text == other.text
            && (self.settings.is_some() || self.ready.get() == other.ready.get())
    }
}

impl Eq for EndpointTls {}

impl Hash for EndpointTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.settings.hash(state);
        self.text.hash(state);
    }
}

impl fmt::Display for EndpointTls {
    /// The options, each with its colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes the options of TLS, and the name of the server if one is given.
pub(super) fn take(parts: &mut Parts) -> Result<(EndpointTls, Option<String>), Problem> {
    for (theirs, ours) in [
        ("certificate", "cert"),
        ("certKey", "cert"),
        ("privateKey", "key"),
        ("trustRoots", "roots"),
    ] {
        if let Some(value) = parts.take(theirs) {
            parts.options.push((ours.to_owned(), value));
        }
    }
    let mut text = String::new();
    let mut option = |name: &str, what| {
        let value = parts.take(name)?;
        text += &format!(":{name}={}", escape(&value.text));
        Some(value.not_empty(what))
    };
    let name = option("name", "the name of the server").transpose()?;
    let roots = option("roots", "the file of authorities").transpose()?;
    let certificate = option("cert", "the file of the certificate").transpose()?;
    let key = option("key", "the file of the key").transpose()?;
    let alpn = option("alpn", "the names of the protocols").transpose()?;
    let versions = option("versions", "the version of TLS").transpose()?;
    let mut builder = match roots {
        Some(file) => ClientTls::builder().roots_file(file),
        None => ClientTls::builder().system_roots(),
    };
    builder = match (certificate, key) {
        (Some(certificate), Some(key)) => builder.identity(Identity::files(certificate, key)),
        (Some(both), None) | (None, Some(both)) => builder.identity(Identity::file(both)),
        (None, None) => builder,
    };
    if let Some(protocols) = alpn {
        builder = builder.alpn(protocols.split(',').filter(|name| !name.is_empty()));
    }
    if let Some(versions) = versions {
        let versions = versions.split(',').map(|word| match word {
            "1.2" => Ok(TlsVersion::V1_2),
            "1.3" => Ok(TlsVersion::V1_3),
            _ => Err(Problem::Bad {
                what: "version of TLS: 1.2 or 1.3",
                value: word.to_owned(),
            }),
        });
        builder = builder.versions(versions.collect::<Result<Vec<_>, _>>()?);
    }
    let tls = EndpointTls {
        settings: Some(Box::new(builder)),
        ready: Arc::default(),
        text,
    };
    Ok((tls, name))
}

#[cfg(test)]
mod tests;
