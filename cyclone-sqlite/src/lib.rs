#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backup;
mod builder;
mod call;
mod connect;
mod context;
mod error;
mod handle;
mod inline;
mod inspect;
mod job;
mod lock;
mod log;
mod migrate;
mod port;
mod query;
mod queue;
mod run;
mod scope;
mod service;
mod shared;
mod statistics;
mod store;
mod worker;
mod writer;

pub use rusqlite;

pub use builder::{
    DEFAULT_BUSY_TIMEOUT, DEFAULT_CLOSE_LIMIT, DEFAULT_GROUP_LIMIT, DEFAULT_GROUP_TIME,
    DEFAULT_MAX_READERS, DEFAULT_PAGE_CACHE_BYTES, DEFAULT_READ_QUEUE, DEFAULT_ROW_LIMIT,
    DEFAULT_SLOW_AFTER, DEFAULT_STATEMENT_CACHE, DEFAULT_TIME_LIMIT, DEFAULT_WAL_LIMIT_BYTES,
    DEFAULT_WRITE_QUEUE, Durability, SqliteBuilder,
};
pub use context::SqliteContext;
pub use error::{Error, ErrorKind};
pub use handle::Sqlite;
pub use log::{SqliteLog, SqliteLogLimits};
pub use statistics::Statistics;
pub use store::{SqliteStore, SqliteStoreLimits};
