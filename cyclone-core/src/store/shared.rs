//! `SharedStore`: any store behind one type.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{MemoryStore, Store};
use crate::port_error::PortError;

/// Any [`Store`] behind one clonable type: what applications keep in their `Resources`.
///
/// ```
/// use std::time::Duration;
/// use cyclone_core::{SharedStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cyclone_core::PortError> {
/// let store = SharedStore::memory();
/// let minute = Some(Duration::from_secs(60));
/// assert!(store.put_if_absent("nonce:1", "used".into(), minute).await?);
/// assert!(!store.put_if_absent("nonce:1", "used".into(), minute).await?);
/// assert_eq!(store.increment("hits", 1, minute).await?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedStore(Arc<dyn ErasedStore>);

impl SharedStore {
    /// Wraps `store`.
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(store))
    }

    /// A new [`MemoryStore`] with the default limits: for one process.
    pub fn memory() -> Self {
        Self::new(MemoryStore::new())
    }
}

impl Store for SharedStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        self.0.get_boxed(key).await
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<(), PortError> {
        self.0.put_boxed(key, value, ttl).await
    }

    async fn put_if_absent(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, PortError> {
        self.0.put_if_absent_boxed(key, value, ttl).await
    }

    async fn delete(&self, key: &str) -> Result<bool, PortError> {
        self.0.delete_boxed(key).await
    }

    async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, PortError> {
        self.0.increment_boxed(key, delta, ttl).await
    }
}

impl fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedStore").field(&self.0.name()).finish()
    }
}

type Ttl = Option<Duration>;
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

trait ErasedStore: Send + Sync + 'static {
    fn get_boxed<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>>;
    fn put_boxed<'a>(&'a self, key: &'a str, value: Bytes, ttl: Ttl) -> BoxFuture<'a, ()>;
    fn put_if_absent_boxed<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Ttl,
    ) -> BoxFuture<'a, bool>;
    fn delete_boxed<'a>(&'a self, key: &'a str) -> BoxFuture<'a, bool>;
    fn increment_boxed<'a>(&'a self, key: &'a str, delta: i64, ttl: Ttl) -> BoxFuture<'a, i64>;
    fn name(&self) -> &'static str;
}

impl<S: Store> ErasedStore for S {
    fn get_boxed<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(self.get(key))
    }

    fn put_boxed<'a>(&'a self, key: &'a str, value: Bytes, ttl: Ttl) -> BoxFuture<'a, ()> {
        Box::pin(self.put(key, value, ttl))
    }

    fn put_if_absent_boxed<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Ttl,
    ) -> BoxFuture<'a, bool> {
        Box::pin(self.put_if_absent(key, value, ttl))
    }

    fn delete_boxed<'a>(&'a self, key: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(self.delete(key))
    }

    fn increment_boxed<'a>(&'a self, key: &'a str, delta: i64, ttl: Ttl) -> BoxFuture<'a, i64> {
        Box::pin(self.increment(key, delta, ttl))
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<S>()
    }
}
