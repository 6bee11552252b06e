//! Resident memory of our server while a large file goes up and down.

use anyhow::Result;

use super::Report;
use super::figures::{Verdict, median, value};
use super::options::Options;
use super::plan::{LARGE, LARGE_GROWTH, OURS, PEERS};
use super::programs::Programs;
use crate::workspace;

/// How often it is measured, unless it is said.
const ROUNDS: usize = 1;

const MIB: f64 = 1024.0 * 1024.0;

/// By how many bytes the server grew.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    up: f64,
    down: f64,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report> {
    let count = options.rounds.unwrap_or(ROUNDS);
    let mut samples = Vec::new();
    let ours = PEERS.iter().find(|peer| peer.name == OURS);
    for peer in ours.into_iter().filter(|peer| options.measures(peer.name)) {
        for round in 0..count {
            let server = programs.start(peer)?;
            let mut load = programs.load("large", &server);
            load.args(["--bytes", &LARGE.to_string()]);
            let sample = Sample::parse(&workspace::output(&mut load)?)?;
            println!(
                "round {} {:>6.1} MiB up {:>6.1} MiB down",
                round + 1,
                sample.up / MIB,
                sample.down / MIB
            );
            samples.push(sample);
        }
    }
    Ok(Report {
        method: format!("median of {count} runs, {} MiB", LARGE >> 20),
        table: markdown(&samples),
        notes: Vec::new(),
        verdicts: verdicts(&samples),
    })
}

impl Sample {
    fn parse(line: &str) -> Result<Self> {
        let before = value(line, "before")?;
        Ok(Self {
            up: value(line, "up")? - before,
            down: value(line, "down")? - before,
        })
    }
}

/// The two ways, and the median of each.
fn ways(samples: &[Sample]) -> [(&'static str, f64); 2] {
    let of = |way: fn(&Sample) -> f64| median(&samples.iter().map(way).collect::<Vec<_>>());
    [("upload", of(|s| s.up)), ("download", of(|s| s.down))]
}

fn markdown(samples: &[Sample]) -> String {
    let mut text = String::from("| way | MiB the server grew by |\n|---|---:|\n");
    for (way, growth) in ways(samples) {
        text += &format!("| {way} | {:.1} |\n", growth / MIB);
    }
    text
}

fn verdicts(samples: &[Sample]) -> Vec<Verdict> {
    let verdict = |(way, growth): (&str, f64)| Verdict {
        met: growth <= LARGE_GROWTH,
        text: format!(
            "large {way}: {:.1} MiB, at most {:.0}",
            growth / MIB,
            LARGE_GROWTH / MIB
        ),
    };
    ways(samples).into_iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_the_load() {
        let line = "bytes=7 before=1000 up=3000 down=1500\n";
        let sample = Sample {
            up: 2000.0,
            down: 500.0,
        };
        assert_eq!(Sample::parse(line).unwrap(), sample);
        assert!(Sample::parse("before=1 up=2").is_err());
    }

    #[test]
    fn bounds_at_and_over() {
        let met = |up: f64, down: f64| {
            let met = verdicts(&[Sample { up, down }]).into_iter();
            met.map(|verdict| verdict.met).collect::<Vec<_>>()
        };
        assert_eq!(met(LARGE_GROWTH, LARGE_GROWTH), [true, true]);
        assert_eq!(met(LARGE_GROWTH + 1.0, 0.0), [false, true]);
        // Not measured.
        assert!(verdicts(&[]).iter().all(|verdict| !verdict.met));
    }

    #[test]
    fn mebibytes_are_shown() {
        let table = markdown(&[Sample {
            up: 2.5 * MIB,
            down: MIB,
        }]);
        assert!(
            table.ends_with("| upload | 2.5 |\n| download | 1.0 |\n"),
            "{table}"
        );
    }
}
