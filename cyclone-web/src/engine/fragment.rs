//! Finds request targets with a fragment.
//!
//! `#` is no part of a request target (RFC 9112 section 3.2), and a proxy may have decided by what stands behind
//! it (CVE-2023-45539). hyper's parser accepts it and drops it with what follows, so that nobody above can
//! see it any more. So the byte stream below looks for it, which costs a scan of the bytes of each head, and
//! keeps the few heads in question for a closer look.

use std::sync::{Mutex, PoisonError};

use http::{Method, Uri};
use memchr::memchr;

use super::wire::Flag;

/// The most bytes that are kept.
const KEPT_BYTES: usize = 64 * 1024;

/// The bytes of request heads that may have a fragment.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    kept: Flag,
    bytes: Mutex<Vec<u8>>,
}

impl Fragments {
    /// Looks at bytes that may be of a request head. `fresh` says that nothing of the head has come before.
    pub(crate) fn look(&self, bytes: &[u8], fresh: bool) {
        if fresh && self.kept.take() {
            self.lock().clear();
        }
        // A request line that comes in pieces is kept from its first piece.
        let has_line = bytes.ends_with(b"\n") || memchr(b'\n', bytes).is_some();
        if !has_line || memchr(b'#', bytes).is_some() {
            self.keep(bytes);
        }
    }

    #[cold]
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.lock();
        let room = KEPT_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.kept.set();
    }

    /// Whether the request of this method and target came with a fragment.
    pub(crate) fn has(&self, method: &Method, uri: &Uri) -> bool {
        self.kept.is_set() && self.find(method, uri)
    }

    #[cold]
    fn find(&self, method: &Method, uri: &Uri) -> bool {
        let target = uri.to_string();
        let bytes = self.lock();
        bytes.split(|&byte| byte == b'\n').any(|line| {
            fragment_base(line, method).is_some_and(|base| {
                let base = base.strip_suffix(b"/").unwrap_or(base);
                let target = target.strip_suffix('/').unwrap_or(&target);
                base.eq_ignore_ascii_case(target.as_bytes())
            })
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands before the `#` of the target when `line` is a request line with one.
fn fragment_base<'a>(line: &'a [u8], method: &Method) -> Option<&'a [u8]> {
    let target = line
        .strip_prefix(method.as_str().as_bytes())?
        .strip_prefix(b" ")?;
    let target = target.split(|&byte| byte == b' ').next()?;
    let hash = target.iter().position(|&byte| byte == b'#')?;
    Some(&target[..hash])
}
