//! Resources that the commands of a console show or set, when the server has them.

use std::fmt;

use cyclone_core::{Connector, Pool, PoolStatistics};

/// The pools of a server, for the command `pools`: put it among the resources.
///
/// ```
/// # use cyclone_core::{Connector, Pool, Server};
/// # use cyclone_examples::console::PoolList;
/// # fn example<C: Connector>(orders: &Pool<C>) {
/// let server = Server::new().resource(PoolList::new().pool(orders));
/// # let _ = server;
/// # }
/// ```
#[derive(Default)]
pub struct PoolList {
    pools: Vec<(String, Box<dyn Fn() -> PoolStatistics + Send + Sync>)>,
}

impl PoolList {
    /// A list of none.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pool under its own name.
    #[must_use]
    pub fn pool<C: Connector>(self, pool: &Pool<C>) -> Self {
        let (name, pool) = (pool.name().to_owned(), pool.clone());
        self.statistics(name, move || pool.statistics())
    }

    /// Adds whatever has the statistics of a pool.
    #[must_use]
    pub fn statistics(
        mut self,
        name: impl Into<String>,
        read: impl Fn() -> PoolStatistics + Send + Sync + 'static,
    ) -> Self {
        self.pools.push((name.into(), Box::new(read)));
        self
    }

    /// Every pool's name and numbers, in the order in which they were added.
    pub fn read(&self) -> impl Iterator<Item = (&str, PoolStatistics)> {
        self.pools
            .iter()
            .map(|(name, read)| (name.as_str(), read()))
    }
}

impl fmt::Debug for PoolList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.read()).finish()
    }
}

type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// What the command `log` sets: a function of whoever keeps the log, among the resources.
pub struct LogLevel {
    set: Box<SetLevel>,
}

impl LogLevel {
    /// Sets the level by this function, which says why when it cannot.
    pub fn new(set: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { set: Box::new(set) }
    }

    /// Sets the level, `debug` for instance, or whatever else the log understands.
    ///
    /// # Errors
    /// The reason, in words; the level is as it was.
    pub fn set(&self, level: &str) -> Result<(), String> {
        (self.set)(level)
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevel").finish_non_exhaustive()
    }
}
