//! Integration tests.
mod application;
mod mount;
mod streaming;
mod support;

mod engine;
