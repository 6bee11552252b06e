//! Integration tests.

#[cfg(test)]
mod application;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod mount;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod support;
