//! When a log file is set aside, and what the old ones are called.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, Stat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::clock::Period;
use super::{LogOptions, LogRotation};

/// Old files of one hour or day, at most: a clock is set back only so often.
const MAX_SAME_PERIOD: u32 = 1000;

/// When a file is set aside and how many are kept.
#[derive(Debug)]
pub(super) struct Rotation {
    when: LogRotation,
    max_size: u64,
    backups: usize,
    /// The hour or day that it is, once asked, and whether a file was set aside in it.
    period: Option<(Period, bool)>,
}

impl Rotation {
    pub(super) fn new(options: &LogOptions) -> Self {
        Self {
            when: options.rotation,
            max_size: options.max_size,
            backups: options.backups,
            period: None,
        }
    }

    /// Whether a file must be set aside before a line is written to it. An empty one never is.
    pub(super) fn is_due(&mut self, stat: &Stat, length: usize) -> bool {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        match self.when {
            _ if size == 0 => false,
            LogRotation::Size => size.saturating_add(length as u64) > self.max_size,
            LogRotation::Never => false,
            LogRotation::Hourly | LogRotation::Daily => {
                let now = Period::now();
                if !self
                    .period
                    .as_ref()
                    .is_some_and(|(period, _)| period.has(now))
                {
                    self.period = Period::of(self.when, now).map(|period| (period, false));
                }
                // Once is enough: a file server with another clock would make every file an old one.
                let due = |(period, done): &(Period, bool)| !done && stat.st_mtime < period.start;
                self.period.as_ref().is_some_and(due)
            }
        }
    }

    /// Renames the file, and removes what is too old. The caller has the lock.
    pub(super) fn set_aside(&mut self, directory: &OwnedFd, name: &OsStr) -> io::Result<()> {
        match (self.when, self.backups) {
            (_, 0) => unlinkat(directory, name, AtFlags::empty())?,
            (LogRotation::Hourly | LogRotation::Daily, _) => {
                let stat = statat(directory, name, AtFlags::empty())?;
                let label = Period::of(self.when, stat.st_mtime).map(|period| period.label);
                rename_free(directory, name, &label.unwrap_or_default())?;
            }
            (_, backups) => {
                // Up to the first gap; the oldest one is overwritten if there is none.
                let is_there = |number: &usize| {
                    statat(
                        directory,
                        numbered(name, *number),
                        AtFlags::SYMLINK_NOFOLLOW,
                    )
                    .is_ok()
                };
                let old = (1..backups).take_while(is_there).count();
                for number in (1..=old).rev() {
                    let (young, old) = (numbered(name, number), numbered(name, number + 1));
                    renameat(directory, &young, directory, &old)?;
                }
                renameat(directory, name, directory, numbered(name, 1))?;
            }
        }
        if let Some((_, done)) = &mut self.period {
            *done = true;
        }
        // That too many are kept is no reason to stop.
        let _ = self.prune(directory, name);
        Ok(())
    }

    /// Removes the oldest until there are no more than wanted.
    fn prune(&self, directory: &OwnedFd, name: &OsStr) -> io::Result<()> {
        let mut old = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let found = OsStr::from_bytes(entry.file_name().to_bytes());
            old.extend(self.age(name, found).map(|age| (age, found.to_owned())));
        }
        // Numbers grow with age, and so the first are the ones to keep; dates are the other way round.
        old.sort();
        if self.when != LogRotation::Size {
            old.reverse();
        }
        for (_, name) in old.iter().skip(self.backups) {
            unlinkat(directory, name, AtFlags::empty())?;
        }
        Ok(())
    }

    /// How the name of an old file sorts; none for any other file.
    fn age(&self, name: &OsStr, found: &OsStr) -> Option<(String, u32)> {
        let suffix = found
            .as_bytes()
            .strip_prefix(name.as_bytes())?
            .strip_prefix(b".")?;
        let suffix = std::str::from_utf8(suffix).ok()?;
        let shape = match self.when {
            LogRotation::Size => return Some((String::new(), number(suffix)?)),
            LogRotation::Daily => "0000-00-00",
            LogRotation::Hourly => "0000-00-00T00",
            LogRotation::Never => return None,
        };
        let (label, again) = match suffix.split_once('.') {
            Some((label, again)) => (label, number(again)?),
            None => (suffix, 0),
        };
        let alike = |(is, shape): (u8, u8)| {
            if shape == b'0' {
                is.is_ascii_digit()
            } else {
                is == shape
            }
        };
        let fits = label.len() == shape.len() && label.bytes().zip(shape.bytes()).all(alike);
        fits.then(|| (label.to_owned(), again))
    }
}

/// A number as we write it.
fn number(text: &str) -> Option<u32> {
    text.parse()
        .ok()
        .filter(|number: &u32| *number > 0 && number.to_string() == text)
}

fn numbered(name: &OsStr, number: usize) -> OsString {
    with_suffix(name, &number.to_string())
}

fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(".");
    name.push(suffix);
    name
}

/// Renames to the label, or to the first of `label.1`, `label.2` that is free: nothing is overwritten.
fn rename_free(directory: &OwnedFd, name: &OsStr, label: &str) -> io::Result<()> {
    for again in 0..MAX_SAME_PERIOD {
        let suffix = if again == 0 {
            label.to_owned()
        } else {
            format!("{label}.{again}")
        };
        let target = with_suffix(name, &suffix);
        match statat(directory, &target, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(renameat(directory, name, directory, &target)?),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
