//! Static files: paths that try to get out, and parts of a file.

use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;
use cyclone_web::StaticFiles;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tower_service::Service as _;

/// What no path must lead to.
const SECRET: &[u8] = b"the secret";

/// Bytes of the file that is asked for in parts.
const LENGTH: usize = 200;

/// Ranges of which a request may have so many; with more it gets the whole file.
const MOST: usize = 16;

struct Tree {
    files: StaticFiles,
    content: Vec<u8>,
    _folder: TempDir,
}

/// `root/file`, `root/sub/page.html`, a hidden file, and secrets outside.
fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        let content: Vec<u8> = (0..LENGTH)
            .map(|at| u8::try_from(at).unwrap_or(0))
            .collect();
        let write = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes).expect("a file");
        std::fs::create_dir_all(root.join("sub")).expect("a folder");
        std::fs::create_dir_all(folder.path().join("root-not")).expect("a folder");
        write(&root.join("file"), &content);
        write(&root.join("sub/page.html"), b"<p>page");
        write(&root.join(".hidden"), SECRET);
        write(&root.join("sub/.hidden"), SECRET);
        write(&folder.path().join("secret"), SECRET);
        write(&folder.path().join("root-not/secret"), SECRET);
        std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link"))
            .expect("a link");
        Tree {
            files: StaticFiles::new(root),
            content,
            _folder: folder,
        }
    })
}

fn get(uri: Uri, headers: HeaderMap) -> Response<Bytes> {
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    crate::serve::block_on(async {
        let mut files = tree().files.clone();
        let Ok(response) = files.call(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the file is read").to_bytes();
        Response::from_parts(parts, body)
    })
}

/// The secrets stay where they are.
pub(crate) fn static_path(data: &[u8]) {
    let mut target = b"/".to_vec();
    target.extend(data);
    let Ok(uri) = Uri::try_from(target) else {
        return;
    };
    let response = get(uri, HeaderMap::new());
    assert_ne!(response.body(), SECRET);
    assert!(!response.status().is_server_error(), "{response:?}");
}

/// The first line is `Range`, the second `If-Range`; what comes is a part of the file, and the part it says.
pub(crate) fn range(data: &[u8]) {
    let content = tree().content.as_slice();
    let mut headers = HeaderMap::new();
    for (name, line) in [RANGE, IF_RANGE].into_iter().zip(crate::pieces(data)) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(name, value);
        }
    }
    let wanted = headers
        .get(RANGE)
        .and_then(|value| wanted(value.as_bytes()));
    let conditional = headers.contains_key(IF_RANGE);
    let response = get(Uri::from_static("/file"), headers);
    let text = |name| {
        let value: Option<&HeaderValue> = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let body = response.body().as_ref();
    let sent = match response.status() {
        StatusCode::OK => {
            assert_eq!(body, content);
            assert!(wanted.is_none() || conditional);
            return;
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            assert_eq!(text(CONTENT_RANGE), "bytes */200");
            assert_eq!(wanted.as_deref(), Some(&[][..]));
            return;
        }
        StatusCode::PARTIAL_CONTENT => {
            let media_type = text(CONTENT_TYPE);
            match media_type.strip_prefix("multipart/byteranges; boundary=") {
                Some(boundary) => parts(body, boundary.trim_matches('"'), content),
                None => {
                    let part = named(text(CONTENT_RANGE), content);
                    assert_eq!(body, part);
                    part.to_vec()
                }
            }
        }
        other => panic!("a range got {other}"),
    };
    // Bytes of the file are their own places, and those of the parts are sorted.
    assert_eq!(Some(sent), wanted);
}

/// The places that a `Range` header asks for, by the grammar of RFC 9110 14.1.2, one by one; `None` when it is none.
fn wanted(header: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(header).ok()?;
    let (unit, set) = text.split_once('=')?;
    let blank = |c: char| c == ' ' || c == '\t';
    let specs: Vec<&str> = set
        .split(',')
        .map(|spec| spec.trim_matches(blank))
        .collect();
    if !unit.trim_matches(blank).eq_ignore_ascii_case("bytes") || specs.len() > MOST {
        return None;
    }
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        // What is too large for a number is too large for the file.
        digits.then(|| text.parse().unwrap_or(usize::MAX))
    };
    let mut asked = [false; LENGTH];
    let mut some = false;
    for spec in specs.into_iter().filter(|spec| !spec.is_empty()) {
        some = true;
        let (first, last) = spec.split_once('-')?;
        let (from, to) = match (first, last) {
            ("", "") => return None,
            ("", last) => (LENGTH.saturating_sub(number(last)?), LENGTH),
            (first, "") => (number(first)?, LENGTH),
            (first, last) => {
                let (from, to) = (number(first)?, number(last)?);
                if from > to {
                    return None;
                }
                (from, to.saturating_add(1))
            }
        };
        asked[from.min(LENGTH)..to.min(LENGTH).max(from.min(LENGTH))].fill(true);
    }
    let places = asked
        .iter()
        .zip(0..)
        .filter_map(|(asked, place)| asked.then_some(place));
    some.then(|| places.collect())
}

/// The bytes that a `Content-Range` names.
fn named<'a>(header: &str, content: &'a [u8]) -> &'a [u8] {
    let range = header
        .strip_prefix("bytes ")
        .and_then(|rest| rest.strip_suffix("/200"));
    let (first, last) = range
        .and_then(|range| range.split_once('-'))
        .expect("a range");
    let number = |text: &str| text.parse::<usize>().expect("a number");
    &content[number(first)..=number(last)]
}

/// The bytes of all parts.
fn parts(body: &[u8], boundary: &str, content: &[u8]) -> Vec<u8> {
    let delimiter = format!("--{boundary}\r\n");
    let end = format!("\r\n--{boundary}--\r\n");
    let mut rest = body;
    let mut sent = Vec::new();
    let mut parts = 0;
    while rest != end.as_bytes() {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        rest = rest
            .strip_prefix(delimiter.as_bytes())
            .expect("a delimiter");
        let blank = b"\r\n\r\n";
        let place = rest
            .windows(4)
            .position(|window| window == blank)
            .expect("a head");
        let head = std::str::from_utf8(&rest[..place]).expect("a head of text");
        let header = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-range").then_some(value)
        });
        let part = named(header.expect("a content-range"), content);
        rest = rest[place + 4..]
            .strip_prefix(part)
            .expect("the bytes it names");
        sent.extend(part);
        parts += 1;
    }
    assert!(parts > 1);
    sent
}
