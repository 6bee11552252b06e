//! Figures of the benchmark: medians, ratios within a round, the table, the targets.

use anyhow::{Context as _, Result, bail};

use super::http::BASE;

/// What cyclone may cost beside bare hyper, and the endpoints that count.
const MOST: f64 = 1.06;
const TARGETS: &[&str] = &["plaintext", "json"];

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Requests a second, the load's own work included.
    pub(super) rate: f64,
    /// Microseconds of CPU the server took for a request.
    pub(super) cpu_us: f64,
}

/// A measurement and what was measured.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) number: usize,
    pub(super) endpoint: &'static str,
    pub(super) peer: &'static str,
    pub(super) sample: Sample,
}

impl Sample {
    /// Reads the line the load prints.
    pub(super) fn parse(line: &str) -> Result<Self> {
        let value = |name: &str| -> Result<f64> {
            let mut pairs = line
                .split_whitespace()
                .filter_map(|word| word.split_once('='));
            let found = pairs.find(|(key, _)| *key == name);
            let (_, value) = found.with_context(|| format!("no {name} in `{line}`"))?;
            Ok(value.parse()?)
        };
        let requests = value("requests")?;
        if requests < 1.0 {
            bail!("nothing was answered: `{line}`");
        }
        Ok(Self {
            rate: requests / value("seconds")?,
            cpu_us: value("cpu_ns")? / 1000.0 / requests,
        })
    }
}

/// The table: for each endpoint its peers, in the order they were measured first.
pub(super) fn markdown(rounds: &[Round]) -> String {
    let mut text = String::from(
        "| endpoint | server | requests/s | CPU µs/request | least | ratio to hyper |\n\
         |---|---|---:|---:|---:|---:|\n",
    );
    for endpoint in unique(rounds.iter().map(|round| round.endpoint)) {
        for peer in unique(rounds.iter().map(|round| round.peer)) {
            let cpu = column(rounds, endpoint, peer, |sample| sample.cpu_us);
            let rate = column(rounds, endpoint, peer, |sample| sample.rate);
            text += &format!(
                "| {endpoint} | {peer} | {:.0} | {:.2} | {:.2} | {:.3} |\n",
                median(&rate),
                median(&cpu),
                cpu.iter().copied().fold(f64::INFINITY, f64::min),
                ratio(rounds, endpoint, peer)
            );
        }
    }
    text
}

/// Whether cyclone meets its targets in this run.
pub(super) fn check(rounds: &[Round]) -> Result<()> {
    let mut missed = Vec::new();
    for endpoint in TARGETS {
        let ours = ratio(rounds, endpoint, "cyclone");
        let axum = ratio(rounds, endpoint, "axum");
        // A ratio that could not be measured meets no target.
        if !(ours <= MOST && ours < axum) {
            missed.push(format!("{endpoint}: {ours:.3}, axum {axum:.3}"));
        }
    }
    if !missed.is_empty() {
        bail!(
            "at most {MOST} of {BASE} and less than axum, but {}",
            missed.join("; ")
        );
    }
    Ok(())
}

/// The median over the rounds of CPU per request, relative to bare hyper in the same round.
fn ratio(rounds: &[Round], endpoint: &str, peer: &str) -> f64 {
    let find = |number: usize, peer: &str| {
        let mut found = rounds
            .iter()
            .filter(|round| (round.number, round.endpoint, round.peer) == (number, endpoint, peer));
        found.next().map(|round| round.sample.cpu_us)
    };
    let last = rounds.iter().map(|round| round.number).max().unwrap_or(0);
    let ratios: Vec<f64> = (0..=last)
        .filter_map(|number| Some(find(number, peer)? / find(number, BASE)?))
        .collect();
    median(&ratios)
}

fn column(rounds: &[Round], endpoint: &str, peer: &str, value: fn(&Sample) -> f64) -> Vec<f64> {
    let rows = rounds
        .iter()
        .filter(|round| round.endpoint == endpoint && round.peer == peer);
    rows.map(|round| value(&round.sample)).collect()
}

/// The middle value, the mean of the two middle ones; not a number when there is none.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        sorted if sorted.len() % 2 == 1 => sorted[half],
        sorted => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(cpu: &[(&'static str, &[f64])]) -> Vec<Round> {
        let mut rounds = Vec::new();
        for (peer, values) in cpu {
            for (number, cpu_us) in values.iter().enumerate() {
                for endpoint in TARGETS {
                    let sample = Sample {
                        rate: 1000.0,
                        cpu_us: *cpu_us,
                    };
                    rounds.push(Round {
                        number,
                        endpoint,
                        peer,
                        sample,
                    });
                }
            }
        }
        rounds
    }

    #[test]
    fn line_of_the_load() {
        let sample = Sample::parse("requests=1000 seconds=2.0 cpu_ns=7000000\n").unwrap();
        assert_eq!(
            sample,
            Sample {
                rate: 500.0,
                cpu_us: 7.0
            }
        );
        assert!(Sample::parse("requests=0 seconds=2.0 cpu_ns=7").is_err());
        assert!(Sample::parse("requests=5 seconds=2.0").is_err());
    }

    #[test]
    fn medians() {
        assert!(median(&[]).is_nan());
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn ratio_is_taken_within_the_round() {
        // The machine was twice as slow in the second round; the ratio does not see it.
        let all = rounds(&[(BASE, &[10.0, 20.0, 10.0]), ("axum", &[11.0, 22.0, 11.0])]);
        assert!((ratio(&all, "json", "axum") - 1.1).abs() < 1e-9);
        let row = "| json | axum | 1000 | 11.00 | 11.00 | 1.100 |";
        assert!(markdown(&all).contains(row), "{}", markdown(&all));
    }

    #[test]
    fn targets_at_and_over_the_limit() {
        let with = |cyclone: f64, axum: f64| {
            check(&rounds(&[
                (BASE, &[1.0]),
                ("axum", &[axum]),
                ("cyclone", &[cyclone]),
            ]))
        };
        assert!(with(1.06, 1.10).is_ok());
        assert!(with(1.061, 1.10).is_err());
        assert!(with(1.05, 1.05).is_err());
        assert!(check(&rounds(&[(BASE, &[1.0]), ("axum", &[1.1])])).is_err());
    }
}
