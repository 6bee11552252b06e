use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::nonce::{Nonces, Verdict};
use super::response::{DigestAlgorithm, DigestResponse, DigestSecret};
use crate::auth::Credentials;

/// The example of RFC 7616, 3.9.1.
fn example(algorithm: &str, response: &str) -> DigestResponse {
    let credentials = format!(
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    );
    let credentials = Credentials::parse(&credentials).unwrap();
    DigestResponse::read(&credentials).unwrap()
}

#[test]
fn rfc_7616_3_9_1_responses_are_right() {
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ] {
        let response = example(algorithm, response);
        let realm = "http-auth@example.org";
        let secret = DigestSecret::password("Circle of Life");
        let secret = secret.of(&response, realm).unwrap();
        assert!(response.is_right("GET", &secret));
        assert!(!response.is_right("POST", &secret));
        assert!(response.is_for(&"/dir/index.html".parse().unwrap()));
        assert!(response.is_for(&"http://h/dir/index.html".parse().unwrap()));
        for other in ["/dir/index.html?a=1", "/dir/", "/"] {
            assert!(!response.is_for(&other.parse().unwrap()), "{other}");
        }
        let wrong = DigestSecret::password("circle of Life");
        assert!(!response.is_right("GET", &wrong.of(&response, realm).unwrap()));
        let hash = DigestSecret::hash(response.algorithm, "Mufasa", realm, "Circle of Life");
        let kept = DigestSecret::hashed(response.algorithm, hash.clone());
        assert!(response.is_right("GET", &kept.of(&response, realm).unwrap()));
        let other = match response.algorithm {
            DigestAlgorithm::Md5 => DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha256 => DigestAlgorithm::Md5,
        };
        assert!(
            DigestSecret::hashed(other, hash)
                .of(&response, realm)
                .is_none()
        );
    }
}

#[test]
fn fields_that_are_missing_or_wrong_are_refused() {
    let good = "Digest username=\"a\", realm=\"r\", uri=\"/\", algorithm=MD5, nonce=\"n\", nc=00000001, cnonce=\"c\", \
                qop=auth, response=\"0\"";
    let read = |text: &str| DigestResponse::read(&Credentials::parse(text).unwrap());
    assert!(read(good).is_some());
    for (from, to) in [
        ("username=\"a\"", "name=a"),
        ("username=\"a\"", "username=a, username*=UTF-8''b"),
        ("username=\"a\"", "username*=latin1''b"),
        ("realm=\"r\"", "r=r"),
        ("uri=\"/\"", "r=r"),
        ("MD5", "MD4"),
        ("MD5", "MD5-sess"),
        ("nonce=\"n\"", "r=r"),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=00000000"),
        ("nc=00000001", "nc=+0000001"),
        ("nc=00000001", "nc=0000000g"),
        ("cnonce=\"c\"", "cnonce=\"\""),
        ("qop=auth", "qop=auth-int"),
        ("qop=auth", "userhash=false"),
        ("qop=auth", "qop=auth, userhash=true"),
        ("response=\"0\"", "r=r"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good);
        assert!(read(&text).is_none(), "{text}");
    }
    let extended = good.replace("username=\"a\"", "username*=UTF-8''J%C3%A4s");
    assert_eq!(read(&extended).unwrap().user, "J\u{e4}s");
}

#[test]
fn a_nonce_is_good_for_its_time_and_no_other_passes() {
    let at =
        |millis| UNIX_EPOCH + Duration::from_secs(1_800_000_000) + Duration::from_millis(millis);
    let nonces = Nonces::new([7; 32], Duration::from_secs(1));
    let nonce = nonces.make(at(0)).unwrap();
    let verdict = |nonces: &Nonces, nonce: &str, now: SystemTime| match nonces.check(nonce, now) {
        Verdict::Good(_) => "good",
        Verdict::Old => "old",
        Verdict::Forged => "forged",
    };
    assert_eq!(verdict(&nonces, &nonce, at(0)), "good");
    assert_eq!(verdict(&nonces, &nonce, at(999)), "good");
    assert_eq!(verdict(&nonces, &nonce, at(1_000)), "old");
    assert_ne!(nonces.make(at(0)).unwrap(), nonce);
    let other = Nonces::new([8; 32], Duration::from_secs(1));
    assert_eq!(verdict(&other, &nonce, at(0)), "forged");
    for at_byte in 0..nonce.len() {
        let mut changed = nonce.clone().into_bytes();
        changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(verdict(&nonces, &changed, at(0)), "forged", "{changed}");
        assert_eq!(verdict(&nonces, &nonce[..at_byte], at(0)), "forged");
    }
}
