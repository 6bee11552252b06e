//! Digest authentication of a client (RFC 7616).

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Method};
use md5::Md5;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::error::ClientError;

/// Parameters of one challenge that are looked at; Digest has ten.
const MAX_PARAMETERS: usize = 16;

/// Challenges of one header that are looked at.
const MAX_CHALLENGES: usize = 16;

/// What a server wants to be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    algorithm: Algorithm,
    /// The user's name is hashed too.
    userhash: bool,
    /// The server knows `qop=auth`.
    auth: bool,
    stale: bool,
    // As they stand between the quotes: they go back and into the hash just so.
    realm: String,
    nonce: String,
    opaque: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Algorithm {
    /// Later is better.
    hash: Hash,
    session: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
}

/// The best of the challenges that can be answered.
pub(super) fn choose(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    let values = values
        .take(MAX_CHALLENGES)
        .filter_map(|value| value.to_str().ok());
    let challenges = values.flat_map(challenges);
    let usable = challenges.filter_map(|(scheme, parameters)| {
        let is_digest = scheme.eq_ignore_ascii_case("digest");
        is_digest.then(|| Challenge::new(&parameters)).flatten()
    });
    // The first of equals: it is the one that the server likes better.
    usable.reduce(
        |best, next| match next.algorithm.hash > best.algorithm.hash {
            true => next,
            false => best,
        },
    )
}

impl Challenge {
    fn new(parameters: &[(&str, &str)]) -> Option<Self> {
        let get = |name: &str| {
            let mut all = parameters.iter();
            let found = all.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| *value)
        };
        let is = |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let algorithm = get("algorithm").unwrap_or("MD5");
        let lower = algorithm.to_ascii_lowercase();
        let (name, session) = match lower.strip_suffix("-sess") {
            Some(name) => (name, true),
            None => (lower.as_str(), false),
        };
        let hash = match name {
            "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            _ => return None,
        };
        let qop = get("qop");
        let auth = qop.is_some_and(|qop| {
            let mut each = qop.split(',');
            each.any(|one| one.trim().eq_ignore_ascii_case("auth"))
        });
        // The server wants the body in the proof, which we do not do; or a session without what makes one.
        if (qop.is_some() || session) && !auth {
            return None;
        }
        Some(Self {
            algorithm: Algorithm { hash, session },
            userhash: is("userhash"),
            auth,
            stale: is("stale"),
            realm: get("realm")?.to_owned(),
            nonce: get("nonce")?.to_owned(),
            opaque: get("opaque").map(str::to_owned),
        })
    }

    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// The value of `Authorization`.
    pub(super) fn answer(
        &self,
        (user, password): (&str, &str),
        method: &Method,
        target: &str,
        client_nonce: &str,
        count: u32,
    ) -> Result<HeaderValue, ClientError> {
        let hash = |text: &str| self.algorithm.hash.of(text);
        let (realm, nonce) = (&self.realm, &self.nonce);
        let mut secret = hash(&format!("{user}:{realm}:{password}"));
        if self.algorithm.session {
            secret = hash(&format!("{secret}:{nonce}:{client_nonce}"));
        }
        let what = hash(&format!("{method}:{target}"));
        let response = match self.auth {
            true => hash(&format!(
                "{secret}:{nonce}:{count:08x}:{client_nonce}:auth:{what}"
            )),
            false => hash(&format!("{secret}:{nonce}:{what}")),
        };
        let name = match self.userhash {
            true => format!("username=\"{}\"", hash(&format!("{user}:{realm}"))),
            false if user.is_ascii() => {
                let user = user.replace('\\', "\\\\").replace('"', "\\\"");
                format!("username=\"{user}\"")
            }
            false => {
                let user = utf8_percent_encode(user, NON_ALPHANUMERIC);
                format!("username*=UTF-8''{user}")
            }
        };
        let mut text = format!(
            "Digest {name}, realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", response=\"{response}\", algorithm={}",
            self.algorithm.name(),
        );
        if self.auth {
            text.push_str(&format!(
                ", qop=auth, nc={count:08x}, cnonce=\"{client_nonce}\""
            ));
        }
        if let Some(opaque) = &self.opaque {
            text.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if self.userhash {
            text.push_str(", userhash=true");
        }
        let value = HeaderValue::try_from(text);
        let mut value =
            value.map_err(|_| ClientError::request("the user has control characters"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Algorithm {
    fn name(self) -> &'static str {
        match (self.hash, self.session) {
            (Hash::Md5, false) => "MD5",
            (Hash::Md5, true) => "MD5-sess",
            (Hash::Sha256, false) => "SHA-256",
            (Hash::Sha256, true) => "SHA-256-sess",
        }
    }
}

impl Hash {
    fn of(self, text: &str) -> String {
        match self {
            Self::Md5 => crate::hex::encode(&Md5::digest(text)),
            Self::Sha256 => crate::hex::encode(&Sha256::digest(text)),
        }
    }
}

type Parsed<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// Takes `WWW-Authenticate` apart (RFC 9110 section 11.6.1), in one pass. What is no challenge is passed over.
fn challenges(mut rest: &str) -> Vec<Parsed<'_>> {
    let mut found: Vec<Parsed<'_>> = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let end = rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let after = after.trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            Some(value) if !word.is_empty() => {
                let (value, after) = parameter(value.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = found.last_mut()
                    && parameters.len() < MAX_PARAMETERS
                {
                    parameters.push((word, value));
                }
                rest = after;
            }
            // No word begins so: on to the next comma.
            _ if word.is_empty() => {
                rest = rest.find(',').map_or("", |comma| &rest[comma..]);
            }
            _ => {
                if found.len() == MAX_CHALLENGES {
                    return found;
                }
                found.push((word, Vec::new()));
                rest = after;
            }
        }
    }
}

