//! CPU per request: each server in turn, server and load on one CPU.

use anyhow::Result;

use super::Report;
use super::options::Options;
use super::plan::ENDPOINTS;
use super::programs::Programs;
use super::table::{self, Round, Sample};
use crate::workspace;

/// How often each server is measured, unless it is said.
const ROUNDS: usize = 5;

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report> {
    let count = options.rounds.unwrap_or(ROUNDS);
    let mut rounds = Vec::new();
    let mut notes = Vec::new();
    for round in 0..count {
        for turn in 0..options.peers.len() {
            // Another one begins each round, so that none always runs on a cold machine.
            let peer = options.peers[(turn + round) % options.peers.len()];
            let server = programs.start(peer)?;
            for endpoint in ENDPOINTS {
                let load = || {
                    let mut load = programs.load("load", &server);
                    load.args(["--path", endpoint.path, "--seconds", &options.seconds]);
                    load.args(["--pipeline", &endpoint.pipeline.to_string()]);
                    load
                };
                if round == 0 {
                    let head = workspace::output(load().arg("--probe"))?;
                    let names = header_names(&head);
                    if endpoint.headers.is_some_and(|headers| names != headers) {
                        let peer = peer.name;
                        notes.push(format!("{peer} answers {} with {names:?}", endpoint.name));
                    }
                }
                let sample = Sample::parse(&workspace::output(&mut load())?)?;
                println!(
                    "round {} {:<10} {:<8} {:>9.0} requests/s {:>8.3} µs",
                    round + 1,
                    endpoint.name,
                    peer.name,
                    sample.rate,
                    sample.cpu_us
                );
                rounds.push(Round {
                    number: round,
                    endpoint: endpoint.name,
                    peer: peer.name,
                    sample,
                });
            }
        }
    }
    Ok(Report {
        method: format!("{count} rounds of {} s, 64 connections", options.seconds),
        table: table::markdown(&rounds),
        notes,
        verdicts: table::verdicts(&rounds, ENDPOINTS),
    })
}

/// Sorted, lower case, without the status line.
fn header_names(head: &str) -> Vec<String> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut names: Vec<String> = lines.map(|(name, _)| name.to_lowercase()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_compared_without_order_and_case() {
        let head = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Type: y\r\ncontent-length: 1\r\n\r\n";
        assert_eq!(header_names(head), ENDPOINTS[0].headers.unwrap());
    }
}
