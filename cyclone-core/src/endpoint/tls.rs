//! TLS of an endpoint, and its options in the string form.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Problem;
use super::parse::TLS_OPTIONS;
use super::text::{Parts, Value, escape};
use crate::tls::{
    ClientAuth, Identity, ServerTls, ServerTlsBuilder, SniPolicy, TlsError, TlsVersion,
};

/// What `handshake=` can be at most.
const LONGEST_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// TLS of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EndpointTls {
    source: Source,
    /// The options in their order, as they stand in the string form; none when the program gave the TLS.
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// The certificates are read.
    Ready(ServerTls),
    /// They are read when the server binds.
    Unread(Box<Unread>),
}

/// Where certificates come from, the default first, and the settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Unread {
    identity: Option<Identity>,
    self_signed: Option<SelfSignedSettings>,
    folder: Option<String>,
    #[cfg(feature = "acme")]
    acme: Option<crate::tls::AcmeBuilder>,
    builder: ServerTlsBuilder,
}

/// A certificate that is made on the spot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SelfSignedSettings {
    names: Vec<String>,
    kept_in: Option<PathBuf>,
}

impl Unread {
    fn build(&self) -> Result<ServerTls, TlsError> {
        let mut builder = self.builder.clone();
        if let Some(made) = &self.self_signed {
            builder = builder.identity(self_signed(&made.names, made.kept_in.as_ref())?);
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        if let Some(folder) = &self.folder {
            builder = builder.identities_in(folder);
        }
        #[cfg(feature = "acme")]
        if let Some(acme) = &self.acme {
            builder = builder.acme(acme.clone().build()?);
        }
        builder.build()
    }
}

impl EndpointTls {
    pub(crate) fn ready(tls: ServerTls) -> Self {
        Self {
            source: Source::Ready(tls),
            text: String::new(),
        }
    }

    /// TLS that can do handshakes: reads the files unless that was done. It blocks for milliseconds.
    pub(crate) fn load(&self) -> Result<ServerTls, TlsError> {
        match &self.source {
            Source::Ready(tls) => Ok(tls.clone()),
            Source::Unread(unread) => unread.build(),
        }
    }

    /// The same with its files read, so that clones share certificates, sessions and limits.
    pub(crate) fn loaded(self) -> Result<Self, TlsError> {
        Ok(Self {
            source: Source::Ready(self.load()?),
            text: self.text,
        })
    }
}

#[cfg(feature = "self-signed")]
fn self_signed(names: &[String], kept_in: Option<&PathBuf>) -> Result<Identity, TlsError> {
    use crate::tls::SelfSigned;

    let made = match kept_in {
        Some(path) => SelfSigned::kept_in(path, names)?,
        None => SelfSigned::new(names)?,
    };
    Ok(made.identity())
}

#[cfg(not(feature = "self-signed"))]
fn self_signed(_names: &[String], _kept_in: Option<&PathBuf>) -> Result<Identity, TlsError> {
    let error = TlsError::settings("self-signed certificates are not built in");
    Err(error.fix("turn on the feature `self-signed` of cyclone-core"))
}

impl fmt::Display for EndpointTls {
    /// The options, each with its colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The options of TLS on their way from the text of an endpoint.
struct Options<'a> {
    parts: &'a mut Parts,
    text: String,
}

impl Options<'_> {
    /// Takes an option and writes it down.
    fn take(&mut self, name: &str) -> Option<Value> {
        let value = self.parts.take(name)?;
        self.text += &format!(":{name}={}", escape(&value.text));
        Some(value)
    }

    /// Takes an option that names a file.
    fn file(&mut self, name: &str, what: &'static str) -> Result<Option<String>, Problem> {
        let value = self.take(name);
        value.map(|value| value.not_empty(what)).transpose()
    }

