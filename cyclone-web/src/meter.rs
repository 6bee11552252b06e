//! What is counted of requests, for metrics: with the feature `metrics`. Without it nothing is, at no cost.

#[cfg(not(feature = "metrics"))]
mod absent;
#[cfg(feature = "metrics")]
mod counting;
#[cfg(feature = "metrics")]
mod numbers;
#[cfg(feature = "opentelemetry")]
mod otel;
#[cfg(all(test, feature = "metrics"))]
mod tests;

#[cfg(not(feature = "metrics"))]
pub(crate) use absent::{ForeignRequest, Meter};
#[cfg(feature = "metrics")]
pub(crate) use counting::{ForeignRequest, Meter};
