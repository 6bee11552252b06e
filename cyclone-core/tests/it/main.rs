//! Integration tests.

mod bus;
#[cfg(feature = "conformance")]
mod conformance;
mod fake_connector;
mod link;
mod log;
mod pool;
mod store;
