//! Server-sent events (WHATWG HTML 9.2) for any server that speaks `http` types: hyper, tower, axum, cyclone.
//!
//! What others leave to you is here: a client that reconnects gets what it has missed, a silent stream is kept alive,
//! a slow client costs nothing but itself, and a shutdown does not wait for streams that never end.
//!
//! - [`Event`]: one event, always well formed.
//! - [`EventStream`]: events as the response to a request, from a channel, a stream, or a handler that sends them.
//! - [`Broker`] and [`SseChannel`]: publish to a topic in any process, follow it in any other, with replay.
//! - [`Decoder`]: the client's side of the format.
//!
//! # A handler in axum
//!
//! ```
//! use axum::extract::{Request, State};
//! use axum::http::StatusCode;
//! use axum::{Router, response::IntoResponse, routing::get};
//! use cyclone_core::{SharedBus, SharedLog};
//! use cyclone_sse::{Broker, EventStream, last_event_id};
//!
//! async fn news(State(broker): State<Broker>, request: Request) -> impl IntoResponse {
//!     let events = broker.channel("news").subscribe(last_event_id(&request)).await;
//!     match events {
//!         Ok(events) => Ok(EventStream::follow(events).respond(&request)),
//!         Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
//!     }
//! }
//!
//! let broker = Broker::new(SharedBus::local(), SharedLog::memory());
//! let router: Router = Router::new().route("/news", get(news)).with_state(broker);
//! ```
//!
//! # What is bounded
//!
//! | what | default | where |
//! |---|---|---|
//! | events a client may lag behind | 256 and 1 MiB per channel, shared | [`ChannelOptions`] |
//! | what a slow client gets | replay from the log | [`SlowClient`] |
//! | events kept for replay | of the log: 1,024 and 1 MiB per topic in memory | `cyclone_core::LogLimits` |
//! | bytes sent as one chunk | 64 KiB, or one event | [`EventStream::max_chunk`] |
//! | silence before a heartbeat | 15 s | [`EventStream::heartbeat`] |
//! | delay of an event that the bus lost | 30 s | [`ChannelOptions::poll_interval`] |
//! | line and event of a [`Decoder`] | 1 MiB | [`Decoder::with_limit`] |
//!
//! # Features
//!
//! - `json` (off): `Event::json`.

mod broker;
mod channel;
mod decoder;
mod event;
mod last_event_id;
mod options;
mod stream;

pub use broker::Broker;
pub use channel::{Events, PublishError, RESYNC_EVENT, SseChannel, TOPIC_PREFIX};
pub use decoder::{DEFAULT_DECODER_BYTES, DecodeError, DecodedEvent, Decoder};
pub use event::{Event, EventError};
pub use last_event_id::{MAX_LAST_EVENT_ID_BYTES, last_event_id};
pub use options::{
    ChannelOptions, DEFAULT_POLL_INTERVAL, DEFAULT_QUEUE_BYTES, DEFAULT_QUEUE_EVENTS, SlowClient,
};
pub use stream::{
    ClientGone, DEFAULT_CHUNK_BYTES, DEFAULT_HEARTBEAT, DEFAULT_RETRY, DRAIN_RETRY_MIN,
    DRAIN_RETRY_SPREAD, EventSender, EventStream, OnDrain, SseBody, TrySendError,
};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