/// A value, without its quotes, and what is behind it.
fn parameter(rest: &str) -> (&str, &str) {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
        return rest.split_at(end);
    };
    let mut escaped = false;
    let end = quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    match end {
        Some(end) => (&quoted[..end], &quoted[end + 1..]),
        None => (quoted, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue, Method, WWW_AUTHENTICATE, challenges, choose};

    fn best(values: &[&str]) -> Option<super::Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        choose(&headers)
    }

    /// RFC 7616 section 3.9.1.
    #[test]
    fn example_of_the_rfc() {
        let common = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
            nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let header = format!("Digest {common}, algorithm={algorithm}");
            let challenge = best(&[&header]).unwrap();
            let who = ("Mufasa", "Circle of Life");
            let answer = challenge.answer(who, &Method::GET, "/dir/index.html", client_nonce, 1);
            let answer = answer.unwrap();
            let answer = answer.to_str().unwrap();
            assert!(
                answer.contains(&format!("response=\"{response}\"")),
                "{answer}"
            );
            assert!(answer.contains("nc=00000001"), "{answer}");
            assert!(answer.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""));
        }
    }

    #[test]
    fn the_best_challenge_is_chosen_wherever_it_stands() {
        let md5 = "Digest realm=\"a\", nonce=\"1\", qop=\"auth\"";
        let sha = "Basic realm=\"x, Digest y\", Digest realm=\"b\",nonce=\"2\" , qop=auth,algorithm=sha-256";
        let chosen = best(&[md5, sha]).unwrap();
        assert_eq!((chosen.realm.as_str(), chosen.nonce.as_str()), ("b", "2"));
        assert_eq!(best(&[sha, md5]).unwrap(), chosen);
        assert_eq!(best(&[md5]).unwrap().realm, "a");
        for unusable in [
            "Basic realm=\"x\"",
            "Digest realm=\"a\"",
            "Digest realm=\"a\", nonce=\"1\", qop=\"auth-int\"",
            "Digest realm=\"a\", nonce=\"1\", algorithm=SHA-512-256",
            "Digest realm=\"a\", nonce=\"1\", algorithm=MD5-sess",
            "Negotiate abc==",
            "",
            "=,=\"",
        ] {
            assert_eq!(best(&[unusable]), None, "{unusable}");
        }
    }

    #[test]
    fn quotes_are_kept_as_they_came() {
        let chosen = best(&["Digest realm=\"a\\\"b, c\\\\\", nonce=\"1\", stale=TRUE"]).unwrap();
        assert_eq!(chosen.realm, "a\\\"b, c\\\\");
        assert!(chosen.is_stale());
    }

    #[test]
    fn cve_2025_67726_many_parameters_are_one_pass_and_bounded() {
        let header = format!("Digest {}", "a=\"\\\"\",".repeat(10_000));
        let parsed = challenges(&header);
        assert_eq!(parsed.len(), 1);
        assert_eq!(parsed[0].1.len(), super::MAX_PARAMETERS);
        assert_eq!(
            challenges(&"x,".repeat(10_000)).len(),
            super::MAX_CHALLENGES
        );
    }

    #[test]
    fn no_header_makes_it_panic() {
        let header = "Basic abc==, Digest realm=\"a\\\"b\" ,nonce = x , = , \"q\" Negotiate";
        for start in 0..header.len() {
            for end in start..=header.len() {
                challenges(&header[start..end]);
            }
        }
    }
}
