//! The `Store` port: values with expiry and atomic counters.

mod memory;
mod shared;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::port_error::PortError;

pub use self::memory::{DEFAULT_STORE_BYTES, DEFAULT_STORE_ENTRIES, MemoryStore, StoreLimits};
pub use self::shared::SharedStore;

/// Keeps values by key, for a time or for ever: sessions, rate limits, nonces.
///
/// What every implementation promises, and `conformance::store` (feature `conformance`) checks:
/// - Each call is atomic, whoever else calls in whatever process.
/// - A value is gone once its time to live is over, for every call, to the millisecond at best.
/// - A value that has not expired is never thrown away to make room: the call that needs room fails with
///   [`Full`](crate::PortErrorKind::Full). (A server with an eviction policy must be configured without one.)
/// - Keys follow [`PortError::check_name`]; a time to live of zero is [`Invalid`](crate::PortErrorKind::Invalid).
/// - A counter is the decimal text of an `i64`, so `get` reads it and `put` can set it.
///
/// `ttl: None` keeps the value until it is deleted.
pub trait Store: Send + Sync + 'static {
    /// The value of `key`, if there is one that has not expired.
    ///
    /// # Errors
    /// [`PortError`]; nothing is changed by it, so a retry is always safe.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, PortError>> + Send;

    /// Sets the value and the time to live of `key`, whatever was there.
    ///
    /// # Errors
    /// [`PortError`]; when it failed with an unknown outcome a retry is safe all the same.
    fn put(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Sets the value of `key` if there is none, and says whether it did.
    ///
    /// Of any number of callers at the same time exactly one gets `true`: a nonce is good for one use.
    ///
    /// # Errors
    /// [`PortError`].
    fn put_if_absent(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// Removes `key` and says whether it was there.
    ///
    /// # Errors
    /// [`PortError`]; when it failed with an unknown outcome a retry is safe all the same.
    fn delete(&self, key: &str) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// Adds `delta` to the counter of `key` and returns its new value.
    ///
    /// A counter that is not there starts at 0 and gets the time to live; one that is there keeps the time it has.
    /// That is a fixed window: the first request opens it, the others only count.
    ///
    /// # Errors
    /// [`PortError`]; of kind [`Invalid`](crate::PortErrorKind::Invalid) when the value is not a counter or the sum
    /// does not fit, in which case nothing is changed.
    fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<i64, PortError>> + Send;
}
