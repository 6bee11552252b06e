//! The content of a large file, read in large pieces.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

use super::STATIC_CHUNK;
use super::file::read;

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Part {
    /// These bytes.
    Memory(Bytes),
    /// Bytes of the file, from `start`.
    File { start: u64, length: u64 },
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

/// A body of pieces of one open file; reads [`STATIC_CHUNK`] bytes on a blocking thread at a time,
/// and only when they are asked for, so a slow client holds no thread and at most one piece.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Option<File>,
    parts: VecDeque<Part>,
    remaining: u64,
    reading: Option<JoinHandle<(File, io::Result<Bytes>)>>,
}

impl FileBody {
    pub(super) fn new(file: File, parts: VecDeque<Part>) -> Self {
        Self {
            file: Some(file),
            remaining: parts.iter().map(Part::length).sum(),
            parts,
            reading: None,
        }
    }

    fn data(&mut self, bytes: Bytes) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.remaining = self.remaining.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn fail(&mut self, error: io::Error) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.parts.clear();
        self.file = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        loop {
            if let Some(reading) = &mut this.reading {
                let finished = ready!(Pin::new(reading).poll(cx));
                this.reading = None;
                return match finished {
                    Ok((file, Ok(bytes))) => {
                        this.file = Some(file);
                        this.data(bytes)
                    }
                    Ok((_, Err(error))) => this.fail(error),
                    Err(error) => this.fail(io::Error::other(error)),
                };
            }
            match this.parts.pop_front() {
                None => return Poll::Ready(None),
                Some(Part::Memory(bytes)) => return this.data(bytes),
                Some(Part::File { length: 0, .. }) => {}
                Some(Part::File { start, length }) => {
                    let Some(mut file) = this.file.take() else {
                        return this.fail(io::ErrorKind::BrokenPipe.into());
                    };
                    let piece = length.min(STATIC_CHUNK);
                    if length > piece {
                        this.parts.push_front(Part::File {
                            start: start + piece,
                            length: length - piece,
                        });
                    }
                    this.reading = Some(spawn_blocking(move || {
                        let bytes = read_exactly(&mut file, start, piece);
                        (file, bytes)
                    }));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none() && self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// Reads all of a piece; a file that shrank breaks the response off. Blocks.
pub(super) fn read_exactly(file: &mut File, start: u64, length: u64) -> io::Result<Bytes> {
    let bytes = read(file, start, length)?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "file shrank while it was sent",
        ))
    }
}
