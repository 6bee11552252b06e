//! Header fields of requests and responses.

use std::time::{Duration, SystemTime};

use cyclone_web::{Cookies, ETag, MediaType, Precondition, SameSite, SetCookie, Validators};
use http::Method;
use http::header::{
    CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};

/// Each line is a `Cookie` header of the same request.
pub(crate) fn cookies(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in crate::pieces(data) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let cookies = Cookies::new(&headers);
    for (name, value) in cookies.iter() {
        let first = cookies.get(name).expect("a cookie that is there is found");
        let mut all = cookies.get_all(name);
        assert_eq!(all.next(), Some(first));
        assert!(cookies.get_all(name).any(|other| other == value));
    }
    let _ = format!("{cookies:?}");
}

/// A cookie that may be set is read back as it was set, and its attributes stay what they are.
pub(crate) fn set_cookie(data: &[u8]) {
    let mut texts = crate::texts(data);
    let mut next = || texts.next().unwrap_or_default();
    let (flags, name, value, path, domain) = (next(), next(), next(), next(), next());
    let mut cookie = SetCookie::new(name, value)
        .secure(flags.contains('s'))
        .http_only(flags.contains('h'))
        .partitioned(flags.contains('c'));
    if flags.contains('p') {
        cookie = cookie.path(path);
    }
    if flags.contains('d') {
        cookie = cookie.domain(domain);
    }
    if flags.contains('n') {
        cookie = cookie.same_site(SameSite::None);
    }
    if flags.contains('m') {
        cookie = cookie.max_age(Duration::from_secs(u64::MAX));
    }
    if flags.contains('e') {
        cookie = cookie.expires(SystemTime::now());
    }
    let Ok(header) = cookie.header_value() else {
        return;
    };
    let text = header.to_str().expect("visible characters only");
    let parts: Vec<&str> = text.split(';').map(str::trim).collect();
    let count = |start: &str| parts.iter().filter(|part| part.starts_with(start)).count();
    assert_eq!(count("Domain="), usize::from(flags.contains('d')), "{text}");
    assert_eq!(
        count("Max-Age="),
        usize::from(flags.contains('m')),
        "{text}"
    );
    // The first part is the cookie's own, whatever it begins with.
    let secure = parts[1..].iter().filter(|part| **part == "Secure").count();
    assert_eq!(secure, usize::from(flags.contains('s')), "{text}");
    let mut headers = HeaderMap::new();
    let sent = HeaderValue::from_str(parts[0]).expect("a part of a header value");
    headers.insert(COOKIE, sent);
    assert_eq!(
        Cookies::new(&headers).get(name).as_deref(),
        Some(value),
        "{text}"
    );
}

/// A media type that was taken is the same when it is written out again.
pub(crate) fn media_type(data: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, value);
        let _ = MediaType::from_headers(&headers);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let media_type: MediaType = match text.parse() {
        Ok(media_type) => media_type,
        Err(error) => {
            let _ = format!("{error}");
            return;
        }
    };
    assert_eq!(
        media_type.essence(),
        format!("{}/{}", media_type.kind(), media_type.subtype())
    );
    assert!(
        !media_type
            .essence()
            .contains(|c: char| c.is_ascii_uppercase())
    );
    let mut written = media_type.essence().to_owned();
    for (name, value) in media_type.parameters() {
        assert_eq!(media_type.parameter(name), Some(value));
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        written += &format!("; {name}=\"{value}\"");
    }
    assert_eq!(written.parse().as_ref(), Ok(&media_type), "{written}");
    if let Ok(boundary) = media_type.boundary() {
        assert!((1..=cyclone_web::MAX_BOUNDARY).contains(&boundary.len()));
    }
    let _ = (
        media_type.is_utf8(),
        media_type.is_json(),
        media_type.is_form(),
    );
}

const CONDITIONS: [HeaderName; 4] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
];

/// Each line is a header, which one says its first byte; the last line may be an entity tag.
pub(crate) fn conditional(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut tag = None;
    for line in crate::pieces(data) {
        let Some((which, rest)) = line.split_first() else {
            continue;
        };
        tag = std::str::from_utf8(line)
            .ok()
            .and_then(|text| text.parse().ok());
        if let Ok(value) = HeaderValue::from_bytes(rest) {
            headers.append(&CONDITIONS[usize::from(*which) % 4], value);
        }
    }
    let etag: ETag = tag.unwrap_or_else(|| ETag::strong("v1").expect("a tag"));
    assert_eq!(etag.to_string().parse().as_ref(), Ok(&etag));
    let current = Validators {
        etag: Some(&etag),
        last_modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)),
    };
    let unconditional = CONDITIONS.iter().all(|name| !headers.contains_key(name));
    for method in [Method::GET, Method::HEAD, Method::PUT] {
        let outcome = Precondition::evaluate(&method, &headers, current);
        assert!(!unconditional || outcome == Precondition::Proceed);
        assert!(method != Method::PUT || outcome != Precondition::NotModified);
    }
    let may_fail = headers.contains_key(IF_MATCH) || headers.contains_key(IF_UNMODIFIED_SINCE);
    let read = Precondition::evaluate(&Method::GET, &headers, current);
    assert!(may_fail || read != Precondition::Failed);

    // Whatever else is said, the tag itself is known when it is named last.
    headers.remove(IF_MATCH);
    headers.remove(IF_UNMODIFIED_SINCE);
    let list = format!("\"a\", {etag} ,W/\"b\"");
    let list = HeaderValue::from_str(&list).expect("tags are header values");
    headers.append(IF_NONE_MATCH, list);
    assert_eq!(
        Precondition::evaluate(&Method::GET, &headers, current),
        Precondition::NotModified
    );
}
