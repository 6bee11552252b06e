//! Which certificate a client is shown (RFC 6066, section 3: server name indication).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::DnsName;

#[cfg(feature = "acme")]
use super::acme::Acme;
use super::identity::Loaded;

/// What becomes of clients by the name they ask for (SNI).
///
/// Clients that connect to an IP address send no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SniPolicy {
    /// Who asks for a name that no certificate has, or for none, is shown the default certificate.
    #[default]
    Any,
    /// Who asks for a name that no certificate has is refused with the alert `unrecognized_name`; who asks for
    /// none is shown the default certificate.
    Known,
    /// Everybody has to ask for a name that a certificate has.
    Required,
}

/// Certificates for one name, of different kinds of key; the client tells which kinds it can check.
type Candidates = Vec<Arc<CertifiedKey>>;

/// The certificates of a server by name.
pub(crate) struct Resolver {
    policy: SniPolicy,
    exact: HashMap<String, Candidates>,
    /// Without the `*.`.
    wildcard: HashMap<String, Candidates>,
    default: Candidates,
    #[cfg(feature = "acme")]
    acme: Vec<Acme>,
}

impl Resolver {
    /// The first one is the default.
    pub(crate) fn new(
        loaded: &[Loaded],
        policy: SniPolicy,
        #[cfg(feature = "acme")] acme: &[Acme],
    ) -> Self {
        let mut resolver = Self {
            policy,
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            default: Vec::new(),
            #[cfg(feature = "acme")]
            acme: acme.to_vec(),
        };
        for one in loaded {
            for name in &one.names {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut resolver.wildcard, rest),
                    None => (&mut resolver.exact, name.as_str()),
                };
                let candidates = names.entry(name.to_owned()).or_default();
                candidates.push(Arc::clone(&one.key));
            }
        }
        // With the default come those of the same name and another kind of key.
        let named = loaded.first().and_then(|one| one.names.first());
        let alike = named.and_then(|name| match name.strip_prefix("*.") {
            Some(rest) => resolver.wildcard.get(rest),
            None => resolver.exact.get(name),
        });
        resolver.default = match (alike, loaded.first()) {
            (Some(alike), _) => alike.clone(),
            (None, Some(one)) => vec![Arc::clone(&one.key)],
            (None, None) => Vec::new(),
        };
        resolver
    }

    /// Whether there is a certificate for a client that asks for `name`.
    pub(crate) fn serves(&self, name: Option<&str>) -> bool {
        self.candidates(name).is_some() || self.of_authority(name).is_some()
    }

    /// What answers a client that turns out to be an authority.
    #[cfg(feature = "acme")]
    pub(crate) fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<rustls::ServerConfig>> {
        self.acme.iter().find_map(|acme| acme.answer(hello))
    }

    /// The certificate that an authority gave for this name; for no name, and where it may be any, the first.
    #[cfg(feature = "acme")]
    fn of_authority(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let asked = name.and_then(normal);
        let named = self.acme.iter().find(|acme| {
            let mut names = acme.names().iter();
            names.any(|name| Some(name) == asked.as_ref())
        });
        if let Some(key) = named.and_then(Acme::current_key) {
            return Some(key);
        }
        let may_be_any = match name {
            Some(_) => self.policy == SniPolicy::Any,
            None => self.policy != SniPolicy::Required,
        };
        let first = self
            .acme
            .first()
            .filter(|_| may_be_any && self.default.is_empty());
        first.and_then(Acme::current_key)
    }

    #[cfg(not(feature = "acme"))]
    fn of_authority(&self, _name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn candidates(&self, name: Option<&str>) -> Option<&Candidates> {
        let Some(name) = name else {
            return (self.policy != SniPolicy::Required).then_some(&self.default);
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let found = self.exact.get(&name).or_else(|| {
            // The asterisk stands for one label (RFC 9525, 6.3).
            let (_, rest) = name.split_once('.')?;
            self.wildcard.get(rest)
        });
        found.or((self.policy == SniPolicy::Any).then_some(&self.default))
    }

    /// Whether a certificate that was given has this name.
    fn has(&self, name: Option<&str>) -> bool {
        let Some(name) = name.and_then(normal) else {
            return true;
        };
        self.exact.contains_key(&name)
            || name
                .split_once('.')
                .is_some_and(|(_, rest)| self.wildcard.contains_key(rest))
    }

    fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let candidates = self.candidates(name)?;
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        candidates
            .iter()
            .find(usable)
            .or_else(|| candidates.first())
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let of_authority = || self.of_authority(name);
        match self.choose(name, hello.signature_schemes()) {
            Some(key) if self.has(name) => Some(Arc::clone(key)),
            fallback => of_authority().or_else(|| fallback.cloned()),
        }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("policy", &self.policy)
            .field("exact", &self.exact.keys())
            .field("wildcard", &self.wildcard.keys())
            .finish_non_exhaustive()
    }
}

/// The form in which names are compared: small letters, no dot at the end. `None` when no client can ask for it.
pub(crate) fn normal(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let host = name.strip_prefix("*.").unwrap_or(&name);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    (!is_address && DnsName::try_from(host).is_ok()).then_some(name)
}

#[cfg(test)]
mod tests;
