//! A client and a server of FreeSWITCH's event socket, made of the line codec, the link and the protocol factory of
//! cyclone-core.
//!
//! [`EslClient`] connects to FreeSWITCH and keeps connected; [`OutboundServer`] is what FreeSWITCH connects to for each
//! call. Both send [`Command`]s through [`Esl`] and hear [`Events`]; a [`Channel`] is told what to do with a call.
//!
//! [`Switch`] stands in for a FreeSWITCH, from recorded conversations, so that all of it can be tried without one.
//!
//! Underneath, and without any I/O: [`FrameCodec`] takes [`Frame`]s out of bytes, [`Message`] is what one means, and
//! `exchange.rs` says which answer belongs to which command.

mod channel;
mod client;
mod command;
mod command_codec;
mod error;
mod esl;
mod event;
mod events;
mod exchange;
mod frame;
mod headers;
mod message;
mod outbound;
mod recording;
mod switch;
mod waits;
mod wanted;
mod wire;

pub use channel::Channel;
pub use client::{EslClient, EslClientBuilder, EslConnection, EslConnector};
pub use command::{BadCommand, Command, Expects, MAX_COMMAND_BYTES};
pub use command_codec::CommandCodec;
pub use error::EslError;
pub use esl::Esl;
pub use event::{Event, EventFormat};
pub use events::{EVENT_QUEUE, Events, Gap, Notice};
pub use exchange::MAX_IN_FLIGHT;
pub use frame::{
    DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_HEAD_BYTES, DEFAULT_MAX_HEADERS, Frame, FrameCodec,
    FrameLimits,
};
pub use headers::{Headers, url_decode, url_encode};
pub use message::{Disconnect, LogLine, Message, Reply};
pub use outbound::{
    Call, DEFAULT_FAREWELL_TIMEOUT, DEFAULT_GREETING_TIMEOUT, DEFAULT_LINGER_TIMEOUT,
    OutboundServer,
};
pub use recording::{Recording, Side, Turn};
pub use switch::Switch;
pub use waits::{Completion, MAX_COMPLETIONS};
pub use wanted::MAX_SUBSCRIPTIONS;
pub use wire::{DEFAULT_PROBE_AFTER, DEFAULT_REPLY_TIMEOUT, PROBE_TIMEOUT};
