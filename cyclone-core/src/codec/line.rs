//! Lines, and raw bytes between them.

use bytes::{Buf, BytesMut};
use memchr::{memchr, memmem};
use tokio_util::codec::Decoder;

use super::{FrameError, LineEvent};

mod encode;

/// Bytes that a line may have without its end, unless said otherwise; Twisted's figure.
pub const DEFAULT_MAX_LINE_BYTES: usize = 16_384;

/// Bytes of one line over the limit that are thrown away before the peer is given up, unless said otherwise.
pub const DEFAULT_MAX_DISCARDED_BYTES: usize = 1024 * 1024;

/// Lines of bytes, and raw bytes between them: Twisted's `LineReceiver` as a codec.
///
/// A line ends with CR LF, and with a lone LF unless the codec is [`strict`](Self::strict); it is written with CR LF.
/// [`lf`](Self::lf) and [`delimited_by`](Self::delimited_by) make codecs of other ends, which are exact.
///
/// A line over the limit is an error that ends the conversation, or is thrown away and reported where
/// [`discard_long_lines`](Self::discard_long_lines) was called. Text after the last end is a line too when the peer
/// closes, unless the codec is strict.
///
/// Raw bytes are announced by [`set_raw_bytes`](Self::set_raw_bytes) or [`set_raw_mode`](Self::set_raw_mode) after the
/// line that says so. They begin with the byte after that line, however the stream was cut into pieces.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use cyclone_core::{Connection, LineCodec, LineEvent, Raw};
/// use futures_util::{SinkExt, StreamExt};
/// use tokio::io::AsyncWriteExt;
/// use tokio_util::codec::Framed;
///
/// let (connection, mut peer) = Connection::in_memory();
/// peer.write_all(b"PUT 5\r\nhelloQUIT\r\n").await?;
///
/// let mut lines = Framed::new(connection, LineCodec::new().max_line_bytes(512));
/// while let Some(event) = lines.next().await.transpose()? {
///     match event {
///         LineEvent::Line(line) if line == "PUT 5" => lines.codec_mut().set_raw_bytes(5),
///         LineEvent::Raw(bytes) => lines.send(Raw(bytes)).await?, // as it came, without an end
///         LineEvent::Line(line) => {
///             assert_eq!(line, "QUIT");
///             break;
///         }
///         _ => {} // a line that was too long, where those are discarded
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LineCodec {
    end: &'static [u8],
    /// A lone LF ends a line too; only with CR LF.
    or_lf: bool,
    /// The rest after the last end is an error.
    strict: bool,
    max_line_bytes: usize,
    /// Long lines are thrown away up to so many bytes.
    max_discarded_bytes: Option<usize>,
    state: State,
    /// What comes before anything else that is read.
    extra: BytesMut,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In a line, of which so many bytes are known to have no end.
    Line { searched: usize },
    /// In a line that is too long, of which so many bytes are gone.
    Discarding { dropped: usize },
    /// In raw bytes; so many are left.
    Raw { left: Option<u64> },
    /// A line was too long: what follows is its rest.
    Failed,
}

impl LineCodec {
    /// A codec of lines that end with CR LF, or as well with LF when they are read.
    #[must_use]
    pub fn new() -> Self {
        Self::ending(b"\r\n", true)
    }

    /// A codec of lines that end with LF; a CR before it belongs to the line.
    #[must_use]
    pub fn lf() -> Self {
        Self::ending(b"\n", false)
    }

    /// A codec of lines with another end. An empty one does not compile.
    ///
    /// ```
    /// let records = cyclone_core::LineCodec::delimited_by(b"\0");
    /// # let _ = records;
    /// ```
    ///
    /// ```compile_fail
    /// let records = cyclone_core::LineCodec::delimited_by(b"");
    /// # let _ = records;
    /// ```
    #[must_use]
    pub fn delimited_by<const LENGTH: usize>(end: &'static [u8; LENGTH]) -> Self {
        const { assert!(LENGTH > 0, "a line needs an end") };
        Self::ending(end, false)
    }

    fn ending(end: &'static [u8], or_lf: bool) -> Self {
        Self {
            end,
            or_lf,
            strict: false,
            max_line_bytes: DEFAULT_MAX_LINE_BYTES,
            max_discarded_bytes: None,
            state: State::Line { searched: 0 },
            extra: BytesMut::new(),
        }
    }

