//! `cargo xtask differential`: our HTTP/1 engine and hyper's on the same bytes, for longer than a test may take.

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// How many streams of requests are tried unless said otherwise.
const DEFAULT_STREAMS: u64 = 1_000_000;

#[derive(Debug, PartialEq, Eq)]
struct Options {
    streams: u64,
    seed: u64,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            streams: DEFAULT_STREAMS,
            seed: fastrand::u64(..1_000_000_000),
        };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let value = rest.next().and_then(|value| value.parse().ok());
            let value = value.with_context(|| format!("`{flag}` needs a number"))?;
            match flag.as_str() {
                "--requests" => options.streams = value,
                "--seed" => options.seed = value,
                _ => bail!("usage: cargo xtask differential [--requests N] [--seed S]"),
            }
        }
        Ok(options)
    }
}

/// Runs the differential test of `cyclone-web`. An error names what no rule explains.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    println!("{} streams from seed {}", options.streams, options.seed);
    let mut test = workspace::cargo([
        "test",
        "--release",
        "--package=cyclone-web",
        "--features=hyper-http1",
        "--test=it",
        "--",
        "--nocapture",
        "differential::what_differs_is_known",
    ]);
    test.env("CYCLONE_DIFFERENTIAL_STREAMS", options.streams.to_string())
        .env("CYCLONE_DIFFERENTIAL_SEED", options.seed.to_string());
    workspace::run(&mut test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_are_read() {
        let given = options(&["--requests", "5", "--seed", "7"]).unwrap();
        assert_eq!(
            given,
            Options {
                streams: 5,
                seed: 7
            }
        );
        assert_eq!(options(&[]).unwrap().streams, DEFAULT_STREAMS);
        assert!(options(&["--requests"]).is_err());
        assert!(options(&["--seed", "x"]).is_err());
        assert!(options(&["--streams", "5"]).is_err());
    }
}
