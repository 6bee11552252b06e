use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, Method};

use super::{AwsPayload, AwsSignatureError, AwsSignatures, Request, canonical, time};

/// The key of Amazon's examples, in two halves so that no scanner takes it for one.
const KEY: &str = concat!("AKIAIOSF", "ODNN7EXAMPLE");
const SECRET: &str = concat!("wJalrXUtnFEMI", "/K7MDENG/bPxRfiCYEXAMPLEKEY");
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HOST: &str = "examplebucket.s3.amazonaws.com";

/// A request of Amazon's examples, judged at a time.
struct Example {
    query: String,
    headers: HeaderMap,
}

impl Example {
    /// "GET Object" of the documentation of Signature Version 4 for S3.
    fn in_headers() -> Self {
        let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature={signature}"
        );
        let mut example = Self {
            query: String::new(),
            headers: HeaderMap::new(),
        };
        example.set("authorization", &authorization);
        example.set("range", "bytes=0-9");
        example.set("x-amz-content-sha256", EMPTY);
        example.set("x-amz-date", "20130524T000000Z");
        example
    }

    /// "Authenticating Requests: Using Query Parameters".
    fn in_query() -> Self {
        let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        Self {
            query: format!(
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                 &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
            ),
            headers: HeaderMap::new(),
        }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.headers
            .insert(HeaderName::from_static(name), value.parse().unwrap());
    }

    fn judge(
        &self,
        settings: &AwsSignatures,
        now: SystemTime,
    ) -> Result<AwsPayload, AwsSignatureError> {
        self.judge_by(settings, now, SECRET)
    }

    fn judge_by(
        &self,
        settings: &AwsSignatures,
        now: SystemTime,
        secret: &str,
    ) -> Result<AwsPayload, AwsSignatureError> {
        let request = Request {
            method: &Method::GET,
            path: "/test.txt",
            query: &self.query,
            headers: &self.headers,
            host: Some(HOST),
        };
        let claim = settings.read(&request, now)?;
        assert_eq!(claim.access_key, KEY);
        settings.verify(&request, &claim, None, secret)
    }
}