    /// Only the end itself ends a line, no lone LF, and text after the last end is [`FrameError::Truncated`].
    ///
    /// For protocols that are spoken through proxies: peers that disagree on where a line ends can be played against
    /// each other.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self.or_lf = false;
        self
    }

    /// Sets how many bytes a line may have without its end, [`DEFAULT_MAX_LINE_BYTES`] (16,384) unless called.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.max_line_bytes = bytes;
        self
    }

    /// Throws lines over the limit away and reports each as [`LineEvent::TooLong`] when it has ended, up to
    /// [`DEFAULT_MAX_DISCARDED_BYTES`] (1 MiB) of it; without this they are [`FrameError::TooLong`].
    #[must_use]
    pub fn discard_long_lines(self) -> Self {
        self.max_discarded_bytes(DEFAULT_MAX_DISCARDED_BYTES)
    }

    /// As [`discard_long_lines`](Self::discard_long_lines), up to `bytes` of a line; a longer one is
    /// [`FrameError::TooLong`].
    #[must_use]
    pub fn max_discarded_bytes(mut self, bytes: usize) -> Self {
        self.max_discarded_bytes = Some(bytes);
        self
    }

    /// Takes what follows the last line as raw bytes, until [`set_line_mode`](Self::set_line_mode) is called.
    /// Twisted's `setRawMode`.
    ///
    /// A part of a line that is buffered is raw as well. A line that is just being thrown away is forgotten: call
    /// this where a line was read, not in between.
    pub fn set_raw_mode(&mut self) {
        self.set_raw(None);
    }

    /// Takes the next `bytes` bytes as raw ones; what follows them are lines again.
    ///
    /// They come in as many [`LineEvent::Raw`] as it happens, and [`is_raw`](Self::is_raw) is false after the last. A
    /// peer that closes before is [`FrameError::Truncated`].
    pub fn set_raw_bytes(&mut self, bytes: u64) {
        self.set_raw(Some(bytes));
    }

    fn set_raw(&mut self, left: Option<u64>) {
        match (self.state, left) {
            (State::Failed, _) => {}
            (_, Some(0)) => self.state = State::Line { searched: 0 },
            _ => self.state = State::Raw { left },
        }
    }

    /// Whether raw bytes come next, not a line.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        matches!(self.state, State::Raw { .. })
    }

    /// Takes what follows as lines again, beginning with `extra`: the end of the raw bytes that were read, which
    /// turned out not to be raw. Twisted's `setLineMode`.
    ///
    /// Call it before anything else is read. Handing back the end of a [`LineEvent::Raw`] copies nothing.
    pub fn set_line_mode(&mut self, extra: impl Into<BytesMut>) {
        if !matches!(self.state, State::Failed) {
            self.state = State::Line { searched: 0 };
            let later = std::mem::replace(&mut self.extra, extra.into());
            self.extra.unsplit(later);
        }
    }

    /// Looks at whatever comes next as the beginning of a line.
    pub(crate) fn restart(&mut self) {
        self.set_line_mode(BytesMut::new());
    }

    /// What [`set_line_mode`](Self::set_line_mode) was given and was not read yet.
    pub(crate) fn take_extra(&mut self) -> BytesMut {
        std::mem::take(&mut self.extra)
    }

    /// The error that is repeated, if a line was too long.
    pub(crate) fn failure(&self) -> Option<FrameError> {
        matches!(self.state, State::Failed).then(|| self.too_long())
    }

    /// The error of a line over the limit.
    pub(crate) fn too_long(&self) -> FrameError {
        let max_bytes = self.max_line_bytes;
        FrameError::TooLong { max_bytes }
    }

    /// The first end of a line in `bytes` from `from` on: the length of the line, and of the line with its end.
    fn find_end(&self, bytes: &[u8], from: usize) -> Option<(usize, usize)> {
        let searched = bytes.get(from..)?;
        if self.or_lf {
            let lf = from + memchr(b'\n', searched)?;
            let cr = lf > 0 && bytes.get(lf - 1) == Some(&b'\r');
            return Some((lf - usize::from(cr), lf + 1));
        }
        let at = match self.end {
            [byte] => memchr(*byte, searched)?,
            end => memmem::find(searched, end)?,
        };
        Some((from + at, from + at + self.end.len()))
    }

    /// How many bytes at the end of what was searched may be the beginning of an end.
    fn overlap(&self) -> usize {
        self.end.len() - 1
    }

    fn line(
        &mut self,
        source: &mut BytesMut,
        searched: usize,
    ) -> Result<Option<LineEvent>, FrameError> {
        // A line at the limit, with its end.
        let most = self.max_line_bytes.saturating_add(self.end.len());
        let window = source.get(..most).unwrap_or(source);
        let from = searched.saturating_sub(self.overlap());
        match self.find_end(window, from) {
            Some((length, with_end)) if length <= self.max_line_bytes => {
                let mut line = source.split_to(with_end);
                line.truncate(length);
                self.state = State::Line { searched: 0 };
                Ok(Some(LineEvent::Line(line)))
            }
            None if source.len() < most => {
                let searched = source.len();
                self.state = State::Line { searched };
                Ok(None)
            }
            _ if self.max_discarded_bytes.is_none() => Err(self.fail(source)),
            _ => self.discard(source, 0),
        }
    }

    fn discard(
        &mut self,
        source: &mut BytesMut,
        dropped: usize,
    ) -> Result<Option<LineEvent>, FrameError> {
        let (bytes, with_end, event) = match self.find_end(source, 0) {
            Some((length, with_end)) => (length, with_end, true),
            None => {
                let gone = source.len().saturating_sub(self.overlap());
                (gone, gone, false)
            }
        };
        let bytes = dropped.saturating_add(bytes);
        if self.max_discarded_bytes.is_some_and(|most| bytes > most) {
            return Err(self.fail(source));
        }
        source.advance(with_end);
        if event {
            self.state = State::Line { searched: 0 };
            return Ok(Some(LineEvent::TooLong { bytes }));
        }
        self.state = State::Discarding { dropped: bytes };
        Ok(None)
    }

    fn raw(&mut self, source: &mut BytesMut, left: Option<u64>) -> Option<LineEvent> {
        if source.is_empty() {
            return None;
        }
        let most = left.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        let bytes = source.split_to(most.min(source.len()));
        let taken = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.set_raw(left.map(|left| left.saturating_sub(taken)));
        Some(LineEvent::Raw(bytes))
    }

    fn fail(&mut self, source: &mut BytesMut) -> FrameError {
        self.state = State::Failed;
        source.clear();
        self.too_long()
    }

    /// What is left when the stream has ended and nothing in it is whole.
    fn rest(&mut self, source: &mut BytesMut) -> Result<Option<LineEvent>, FrameError> {
        match self.state {
            State::Line { .. } if source.is_empty() => Ok(None),
            State::Raw { left: None } => Ok(None),
            State::Line { .. } if self.strict => {
                source.clear();
                Err(FrameError::Truncated)
            }
            State::Line { .. } if source.len() <= self.max_line_bytes => {
                self.state = State::Line { searched: 0 };
                Ok(Some(LineEvent::Line(source.split())))
            }
            State::Line { .. } if self.max_discarded_bytes.is_none() => Err(self.fail(source)),
            State::Line { .. } => Ok(Some(self.forget(source, 0)?)),
            State::Discarding { .. } if self.strict => {
                source.clear();
                self.state = State::Line { searched: 0 };
                Err(FrameError::Truncated)
            }
            State::Discarding { dropped } => Ok(Some(self.forget(source, dropped)?)),
            State::Raw { left: Some(_) } => {
                self.state = State::Line { searched: 0 };
                Err(FrameError::Truncated)
            }
            State::Failed => Err(self.too_long()),
        }
    }

    /// Reports a line that is too long and ended with the stream.
    fn forget(&mut self, source: &mut BytesMut, dropped: usize) -> Result<LineEvent, FrameError> {
        let bytes = dropped.saturating_add(source.len());
        if self.max_discarded_bytes.is_some_and(|most| bytes > most) {
            return Err(self.fail(source));
        }
        source.clear();
        self.state = State::Line { searched: 0 };
        Ok(LineEvent::TooLong { bytes })
    }
}

impl Default for LineCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for LineCodec {
    type Item = LineEvent;
    type Error = FrameError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<LineEvent>, FrameError> {
        if !self.extra.is_empty() {
            let later = std::mem::replace(source, self.take_extra());
            source.unsplit(later);
        }
        match self.state {
            State::Line { searched } => self.line(source, searched),
            State::Discarding { dropped } => self.discard(source, dropped),
            State::Raw { left } => Ok(self.raw(source, left)),
            State::Failed => Err(self.fail(source)),
        }
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<LineEvent>, FrameError> {
        match self.decode(source)? {
            Some(event) => Ok(Some(event)),
            None => self.rest(source),
        }
    }
}
