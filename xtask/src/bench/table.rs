//! CPU per request: medians, ratios within a round, the table, the targets.

use anyhow::{Result, bail};

use super::figures::{Verdict, least, median, value};
use super::plan::{BASE, Bound, Endpoint, OURS};

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
        let requests = value(line, "requests")?;
        if requests < 1.0 {
            bail!("nothing was answered: `{line}`");
        }
        Ok(Self {
            rate: requests / value(line, "seconds")?,
            cpu_us: value(line, "cpu_ns")? / 1000.0 / requests,
        })
    }
}

/// The table: for each endpoint its servers, in the order they were measured first.
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
                least(&cpu),
                ratio(rounds, endpoint, peer)
            );
        }
    }
    text
}

/// What each bound of each endpoint says of this run.
pub(super) fn verdicts(rounds: &[Round], endpoints: &[Endpoint]) -> Vec<Verdict> {
    let bounds = endpoints
        .iter()
        .flat_map(|endpoint| endpoint.bounds.iter().map(move |bound| (endpoint, bound)));
    bounds
        .map(|(endpoint, bound)| judge(rounds, endpoint.name, *bound))
        .collect()
}

/// A ratio that could not be measured meets no target.
fn judge(rounds: &[Round], endpoint: &str, bound: Bound) -> Verdict {
    let ours = ratio(rounds, endpoint, OURS);
    let (peer, best) = best_peer(rounds, endpoint);
    let (met, text) = match bound {
        Bound::OfBase(most) => (ours <= most, format!("{ours:.3} of {BASE}, at most {most}")),
        Bound::OfBestPeer(most) => {
            let ours = ours / best;
            let text = format!("{ours:.3} of the best peer, {peer}, at most {most}");
            (ours <= most, text)
        }
        Bound::Below(names) => {
            let least = least(
                &names
                    .iter()
                    .map(|peer| ratio(rounds, endpoint, peer))
                    .collect::<Vec<_>>(),
            );
            let names = names.join(", ");
            let text = format!("{ours:.3} of {BASE}, less than the least of {names}: {least:.3}");
            (ours < least, text)
        }
        Bound::BelowEveryPeer => (
            ours < best,
            format!("{ours:.3} of {BASE}, less than the best peer, {peer}: {best:.3}"),
        ),
    };
    Verdict {
        met,
        text: format!("{endpoint}: {text}"),
    }
}

/// The cheapest server beside us, with its ratio.
fn best_peer(rounds: &[Round], endpoint: &str) -> (&'static str, f64) {
    unique(rounds.iter().map(|round| round.peer))
        .into_iter()
        .filter(|peer| *peer != OURS)
        .map(|peer| (peer, ratio(rounds, endpoint, peer)))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))
        .unwrap_or(("none", f64::NAN))
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

fn unique(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
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
                rounds.push(Round {
                    number,
                    endpoint: "json",
                    peer,
                    sample: Sample {
                        rate: 1000.0,
                        cpu_us: *cpu_us,
                    },
                });
            }
        }
        rounds
    }

    #[test]
    fn line_of_the_load() {
        let sample = Sample::parse("requests=1000 seconds=2.0 cpu_ns=7000000\n").unwrap();
        let expected = Sample {
            rate: 500.0,
            cpu_us: 7.0,
        };
        assert_eq!(sample, expected);
        assert!(Sample::parse("requests=0 seconds=2.0 cpu_ns=7").is_err());
        assert!(Sample::parse("requests=5 seconds=2.0").is_err());
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
    fn bounds_at_and_over_the_limit() {
        let met = |ours: f64, bound: Bound| {
            let all = rounds(&[(BASE, &[2.0]), ("ntex", &[1.6]), (OURS, &[ours])]);
            judge(&all, "json", bound).met
        };
        assert!(met(1.5, Bound::OfBase(0.75)));
        assert!(!met(1.501, Bound::OfBase(0.75)));
        assert!(met(0.8, Bound::OfBestPeer(0.5)));
        assert!(!met(0.801, Bound::OfBestPeer(0.5)));
        assert!(met(1.599, Bound::BelowEveryPeer));
        assert!(met(1.999, Bound::Below(&[BASE])));
        assert!(!met(2.0, Bound::Below(&[BASE])));
        assert!(!met(1.7, Bound::Below(&[BASE, "ntex"])));
        assert!(!met(1.6, Bound::BelowEveryPeer));
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        let all = rounds(&[(BASE, &[2.0]), ("ntex", &[1.6])]);
        let bounds = [
            Bound::OfBase(9.0),
            Bound::OfBestPeer(9.0),
            Bound::BelowEveryPeer,
        ];
        assert!(bounds.iter().all(|bound| !judge(&all, "json", *bound).met));
    }

    #[test]
    fn a_verdict_names_the_best_peer() {
        let all = rounds(&[(BASE, &[2.0]), ("ntex", &[1.6]), (OURS, &[0.4])]);
        let text = judge(&all, "json", Bound::OfBestPeer(0.5)).text;
        assert_eq!(text, "json: 0.250 of the best peer, ntex, at most 0.5");
    }
}