    fn words(&mut self, name: &str) -> Option<Vec<String>> {
        let list = self.take(name)?;
        let words = list.text.split(',').filter(|word| !word.is_empty());
        Some(words.map(str::to_owned).collect())
    }
}

/// Takes the options of TLS; `None` when there is none. `is_needed`: the endpoint makes no sense without.
pub(super) fn take(parts: &mut Parts, is_needed: bool) -> Result<Option<EndpointTls>, Problem> {
    if parts.kind == "ssl" {
        translate(parts)?;
    }
    #[cfg(not(feature = "acme"))]
    if parts.options.iter().any(|(name, _)| name == "acme") {
        return Err(Problem::NeedsFeature {
            what: "acme".to_owned(),
            feature: "acme",
        });
    }
    let is_any = parts
        .options
        .iter()
        .any(|(name, _)| TLS_OPTIONS.contains(&name.as_str()));
    if !is_any && !is_needed {
        return Ok(None);
    }
    let mut options = Options {
        parts,
        text: String::new(),
    };
    let names = options.words("selfsigned");
    let certificate = options.file("cert", "the file of the certificate")?;
    let key = options.file("key", "the file of the key")?;
    let chain = options.file("chain", "the file of the chain")?;
    let folder = options.file("certs", "the folder of certificates")?;
    #[cfg(feature = "acme")]
    let acme = acme(&mut options)?;
    #[cfg(feature = "acme")]
    let has_acme = acme.is_some();
    #[cfg(not(feature = "acme"))]
    let has_acme = false;
    if names.is_none() && certificate.is_none() && folder.is_none() && !has_acme {
        return Err(Problem::Missing("the certificate, `cert=`,"));
    }
    let (identity, self_signed) = match (names, certificate) {
        (Some(names), kept_in) => {
            if key.or(chain).is_some() {
                return Err(Problem::Pointless {
                    name: "key",
                    why: "a self-signed certificate has its key with it",
                });
            }
            let kept_in = kept_in.map(Into::into);
            (None, Some(SelfSignedSettings { names, kept_in }))
        }
        (None, Some(certificate)) => {
            let mut identity = match key {
                Some(key) => Identity::files(certificate, key),
                None => Identity::file(certificate),
            };
            if let Some(chain) = chain {
                identity = identity.chain_file(chain);
            }
            (Some(identity), None)
        }
        (None, None) if key.or(chain).is_some() => {
            return Err(Problem::Missing("the certificate, `cert=`,"));
        }
        (None, None) => (None, None),
    };
    let unread = Unread {
        identity,
        self_signed,
        folder,
        #[cfg(feature = "acme")]
        acme,
        builder: settings(&mut options, ServerTls::builder())?,
    };
    Ok(Some(EndpointTls {
        source: Source::Unread(Box::new(unread)),
        text: options.text,
    }))
}

/// The options of a certificate that an authority gives.
#[cfg(feature = "acme")]
fn acme(options: &mut Options<'_>) -> Result<Option<crate::tls::AcmeBuilder>, Problem> {
    let needs = |name, other| Problem::Needs { name, other };
    let Some(names) = options.words("acme") else {
        let alone = ["cache", "contact", "directory"];
        let found = alone.into_iter().find(|name| options.take(name).is_some());
        return found.map_or(Ok(None), |name| Err(needs(name, "acme")));
    };
    let folder = options.file("cache", "the folder of the authority's certificates")?;
    let mut acme = crate::tls::Acme::builder(names, folder.ok_or(needs("acme", "cache"))?);
    if let Some(contact) = options.take("contact") {
        acme = acme.contact(contact.not_empty("the address of the contact")?);
    }
    if let Some(directory) = options.take("directory") {
        acme = acme.directory(match directory.text.as_str() {
            "staging" => crate::tls::LETS_ENCRYPT_STAGING.to_owned(),
            _ => directory.not_empty("the directory of the authority")?,
        });
    }
    Ok(Some(acme))
}

