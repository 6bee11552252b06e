//! Resident memory of a server for each connection that does nothing.

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::Report;
use super::figures::{Verdict, median, value};
use super::options::Options;
use super::plan::{IDLE, Idle, OURS};
use super::programs::Programs;
use crate::workspace;

/// How often each server is measured, unless it is said.
const ROUNDS: usize = 3;

/// File descriptors a program needs beside its connections.
const SPARE: u64 = 512;

/// Bytes for each connection.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    /// When it was open: for HTTP accepted, for the others after the handshake.
    open: f64,
    /// When it was used and left alone.
    used: f64,
}

/// The samples of one server.
#[derive(Debug)]
struct Row {
    kind: &'static str,
    peer: &'static str,
    samples: Vec<Sample>,
}

/// Raises the soft limit of descriptors to the hard one, for this process and those it starts.
pub(super) fn ready(options: &Options) -> Result<()> {
    let connections = options.connections;
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let needed = needed(u64::try_from(connections)?);
    if most < needed {
        bail!(
            "{connections} connections need {needed} descriptors, and the hard limit is {most}: \
             raise it with `ulimit -Hn`, or take fewer --connections"
        );
    }
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of descriptors")
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report> {
    let count = options.rounds.unwrap_or(ROUNDS);
    let mut rows = Vec::new();
    for Idle { kind, .. } in IDLE {
        for peer in options.peers.iter().filter(|peer| peer.idle.contains(kind)) {
            let mut samples = Vec::new();
            for round in 0..count {
                // A new process each time: memory that was given back is not always returned.
                let server = programs.start(peer)?;
                let mut load = programs.load("idle", &server);
                load.args(["--kind", kind]);
                load.args(["--connections", &options.connections.to_string()]);
                let sample = Sample::parse(&workspace::output(&mut load)?)?;
                println!(
                    "round {} {kind:<10} {:<8} {:>7.0} bytes open {:>7.0} used",
                    round + 1,
                    peer.name,
                    sample.open,
                    sample.used
                );
                samples.push(sample);
            }
            rows.push(Row {
                kind,
                peer: peer.name,
                samples,
            });
        }
    }
    Ok(Report {
        method: format!(
            "median of {count} runs, {} connections",
            options.connections
        ),
        table: markdown(&rows),
        notes: Vec::new(),
        verdicts: verdicts(&rows),
    })
}

impl Sample {
    fn parse(line: &str) -> Result<Self> {
        let (connections, before) = (value(line, "connections")?, value(line, "before")?);
        Ok(Self {
            open: (value(line, "open")? - before) / connections,
            used: (value(line, "used")? - before) / connections,
        })
    }
}

impl Row {
    fn median(&self, figure: fn(&Sample) -> f64) -> f64 {
        let figures: Vec<f64> = self.samples.iter().map(figure).collect();
        median(&figures)
    }
}

fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| connection | server | bytes when open | bytes after 3 answers |\n|---|---|---:|---:|\n",
    );
    for row in rows {
        let (open, used) = (row.median(|s| s.open), row.median(|s| s.used));
        text += &format!("| {} | {} | {open:.0} | {used:.0} |\n", row.kind, row.peer);
    }
    text
}

/// Both figures have the same bound.
fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let verdict = |idle: &Idle| {
        let mut ours = rows.iter();
        let ours = ours.find(|row| (row.kind, row.peer) == (idle.kind, OURS));
        let median = |figure| ours.map_or(f64::NAN, |row| row.median(figure));
        let (open, used) = (median(|s: &Sample| s.open), median(|s: &Sample| s.used));
        Verdict {
            met: open <= idle.most && used <= idle.most,
            text: format!(
                "idle {}: {open:.0} bytes open, {used:.0} used, at most {}",
                idle.kind, idle.most
            ),
        }
    };
    IDLE.iter().map(verdict).collect()
}

/// Our server takes connections for four fifths of its descriptors.
const fn needed(connections: u64) -> u64 {
    connections.div_ceil(4) * 5 + SPARE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &'static str, peer: &'static str, used: &[f64]) -> Row {
        let samples = used.iter().map(|used| Sample {
            open: 100.0,
            used: *used,
        });
        Row {
            kind,
            peer,
            samples: samples.collect(),
        }
    }

    #[test]
    fn line_of_the_load() {
        let line = "connections=100 before=1000000 open=1150000 used=1200000\n";
        let sample = Sample {
            open: 1500.0,
            used: 2000.0,
        };
        assert_eq!(Sample::parse(line).unwrap(), sample);
        assert!(Sample::parse("connections=100 before=1000000").is_err());
    }

    #[test]
    fn medians_are_shown() {
        let table = markdown(&[row("sse", OURS, &[900.0, 5000.0, 1000.0])]);
        assert!(
            table.ends_with("| sse | cyclone | 100 | 1000 |\n"),
            "{table}"
        );
    }

    #[test]
    fn bounds_at_and_over() {
        let met = |http: f64| {
            let rows = [
                row("http", OURS, &[http]),
                row("websocket", OURS, &[2560.0]),
                row("sse", "axum", &[1.0]),
            ];
            let met = verdicts(&rows).into_iter().map(|verdict| verdict.met);
            met.collect::<Vec<_>>()
        };
        // The last one was not measured.
        assert_eq!(met(2048.0), [true, true, false]);
        assert_eq!(met(2048.1), [false, true, false]);
    }

    #[test]
    fn descriptors_for_four_fifths() {
        assert_eq!(needed(10_000), 13_012);
        let with = |connections: usize| {
            let flags = ["--connections".to_owned(), connections.to_string()];
            ready(&Options::parse(&flags).unwrap())
        };
        assert!(with(1).is_ok());
        assert!(with(usize::MAX / 8).is_err());
    }
}
