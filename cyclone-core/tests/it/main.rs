//! Integration tests.

mod bus;
#[cfg(feature = "conformance")]
mod conformance;
mod log;
mod store;
