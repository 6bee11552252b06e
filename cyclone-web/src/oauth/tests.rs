use bytes::Bytes;
use http::Request;

use super::http_client::{check_url, with_query};
use super::{OAuth1, OAuth1Provider, OAuth1Token, OAuthHttp, OAuthHttpError};

struct Nobody;

impl OAuthHttp for Nobody {
    async fn send(&self, _: Request<Bytes>) -> Result<http::Response<Bytes>, OAuthHttpError> {
        Err("nobody answers".into())
    }
}

/// The two requests of the example of RFC 5849, 1.2, that have a token.
#[test]
fn rfc_5849_1_2_signatures_are_right() {
    let client = OAuth1::new(
        OAuth1Provider::x(),
        Nobody,
        "dpf43f3p2l4k3l03",
        "kd94hf93k423kf44",
        "http://printer.example.com/ready",
    );
    let header = |method, url: &str, more: &[(&str, &str)], token, nonce, now| {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .body(Bytes::new());
        client.header(&request.unwrap(), more, Some(token), nonce, now)
    };
    let token = OAuth1Token::new("hh5s93j4hdidpola", "hdhd0244k9j7ao03");
    let verifier = [("oauth_verifier", "hfdp7dh39dks9884")];
    let url = "https://photos.example.net/token";
    let signed = header("POST", url, &verifier, &token, "walatlh", "137131201");
    let expected = "OAuth oauth_consumer_key=\"dpf43f3p2l4k3l03\", oauth_nonce=\"walatlh\", \
                    oauth_signature_method=\"HMAC-SHA1\", oauth_timestamp=\"137131201\", \
                    oauth_token=\"hh5s93j4hdidpola\", oauth_verifier=\"hfdp7dh39dks9884\", \
                    oauth_signature=\"gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D\"";
    assert_eq!(signed, expected);
    let token = OAuth1Token::new("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00");
    let url = "http://PHOTOS.example.net:80/photos?file=vacation.jpg&size=original";
    let signed = header("GET", url, &[], &token, "chapoH", "137131202");
    assert!(
        signed.ends_with("oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\""),
        "{signed}"
    );
}

#[test]
fn endpoints_are_behind_tls() {
    for good in [
        "https://a.example/b?c=d",
        "http://localhost:80/",
        "http://127.0.0.1/a",
        "http://[::1]:1/",
    ] {
        assert!(check_url(good).is_ok(), "{good}");
    }
    for bad in [
        "http://a.example/",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "ftp://localhost/",
        "/a",
        "https://",
        "localhost",
        "",
        "http://10.0.0.1/",
    ] {
        assert!(check_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn arguments_are_encoded() {
    assert_eq!(
        with_query("/a", &[("b", "c d&\u{e9}+")]),
        "/a?b=c%20d%26%C3%A9%2B"
    );
    assert_eq!(with_query("/a?b", &[("c", "~-._")]), "/a?b&c=~-._");
}