fn then() -> SystemTime {
    time::parse("20130524T000000Z").unwrap()
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_examples_of_amazon_are_genuine() {
    let s3 = AwsSignatures::new("s3").region("us-east-1");
    let payload = Example::in_headers().judge(&s3, then()).unwrap();
    assert!(payload.is_of(b"") && !payload.is_of(b"a"));
    let payload = Example::in_query().judge(&s3, then()).unwrap();
    assert_eq!(payload, AwsPayload::Unsigned);
    for example in [Example::in_headers(), Example::in_query()] {
        let wrong = example.judge_by(&s3, then(), "another secret");
        assert_eq!(wrong, Err(AwsSignatureError::Mismatch));
    }
}

#[test]
fn a_time_is_good_up_to_its_limit() {
    let s3 = AwsSignatures::new("s3");
    let signed = Example::in_headers();
    let limit = 15 * MINUTE;
    for good in [then() - limit, then(), then() + limit] {
        assert!(signed.judge(&s3, good).is_ok());
    }
    for bad in [then() - limit - SECOND, then() + limit + SECOND] {
        assert_eq!(signed.judge(&s3, bad), Err(AwsSignatureError::Skewed));
    }
    let signed = Example::in_query();
    let day = Duration::from_secs(86_400);
    for good in [then() - limit, then() + day] {
        assert!(signed.judge(&s3, good).is_ok());
    }
    let early = signed.judge(&s3, then() - limit - SECOND);
    assert_eq!(early, Err(AwsSignatureError::Skewed));
    let late = signed.judge(&s3, then() + day + SECOND);
    assert_eq!(late, Err(AwsSignatureError::Expired));
    // The longest is signed too, so only the form is judged here.
    for (seconds, expected) in [
        ("604800", AwsSignatureError::Mismatch),
        ("604801", AwsSignatureError::Malformed),
        ("0", AwsSignatureError::Malformed),
        ("-1", AwsSignatureError::Malformed),
    ] {
        let mut signed = Example::in_query();
        signed.query = signed.query.replace("86400", seconds);
        assert_eq!(signed.judge(&s3, then()), Err(expected), "{seconds}");
    }
}

#[test]
fn no_change_of_a_signed_request_passes() {
    use AwsSignatureError as E;
    let s3 = AwsSignatures::new("s3").region("us-east-1");
    let headers: [(&'static str, &str, E); 8] = [
        ("range", "bytes=0-8", E::Mismatch),
        ("x-amz-date", "20130524T000001Z", E::Mismatch),
        ("x-amz-date", "20130525T000000Z", E::Skewed),
        ("x-amz-date", "today", E::Malformed),
        (
            "x-amz-content-sha256",
            "UNSIGNED-PAYLOAD",
            E::UnsignedPayload,
        ),
        (
            "x-amz-content-sha256",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            E::UnsignedPayload,
        ),
        ("x-amz-acl", "public-read", E::UnsignedHeader),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a",
            E::Malformed,
        ),
    ];
    for (name, value, expected) in headers {
        let mut example = Example::in_headers();
        example.set(name, value);
        assert_eq!(example.judge(&s3, then()), Err(expected), "{name}: {value}");
    }
    let authorization = Example::in_headers().headers["authorization"].clone();
    let authorization = authorization.to_str().unwrap();
    for (from, to, expected) in [
        ("/20130524/", "/20130523/", E::OtherScope),
        ("us-east-1", "us-east-2", E::OtherScope),
        ("/s3/", "/ec2/", E::OtherScope),
        ("aws4_request", "aws3_request", E::Malformed),
        ("host;range", "range", E::UnsignedHeader),
        ("host;range", "range;host", E::Malformed),
        ("host;range", "host", E::Mismatch),
        ("range;", "range;te;", E::Mismatch),
        ("SHA256 ", "SHA512 ", E::Malformed),
        ("Signature=f", "Signature=e", E::Mismatch),
        ("Signature=f", "Signature=", E::Mismatch),
        (",Signature=", ",Signed=", E::Malformed),
    ] {
        let mut example = Example::in_headers();
        let changed = authorization.replace(from, to);
        assert_ne!(changed, authorization);
        example.set("authorization", &changed);
        assert_eq!(example.judge(&s3, then()), Err(expected), "{to}");
    }
    for (from, to, expected) in [
        ("Signature=a", "Signature=b", E::Mismatch),
        ("&X-Amz-Expires=86400", "", E::Malformed),
        (
            "&X-Amz-Expires=86400",
            "&X-Amz-Expires=86400&X-Amz-Expires=9",
            E::Malformed,
        ),
        (
            "&X-Amz-SignedHeaders=host",
            "&X-Amz-SignedHeaders=range",
            E::UnsignedHeader,
        ),
        ("X-Amz-Algorithm", "acl&X-Amz-Algorithm", E::Mismatch),
    ] {
        let mut example = Example::in_query();
        example.query = example.query.replace(from, to);
        assert_eq!(example.judge(&s3, then()), Err(expected), "{to}");
    }
    // Signed both ways: it would have to be said which counts.
    let mut both = Example::in_headers();
    both.query = Example::in_query().query;
    assert_eq!(both.judge(&s3, then()), Err(E::Malformed));
    let none = Example {
        query: String::new(),
        headers: HeaderMap::new(),
    };
    assert_eq!(none.judge(&s3, then()), Err(E::Missing));
}

#[test]
fn requests_have_one_form() {
    assert_eq!(
        canonical::query("b=2&a=%41+c&a=%2f&acl", "none"),
        "a=%2F&a=A%20c&acl=&b=2"
    );
    assert_eq!(canonical::query("X=1&a=", "X"), "a=");
    assert_eq!(
        canonical::object_path("/a b/%c3%a9/%2F//./~*"),
        "/a%20b/%C3%A9/%2F//./~%2A"
    );
    assert_eq!(canonical::path("/a%20b//./c/../d/"), "/a%2520b/d/");
    assert_eq!(canonical::path("/../.."), "/");
    let mut headers = HeaderMap::new();
    headers.append("x-a", "  b   c ".parse().unwrap());
    headers.append("x-a", "d".parse().unwrap());
    assert_eq!(canonical::header(&headers, "x-a").unwrap(), "b c,d");
    assert_eq!(canonical::header(&headers, "x-b"), None);
}
