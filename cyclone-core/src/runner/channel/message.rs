//! What processes of one program tell each other, and how that looks on the channel.
//!
//! A message is a word and its fields, separated by NUL bytes, which neither paths nor our texts contain.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::str;
use std::time::Duration;

use super::MAX_MESSAGE_BYTES;
use crate::runner::exit::Exit;
use crate::runner::process::Ask;
use crate::runner::report::Report;

const SEPARATOR: char = '\0';

/// A message of either direction.
#[derive(Debug)]
pub(crate) enum Message {
    /// To a successor or worker: a listening socket of the worker with this number.
    Socket(usize, String, OwnedFd),
    /// To a successor: the locked pid file.
    PidFile(OwnedFd),
    /// To a successor: the socket at which upgrades are asked for.
    Control(OwnedFd),
    /// To a successor or worker: that was all, begin. To a worker its number and how many there are, to a successor how
    /// many workers its predecessor has, and 0.
    Begin(usize, usize),
    /// From a worker: a socket that it listens on.
    Bound(String, OwnedFd),
    /// From a worker: it listens on everything, and waits.
    AllBound,
    /// To a worker: accept connections. To a successor: it is the one now.
    Go,
    /// From everyone: connections are accepted.
    Ready,
    /// From everyone: it did not start.
    Failed(Exit),
    /// To a worker: let the connections end.
    Drain,
    /// To a worker: cut the connections.
    Cut,
    /// To a worker: run what was registered for a reload.
    Reload,
    /// From a worker: it has, and this failed.
    Reloaded(Vec<String>),
    /// To a worker: open the log files again.
    Reopen,
    /// To a worker: say that the runtime makes progress.
    Ping,
    /// From a worker: it does.
    Pong,
    /// From a worker: it has ended.
    Ended(Report),
    /// From a worker: someone in it wants this of the whole program.
    Ask(Ask),
}

impl Message {
    /// Its text, and the socket that goes with it.
    pub(super) fn encode(&self) -> (Vec<u8>, Option<BorrowedFd<'_>>) {
        let (fields, socket): (Vec<String>, _) = match self {
            Self::Socket(worker, name, socket) => (
                vec!["socket".into(), worker.to_string(), name.clone()],
                Some(socket),
            ),
            Self::PidFile(file) => (vec!["pidfile".into()], Some(file)),
            Self::Control(socket) => (vec!["control".into()], Some(socket)),
            Self::Begin(worker, of) => (
                vec!["begin".into(), worker.to_string(), of.to_string()],
                None,
            ),
            Self::Bound(name, socket) => (vec!["bound".into(), name.clone()], Some(socket)),
            Self::AllBound => (vec!["all-bound".into()], None),
            Self::Go => (vec!["go".into()], None),
            Self::Ready => (vec!["ready".into()], None),
            Self::Failed(exit) => (
                vec![
                    "failed".into(),
                    exit.code().to_string(),
                    clean(exit.reason()),
                ],
                None,
            ),
            Self::Drain => (vec!["drain".into()], None),
            Self::Cut => (vec!["cut".into()], None),
            Self::Reload => (vec!["reload".into()], None),
            Self::Reloaded(failed) => {
                let failed = failed.iter().map(|text| clean(text));
                (
                    std::iter::once("reloaded".into()).chain(failed).collect(),
                    None,
                )
            }
            Self::Reopen => (vec!["reopen".into()], None),
            Self::Ping => (vec!["ping".into()], None),
            Self::Pong => (vec!["pong".into()], None),
            Self::Ended(report) => {
                let mut fields = vec![
                    "ended".into(),
                    report.drained.to_string(),
                    report.elapsed.as_millis().to_string(),
                ];
                let cut = report.cut.iter().map(|text| format!("c{}", clean(text)));
                let failed = report.failed.iter().map(|text| format!("f{}", clean(text)));
                fields.extend(failed.chain(cut));
                (fields, None)
            }
            Self::Ask(ask) => (vec!["ask".into(), ask.word().into()], None),
        };
        let mut text = fields.join(&SEPARATOR.to_string());
        let end = (0..=text.len().min(MAX_MESSAGE_BYTES)).rev();
        let end = end.into_iter().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        (text.into_bytes(), socket.map(AsFd::as_fd))
    }

    /// The message with this text; `None` when it is not known here.
    pub(super) fn decode(text: &[u8], socket: Option<OwnedFd>) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let mut fields = text.split(SEPARATOR);
        let word = fields.next()?;
        Some(match word {
            "socket" => {
                let worker = fields.next()?.parse().ok()?;
                Self::Socket(worker, fields.next()?.to_owned(), socket?)
            }
            "pidfile" => Self::PidFile(socket?),
            "control" => Self::Control(socket?),
            "begin" => Self::Begin(fields.next()?.parse().ok()?, fields.next()?.parse().ok()?),
            "bound" => Self::Bound(fields.next()?.to_owned(), socket?),
            "all-bound" => Self::AllBound,
            "go" => Self::Go,
            "ready" => Self::Ready,
            "failed" => {
                let code = fields.next()?.parse().ok()?;
                Self::Failed(Exit::new(code, fields.next()?))
            }
            "drain" => Self::Drain,
            "cut" => Self::Cut,
            "reload" => Self::Reload,
            "reloaded" => Self::Reloaded(fields.map(str::to_owned).collect()),
            "reopen" => Self::Reopen,
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "ended" => Self::Ended(report(fields)?),
            "ask" => Self::Ask(Ask::parse(fields.next()?)?),
            _ => return None,
        })
    }
}

fn report(mut fields: str::Split<'_, char>) -> Option<Report> {
    let mut report = Report {
        drained: fields.next()?.parse().ok()?,
        elapsed: Duration::from_millis(fields.next()?.parse().ok()?),
        ..Report::default()
    };
    for field in fields {
        if let Some(text) = field.strip_prefix('c') {
            report.cut.push(text.to_owned());
        } else if let Some(text) = field.strip_prefix('f') {
            report.failed.push(text.to_owned());
        }
    }
    Some(report)
}

/// The text without the byte that separates fields.
fn clean(text: &str) -> String {
    text.replace(SEPARATOR, " ")
}
