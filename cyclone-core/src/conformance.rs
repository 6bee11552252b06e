//! Checks that an implementation of a port keeps the promises of the port (feature `conformance`).
//!
//! Every driver calls these from its own tests, against its real server; the versions in this crate pass them too.
//! Names are made up for each run, so a shared server is fine. Each function panics with the promise that was
//! broken.
//!
//! ```
//! use cyclone_core::{LocalBus, MemoryLog, MemoryStore, conformance};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! conformance::bus(&LocalBus::new()).await;
//! conformance::log(&MemoryLog::new()).await;
//! conformance::store(&MemoryStore::new()).await;
//! # }
//! ```

mod bus;
mod log;
mod store;

use std::time::Duration;

use bytes::Bytes;

use crate::port_error::{MAX_NAME_BYTES, PortError, PortErrorKind};

pub use self::bus::{bus, bus_overflow};
pub use self::log::{log, log_retention};
pub use self::store::{store, store_full};

/// How long a check waits for something that must happen: 10 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// A name that no other run uses.
fn fresh(what: &str) -> String {
    format!("conformance:{what}:{:016x}", fastrand::u64(..))
}

/// Payloads that a careless encoding breaks.
fn payloads() -> Vec<Bytes> {
    let every_byte: Vec<u8> = (0..=255).collect();
    vec![
        Bytes::from_static(b"text"),
        Bytes::new(),
        Bytes::from(every_byte),
        Bytes::from_static("line one\r\nline two\n\u{1F300}".as_bytes()),
        Bytes::from_static(b"\xff\xfe not utf-8 \x00"),
    ]
}

/// Names that must be refused.
fn bad_names() -> [String; 3] {
    [
        String::new(),
        "nul\0byte".into(),
        "x".repeat(MAX_NAME_BYTES + 1),
    ]
}

/// A name that is just allowed, and unlike that of other runs.
fn longest_name(what: &str) -> String {
    let mut name = fresh(what);
    name.push(' ');
    name.extend(std::iter::repeat_n('é', (MAX_NAME_BYTES - name.len()) / 2));
    name.extend(std::iter::repeat_n('x', MAX_NAME_BYTES - name.len()));
    name
}

/// The value of a call that must succeed.
#[track_caller]
#[expect(clippy::panic, reason = "a check reports by panicking")]
fn must<T>(what: &str, result: Result<T, PortError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} must succeed, but: {error} ({error:?})"),
    }
}

/// Checks that a call was refused as the caller's fault.
#[track_caller]
#[expect(clippy::panic, reason = "a check reports by panicking")]
fn must_be_invalid<T>(what: &str, result: Result<T, PortError>) {
    match result {
        Ok(_) => panic!("{what} must be refused, but it was accepted"),
        Err(error) => assert_eq!(
            error.kind(),
            PortErrorKind::Invalid,
            "{what} must be refused as invalid: {error}"
        ),
    }
}
