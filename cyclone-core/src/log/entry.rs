//! Entries of a log and their ids.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// The id of an entry: opaque, ordered, written `high-low` in decimal as Redis Streams does.
///
/// ```
/// use cyclone_core::EntryId;
///
/// let id: EntryId = "1526919030474-55".parse()?;
/// assert!(id > EntryId::ZERO);
/// assert_eq!(id.to_string(), "1526919030474-55");
/// assert!("1526919030474".parse::<EntryId>().is_err());
/// # Ok::<(), cyclone_core::ParseEntryIdError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    high: u64,
    low: u64,
}

impl EntryId {
    /// The position before every entry.
    pub const ZERO: Self = Self::new(0, 0);

    /// The position after every entry.
    pub const MAX: Self = Self::new(u64::MAX, u64::MAX);

    /// Makes an id of its two numbers; ids are ordered by `high`, then by `low`.
    pub const fn new(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The number that counts first: a time or the epoch of a log; 0 in logs that need only one number.
    pub const fn high(self) -> u64 {
        self.high
    }

    /// The number that counts second.
    pub const fn low(self) -> u64 {
        self.low
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.high, self.low)
    }
}

impl FromStr for EntryId {
    type Err = ParseEntryIdError;

    /// Takes exactly what `Display` writes: no sign, no space, no leading zero. The text may come from a client.
    fn from_str(text: &str) -> Result<Self, ParseEntryIdError> {
        let (high, low) = text.split_once('-').ok_or(ParseEntryIdError(()))?;
        Ok(Self {
            high: number(high)?,
            low: number(low)?,
        })
    }
}

fn number(text: &str) -> Result<u64, ParseEntryIdError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical {
        text.parse().map_err(|_| ParseEntryIdError(()))
    } else {
        Err(ParseEntryIdError(()))
    }
}

/// The error of a text that is not an [`EntryId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseEntryIdError(());

impl fmt::Display for ParseEntryIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an entry id: expected two decimal numbers with a hyphen between them")
    }
}

impl Error for ParseEntryIdError {}

/// One entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its id.
    pub id: EntryId,
    /// What was appended.
    pub payload: Bytes,
}

impl LogEntry {
    /// Makes an entry: for drivers.
    pub const fn new(id: EntryId, payload: Bytes) -> Self {
        Self { id, payload }
    }
}

/// What [`Log::read_after`](crate::Log::read_after) found.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRead {
    /// The entries, the oldest first.
    pub entries: Vec<LogEntry>,
    /// Whether entries between the position asked for and the first one of `entries` are missing.
    ///
    /// Also set when the position is not one of this log, so that nobody can tell. A reader that goes on all the
    /// same continues after the last of `entries`, or at [`Log::last_id`](crate::Log::last_id) when there are none.
    pub gap: bool,
}

impl LogRead {
    /// Makes an answer: for drivers.
    pub const fn new(entries: Vec<LogEntry>, gap: bool) -> Self {
        Self { entries, gap }
    }
}
