//! What the server holds, as the kernel sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Open file descriptors and memory of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Open file descriptors by what they are: `socket`, `pipe`, the name of a file.
    pub(super) files: BTreeMap<String, usize>,
    /// Resident memory in KiB.
    pub(super) resident_kib: u64,
    /// How much of it is no file: the rest is the program itself, as far as it was read from disk.
    pub(super) anonymous_kib: u64,
}

impl Usage {
    /// Reads `/proc`, so Linux only.
    pub(super) fn of(process: u32) -> Result<Self> {
        let folder = Path::new("/proc").join(process.to_string());
        let mut files = BTreeMap::new();
        let entries = std::fs::read_dir(folder.join("fd"));
        for entry in entries.context("the soak test reads /proc, as Linux has it")? {
            // A descriptor may be closed between the listing and this.
            if let Ok(target) = std::fs::read_link(entry?.path()) {
                *files.entry(kind(&target.to_string_lossy())).or_default() += 1;
            }
        }
        let status = std::fs::read_to_string(folder.join("status"))?;
        Ok(Self {
            files,
            resident_kib: memory(&status, "VmRSS:")?,
            anonymous_kib: memory(&status, "RssAnon:")?,
        })
    }

    /// How many descriptors there are.
    pub(super) fn count(&self) -> usize {
        self.files.values().sum()
    }

    /// What there is more or less of than in `before`.
    pub(super) fn differences(&self, before: &Self) -> Vec<String> {
        let kinds = self.files.keys().chain(before.files.keys());
        let mut found: Vec<String> = kinds
            .filter_map(|kind| {
                let then = before.files.get(kind).copied().unwrap_or_default();
                let now = self.files.get(kind).copied().unwrap_or_default();
                (then != now).then(|| format!("{kind}: {then} before, {now} now"))
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = mebibytes(self.resident_kib);
        let anonymous = mebibytes(self.anonymous_kib);
        let count = self.count();
        write!(
            f,
            "{count:>4} descriptors, {memory} MiB, {anonymous} of it no file"
        )
    }
}

/// KiB as MiB with one digit behind the point.
pub(super) fn mebibytes(kib: u64) -> String {
    let tenths = (kib * 10 + 512) / 1024;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `socket:[4711]` is a `socket`, a path is the name of its file.
fn kind(target: &str) -> String {
    match target.split_once(":[") {
        Some((kind @ ("socket" | "pipe"), _)) => kind.to_owned(),
        _ => target.rsplit('/').next().unwrap_or(target).to_owned(),
    }
}

/// A line of `/proc/PID/status` in KiB.
fn memory(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.with_context(|| format!("no {name} in /proc/PID/status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_no_numbers() {
        assert_eq!(kind("socket:[4711]"), "socket");
        assert_eq!(kind("pipe:[1]"), "pipe");
        assert_eq!(kind("anon_inode:[eventpoll]"), "anon_inode:[eventpoll]");
        assert_eq!(kind("/tmp/x/tour.sqlite3-wal"), "tour.sqlite3-wal");
    }

    #[test]
    fn status_is_read() {
        let status = "Name:\tx\nVmRSS:\t   12345 kB\nRssAnon:\t 7 kB\n";
        assert_eq!(memory(status, "VmRSS:").unwrap(), 12_345);
        assert_eq!(memory(status, "RssAnon:").unwrap(), 7);
        assert!(memory(status, "RssFile:").is_err());
        assert_eq!(mebibytes(2560), "2.5");
    }

    #[test]
    fn an_opened_file_is_a_difference() {
        let before = Usage::of(std::process::id()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("the-leak")).unwrap();
        let after = Usage::of(std::process::id()).unwrap();
        let found = after.differences(&before);
        assert!(
            found.contains(&"the-leak: 0 before, 1 now".to_owned()),
            "{found:?}"
        );
        assert_eq!(after.differences(&after), [""; 0]);
        drop(file);
    }
}
