//! Integration tests.

mod accept;
mod activation;
mod bus;
mod client_endpoint;
#[cfg(feature = "lines")]
mod codec;
#[cfg(feature = "conformance")]
mod conformance;
mod endpoints;
mod fake_connector;
#[cfg(feature = "testing")]
mod fault_proxy;
#[cfg(feature = "testing")]
mod faults;
#[cfg(feature = "lines")]
mod lines;
mod link;
mod listener;
mod log;
#[cfg(feature = "runner")]
mod logging;
mod looping_call;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "runner")]
mod options;
#[cfg(feature = "opentelemetry")]
mod otel;
mod pool;
#[cfg(feature = "runner")]
mod process;
mod proxy;
mod server;
mod service;
mod session;
mod shutdown;
mod snapshot;
mod sockets;
mod spans;
mod store;
mod support;
#[cfg(all(feature = "self-signed", feature = "ring", feature = "aws-lc-rs"))]
mod tls;
