//! The answers to heads that cannot be read.

use std::time::SystemTime;

use http::StatusCode;

use super::framing::Refusal;
use crate::http_date;

/// The answer when a head takes too long.
pub(crate) const LATE_HEAD: Refusal =
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request took too long\n");

/// The answer to a head that the parser refuses with `status`, of which `head` has been read.
pub(crate) fn of_head(status: StatusCode, head: &[u8]) -> Refusal {
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Refusal::new(status, "the request head is too large\n")
        }
        StatusCode::URI_TOO_LONG => Refusal::new(status, "the request line is too long\n"),
        _ if is_other_version(head) => Refusal::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "only HTTP/1.1, HTTP/1.0 and HTTP/2 are spoken here\n",
        ),
        _ => Refusal::new(StatusCode::BAD_REQUEST, "the request is malformed\n"),
    }
}

/// Whether the request line ends with a version that is well formed and not ours (RFC 9112 section 2.3).
fn is_other_version(head: &[u8]) -> bool {
    let line = head
        .split(|&byte| byte == b'\n')
        .find(|line| !matches!(line, [] | [b'\r']));
    let Some(line) = line else {
        return false;
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(version) = line.rsplit(|&byte| byte == b' ').next() else {
        return false;
    };
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit() && !matches!((major, minor), (b'1', b'0' | b'1')))
}

/// The bytes of a refusal, with the `date` that answers to faults of the client must have too (RFC 9110 section 6.6.1).
pub(crate) fn bytes(refusal: Refusal) -> Vec<u8> {
    let Refusal { status, reason } = refusal;
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\ndate: {}\r\n\r\n{reason}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        reason.len(),
        http_date::format_clamped(SystemTime::now()),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::is_other_version;

    #[test]
    fn other_versions_are_well_formed_ones() {
        for head in [
            "GET / HTTP/2.0\r\n",
            "GET / HTTP/3.9\n",
            "\r\nGET / HTTP/1.2\r\nHost: a\r\n",
            "GET / HTTP/0.9",
        ] {
            assert!(is_other_version(head.as_bytes()), "{head:?}");
        }
        for head in [
            "",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.0\r\n",
            "GET /\r\n",
            "GET / http/2.0\r\n",
            "GET / HTTP/2\r\n",
        ] {
            assert!(!is_other_version(head.as_bytes()), "{head:?}");
        }
    }
}