fn settings(
    options: &mut Options<'_>,
    mut builder: ServerTlsBuilder,
) -> Result<ServerTlsBuilder, Problem> {
    if let Some(policy) = options.take("sni") {
        builder = builder.sni(match policy.text.as_str() {
            "any" => SniPolicy::Any,
            "known" => SniPolicy::Known,
            "required" => SniPolicy::Required,
            _ => return Err(policy.bad("policy for names: any, known or required")),
        });
    }
    builder = client_auth(options, builder)?;
    if let Some(versions) = options.words("versions") {
        let versions = versions.into_iter().map(|word| match word.as_str() {
            "1.2" => Ok(TlsVersion::V1_2),
            "1.3" => Ok(TlsVersion::V1_3),
            _ => Err(Problem::Bad {
                what: "version of TLS: 1.2 or 1.3",
                value: word,
            }),
        });
        builder = builder.versions(versions.collect::<Result<Vec<_>, _>>()?);
    }
    if let Some(protocols) = options.words("alpn") {
        builder = builder.alpn(protocols);
    }
    if let Some(limit) = options.take("handshake") {
        builder = builder.handshake_timeout(limit.seconds(LONGEST_HANDSHAKE_TIMEOUT)?);
    }
    Ok(builder)
}

fn client_auth(
    options: &mut Options<'_>,
    builder: ServerTlsBuilder,
) -> Result<ServerTlsBuilder, Problem> {
    let authorities = options.file("ca", "the file of authorities")?;
    let client = options.take("client");
    let lists = options.file("crl", "the file of revocation lists")?;
    let Some(authorities) = authorities else {
        let name = match (client, lists) {
            (Some(_), _) => "client",
            (None, Some(_)) => "crl",
            (None, None) => return Ok(builder),
        };
        return Err(Problem::Needs { name, other: "ca" });
    };
    let mut auth = match client {
        None => ClientAuth::required(authorities),
        Some(client) => match client.text.as_str() {
            "required" => ClientAuth::required(authorities),
            "optional" => ClientAuth::optional(authorities),
            _ => return Err(client.bad("demand on clients: required or optional")),
        },
    };
    if let Some(lists) = lists {
        auth = auth.revocation_list(lists);
    }
    Ok(builder.client_auth(auth))
}

/// Gives the options of Twisted's `ssl:` our names (twisted.internet.endpoints, `_parseSSL`).
fn translate(parts: &mut Parts) -> Result<(), Problem> {
    if parts.take("dhParameters").is_some() {
        return Err(Problem::Pointless {
            name: "dhParameters",
            why: "keys are exchanged over elliptic curves, which need none",
        });
    }
    let mut rename = |theirs: &str, ours: &str| {
        let value = parts.take(theirs)?;
        parts.options.push((ours.to_owned(), value.clone()));
        Some(value)
    };
    let key = rename("privateKey", "key");
    let certificate = rename("certKey", "cert");
    rename("extraCertChain", "chain");
    // The key's file has the certificate too unless another is named, and its name is known.
    if let (None, Some(key)) = (certificate, key) {
        parts.options.retain(|(name, _)| name != "key");
        parts.options.push(("cert".to_owned(), key));
    }
    let has = |name: &str| parts.options.iter().any(|(seen, _)| seen == name);
    if !has("cert") && !has("certs") && !has("selfsigned") && !has("acme") {
        let file = Value::from("server.pem".to_owned());
        parts.options.push(("cert".to_owned(), file));
    }
    if let Some(method) = parts.take("sslmethod") {
        let versions = match method.text.as_str() {
            "SSLv23_METHOD" | "TLS_METHOD" => return Ok(()),
            "TLSv1_2_METHOD" => "1.2",
            _ => return Err(method.bad("method that is safe: TLS_METHOD or TLSv1_2_METHOD")),
        };
        let versions = Value::from(versions.to_owned());
        parts.options.push(("versions".to_owned(), versions));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
