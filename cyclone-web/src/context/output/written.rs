//! The body of a response until it is sent.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use crate::kept;

/// The body until it is sent; the usual single piece is never copied.
#[derive(Default)]
pub(crate) enum Written {
    #[default]
    Nothing,
    One(Bytes),
    Many(BytesMut),
    Json(Text),
}

impl Written {
    pub(super) fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Nothing => *self = Self::One(chunk),
            Self::Many(all) => all.extend_from_slice(&chunk),
            Self::One(_) | Self::Json(_) => *self = Self::Many(join(self.as_slice(), &chunk)),
        }
    }

    /// Adds a value as JSON.
    pub(super) fn push_json<T: Serialize + ?Sized>(&mut self, value: &T) -> serde_json::Result<()> {
        let mut text = Text::take();
        serde_json::to_writer(&mut text.0, value)?;
        match self {
            Self::Nothing => *self = Self::Json(text),
            Self::Many(all) => all.extend_from_slice(&text.0),
            Self::One(_) | Self::Json(_) => *self = Self::Many(join(self.as_slice(), &text.0)),
        }
        Ok(())
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::One(bytes) => bytes,
            Self::Many(all) => all,
            Self::Json(text) => &text.0,
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(all) => all.freeze(),
            Self::Json(mut text) => std::mem::take(&mut text.0).into(),
        }
    }
}

fn join(first: &[u8], second: &[u8]) -> BytesMut {
    let mut all = BytesMut::with_capacity(first.len() + second.len());
    all.extend_from_slice(first);
    all.extend_from_slice(second);
    all
}

/// The most bytes of memory that are kept for use again.
const KEPT_BYTES: usize = 16 * 1024;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A text in memory that the thread uses again: how long it gets is known only when it is written.
#[derive(Default)]
pub(crate) struct Text(Vec<u8>);

impl Text {
    fn take() -> Self {
        Self(kept::take(&KEPT))
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        kept::keep_empty(&KEPT, std::mem::take(&mut self.0), KEPT_BYTES);
    }
}
