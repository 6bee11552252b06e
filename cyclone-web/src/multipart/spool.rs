//! The way of an upload to the disk.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::config::UPLOAD_CHUNK;
use super::temporary::TemporaryFile;

/// Where the bytes of an upload are.
#[derive(Debug)]
pub(super) enum Content {
    Memory(Bytes),
    Disk(TemporaryFile),
}

/// A write under way, which gives back the file and the buffer.
type Writing = JoinHandle<io::Result<(TemporaryFile, Vec<u8>)>>;

/// Takes the bytes of an upload: the first ones into memory, and all of them into a temporary file when there are more.
///
/// A blocking thread writes [`UPLOAD_CHUNK`] bytes while the next ones are collected. Dropped, it leaves nothing: a
/// write that has begun ends, and drops the file then.
#[derive(Debug)]
pub(super) struct Spool {
    directory: Option<Arc<Path>>,
    /// Bytes up to which there is no file.
    in_memory: u64,
    /// Collected and not written.
    pending: Vec<u8>,
    /// An empty buffer for the next ones.
    spare: Vec<u8>,
    file: Option<TemporaryFile>,
    writing: Option<Writing>,
}

impl Spool {
    pub(super) fn new(directory: Option<Arc<Path>>, in_memory: u64) -> Self {
        Self {
            directory,
            in_memory,
            pending: Vec::new(),
            spare: Vec::new(),
            file: None,
            writing: None,
        }
    }

    /// Takes more bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        let pending = self.pending.len() as u64;
        let is_full = if self.file.is_some() || self.writing.is_some() {
            pending >= UPLOAD_CHUNK
        } else {
            pending > self.in_memory
        };
        if is_full {
            self.begin_write().await?;
        }
        Ok(())
    }

    /// Takes no more bytes, and tells where all of them are.
    pub(super) async fn finish(mut self) -> io::Result<Content> {
        if self.file.is_none() && self.writing.is_none() {
            // Small things should not hold the room that was reserved for large ones.
            self.pending.shrink_to_fit();
            return Ok(Content::Memory(self.pending.into()));
        }
        if !self.pending.is_empty() {
            self.begin_write().await?;
        }
        self.end_write().await?;
        let lost = || io::Error::other("the temporary file is lost");
        self.file.take().map(Content::Disk).ok_or_else(lost)
    }

    async fn begin_write(&mut self) -> io::Result<()> {
        self.end_write().await?;
        let file = self.file.take();
        let directory = self.directory.clone();
        let mut full = std::mem::replace(&mut self.pending, std::mem::take(&mut self.spare));
        self.writing = Some(spawn_blocking(move || {
            let file = match file {
                Some(file) => file,
                None => TemporaryFile::create(directory.as_deref())?,
            };
            file.writer().write_all(&full)?;
            full.clear();
            Ok((file, full))
        }));
        Ok(())
    }

    async fn end_write(&mut self) -> io::Result<()> {
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        let written = writing.await;
        self.writing = None;
        let (file, spare) = written.map_err(io::Error::other)??;
        self.file = Some(file);
        self.spare = spare;
        Ok(())
    }
}
