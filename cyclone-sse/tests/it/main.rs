//! Integration tests.

mod channel;
mod client;
mod decoder;
mod drain;
mod event;
mod faults;
mod last_event_id;
mod server;
mod slow_client;
mod stream;
