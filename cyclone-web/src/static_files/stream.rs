//! The content of a large file, read in large pieces.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

use super::STATIC_CHUNK;
use super::file::{read, read_at_once};

/// A piece of a body.
#[derive(Debug)]
pub(crate) enum Part {
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

/// A body of pieces of one open file, [`STATIC_CHUNK`] bytes at a time.
///
/// What the system has in memory is read at once. When it has to wait for the disk, a blocking thread reads,
/// and from then on one piece ahead: when a piece is taken the next one is read, so that the disk works while
/// the client takes it, and then no more until that is taken too. So a slow client holds no thread and at
/// most two pieces. Dropped, it reads nothing more.
#[derive(Debug)]
pub(crate) struct FileBody {
    /// None after a failure.
    file: Option<Arc<File>>,
    parts: VecDeque<Part>,
    remaining: u64,
    /// Reads wait for the disk, or are not known to do without.
    waits: bool,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// The piece read last, whose memory serves for the next one when nobody else has it any more.
    last: Bytes,
}

impl FileBody {
    pub(crate) fn new(file: Arc<File>, parts: VecDeque<Part>) -> Self {
        Self {
            file: Some(file),
            remaining: parts.iter().map(Part::length).sum(),
            parts,
            waits: false,
            reading: None,
            last: Bytes::new(),
        }
    }

    /// Begins to read the next piece on a blocking thread, if the file is what comes next.
    fn read_ahead(&mut self) {
        if let Some(file) = &self.file
            && let Some((start, length)) = next_piece(&mut self.parts)
        {
            let file = Arc::clone(file);
            self.reading = Some(spawn_blocking(move || read_exactly(&file, start, length)));
        }
    }

    /// Reads as much of the next piece as is there.
    fn read_at_once(&mut self) -> Option<Bytes> {
        let file = self.file.as_ref()?;
        let (start, length) = next_piece(&mut self.parts)?;
        let size = usize::try_from(length).ok()?;
        let last = std::mem::take(&mut self.last).try_into_mut();
        let mut buffer = last.unwrap_or_default();
        buffer.resize(size, 0);
        let read = read_at_once(file, start, &mut buffer).unwrap_or_default();
        let left = length.saturating_sub(read as u64);
        if left > 0 {
            let start = start + read as u64;
            let length = left;
            self.parts.push_front(Part::File { start, length });
        }
        if read == 0 {
            return None;
        }
        buffer.truncate(read);
        self.last = buffer.freeze();
        Some(self.last.clone())
    }

    fn data(&mut self, bytes: Bytes) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.remaining = self.remaining.saturating_sub(bytes.len() as u64);
        if self.waits {
            self.read_ahead();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn fail(&mut self, error: io::Error) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.parts.clear();
        self.file = None;
        Poll::Ready(Some(Err(error)))
    }

    /// Has it wait for the disk.
    #[cfg(test)]
    pub(super) fn set_waits(&mut self) {
        self.waits = true;
    }

    /// Whether the piece that is read ahead is there; `None` when none is read.
    #[cfg(test)]
    pub(super) fn has_read_ahead(&self) -> Option<bool> {
        self.reading.as_ref().map(JoinHandle::is_finished)
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
                return match finished.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    Ok(bytes) => this.data(bytes),
                    Err(error) => this.fail(error),
                };
            }
            match this.parts.front_mut() {
                None => return Poll::Ready(None),
                Some(Part::Memory(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    this.parts.pop_front();
                    return this.data(bytes);
                }
                Some(Part::File { .. }) if this.waits => this.read_ahead(),
                Some(Part::File { .. }) => match this.read_at_once() {
                    Some(bytes) => return this.data(bytes),
                    None => this.waits = true,
                },
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

impl Drop for FileBody {
    fn drop(&mut self) {
        // A read that has begun ends on its own.
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

/// Takes the next piece of the file off the front of the parts, if the file is what comes next.
fn next_piece(parts: &mut VecDeque<Part>) -> Option<(u64, u64)> {
    while let Some(Part::File { length: 0, .. }) = parts.front() {
        parts.pop_front();
    }
    let Some(Part::File { start, length }) = parts.front_mut() else {
        return None;
    };
    let piece = (*start, (*length).min(STATIC_CHUNK));
    *start += piece.1;
    *length -= piece.1;
    if *length == 0 {
        parts.pop_front();
    }
    Some(piece)
}

/// Reads the first piece in the same trip to a blocking thread as the opening. Blocks.
pub(super) fn read_first(file: &File, parts: &mut VecDeque<Part>) -> io::Result<()> {
    if let Some((start, length)) = next_piece(parts) {
        parts.push_front(Part::Memory(read_exactly(file, start, length)?));
    }
    Ok(())
}

/// Reads all of a piece; a file that shrank breaks the response off. Blocks.
fn read_exactly(file: &File, start: u64, length: u64) -> io::Result<Bytes> {
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
