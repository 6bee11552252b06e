//! What clients really send, as recorded from them.

use super::{found, parse};

#[test]
fn chromium_and_firefox() {
    let form = "------WebKitFormBoundaryePkpFF7tjBAqx29L\r\n\
        Content-Disposition: form-data; name=\"say \u{e9}%22\"\r\n\r\n\
        two\r\nlines\r\n\
        ------WebKitFormBoundaryePkpFF7tjBAqx29L\r\n\
        Content-Disposition: form-data; name=\"none\"; filename=\"\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\
        \r\n\
        ------WebKitFormBoundaryePkpFF7tjBAqx29L\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a\\b%22\u{65e5}.txt\"\r\n\
        Content-Type: text/plain\r\n\r\n\
        hello\n\r\n\
        ------WebKitFormBoundaryePkpFF7tjBAqx29L--\r\n";
    let parts = vec![
        found("say \u{e9}\"", "two\r\nlines"),
        found("none", "").file("", "application/octet-stream"),
        found("file", "hello\n").file("a\\b\"\u{65e5}.txt", "text/plain"),
    ];
    assert_eq!(
        parse("----WebKitFormBoundaryePkpFF7tjBAqx29L", form),
        Ok(parts)
    );

    // Firefox has a longer one.
    let boundary = "----geckoformboundary1f9f2ef4b4b6f8eb6a4b2f1c5e0f9d7a";
    let form = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--{boundary}--\r\n"
    );
    assert_eq!(parse(boundary, form), Ok(vec![found("a", "1")]));
}

#[test]
fn curl() {
    let form = "--------------------------d74496d66958873e\r\n\
        Content-Disposition: form-data; name=\"field\"\r\n\r\n\
        value\r\n\
        --------------------------d74496d66958873e\r\n\
        Content-Disposition: attachment; name=\"file\"; filename=\"f\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\
        \0\u{1}\r\n\
        --------------------------d74496d66958873e--\r\n";
    let parts = vec![
        found("field", "value"),
        found("file", "\0\u{1}").file("f", "application/octet-stream"),
    ];
    let boundary = "------------------------d74496d66958873e";
    let form = form.replace("attachment", "form-data");
    assert_eq!(parse(boundary, form), Ok(parts));
}

/// urllib3 and requests put fields of headers in this order, `http.client` by hand has no last CRLF.
#[test]
fn python() {
    let form = "--0d1b5c8f9a\r\n\
        Content-Disposition: form-data; name=\"a\"\r\n\r\n\
        1\r\n\
        --0d1b5c8f9a\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"x.bin\"; filename*=utf-8''%e2%82%ac.bin\r\n\
        Content-Type: application/x-thing; version=\"1\"\r\n\
        Content-Transfer-Encoding: binary\r\n\
        Content-Length: 3\r\n\r\n\
        abc\r\n\
        --0d1b5c8f9a--";
    let parts = vec![
        found("a", "1"),
        found("f", "abc").file("\u{20ac}.bin", "application/x-thing; version=\"1\""),
    ];
    assert_eq!(parse("0d1b5c8f9a", form), Ok(parts));
}
