//! Builds the servers and the load of `xtask/bench/http`, and runs them in turn on one CPU.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::table::{self, Round};
use crate::metadata::Metadata;
use crate::servers::Server;
use crate::workspace;

pub(super) const HELP: &str = "\
flags: --rounds N      how often each peer is measured (default 5)
       --seconds S     length of one measurement (default 2)
       --peers a,b     some of hyper,axum,actix,cyclone; hyper is always there
       --cpu N         the CPU that server and load share (default: the last one)
       --write         put the table into docs/benchmarks.md
       --check         fail unless cyclone meets its targets";

/// The floor everything is compared with.
pub(super) const BASE: &str = "hyper";
const PEERS: &[&str] = &[BASE, "axum", "actix", "cyclone"];

/// What is asked for: a name, the path, and how many requests go in one write.
const ENDPOINTS: &[(&str, &str, &str)] = &[
    ("plaintext", "/plaintext", "1"),
    ("json", "/json", "1"),
    ("user", "/user/4217?name=J%C3%BCrgen+M", "1"),
    ("page", "/page", "1"),
    ("pipelined", "/plaintext", "16"),
];

/// Headers of every answer. A server that sends more or fewer does other work, and is named.
const HEADERS: &[&str] = &["content-length", "content-type", "date"];

/// Where the table goes.
const DOCUMENT: &str = "docs/benchmarks.md";

#[derive(Debug, PartialEq, Eq)]
struct Options {
    rounds: usize,
    seconds: String,
    peers: Vec<&'static str>,
    cpu: usize,
    write: bool,
    check: bool,
}

pub(super) fn run(flags: &[String]) -> Result<()> {
    let options = Options::parse(flags)?;
    let taskset = workspace::which("taskset").context("no taskset: install util-linux")?;
    let programs = build(&options.peers)?;
    let pinned = |program: &str| {
        let mut command = Command::new(&taskset);
        command.args(["--cpu-list", &options.cpu.to_string()]);
        command.arg(programs.join(program));
        command
    };

    let mut rounds = Vec::new();
    let mut other_headers = Vec::new();
    for round in 0..options.rounds {
        for turn in 0..options.peers.len() {
            // Another one begins each round, so that none always runs on a cold machine.
            let peer = options.peers[(turn + round) % options.peers.len()];
            let server = Server::start(peer, &mut pinned(peer), 1)?;
            let address = server.listening()[0]
                .trim_start_matches("http://")
                .to_owned();
            let load = |path: &str, pipeline: &str| {
                let mut load = pinned("load");
                load.args(["--address", &address, "--path", path]);
                load.args(["--pid", &server.id().to_string()]);
                load.args(["--pipeline", pipeline, "--seconds", &options.seconds]);
                load
            };
            for (name, path, pipeline) in ENDPOINTS {
                if round == 0 {
                    let head = workspace::output(load(path, pipeline).arg("--probe"))?;
                    if header_names(&head) != HEADERS {
                        other_headers.push(format!("{peer} {path}: {:?}", header_names(&head)));
                    }
                }
                let line = workspace::output(&mut load(path, pipeline))?;
                let sample = table::Sample::parse(&line)?;
                println!(
                    "round {} {name:<10} {peer:<8} {:>9.0} requests/s {:>8.3} µs",
                    round + 1,
                    sample.rate,
                    sample.cpu_us
                );
                rounds.push(Round {
                    number: round,
                    endpoint: name,
                    peer,
                    sample,
                });
            }
        }
    }

    let table = table::markdown(&rounds);
    println!("\n{table}");
    for line in &other_headers {
        println!("answers with other headers than {HEADERS:?}: {line}");
    }
    if options.write {
        write(&describe(&options, &table))?;
    }
    if options.check {
        table::check(&rounds)?;
    }
    Ok(())
}

/// The folder of the built programs.
fn build(peers: &[&str]) -> Result<PathBuf> {
    let target = Metadata::load()?.target_directory.join("bench");
    let mut command = workspace::cargo(["build", "--release"]);
    command.current_dir(workspace::root().join("xtask/bench/http"));
    command.arg("--target-dir").arg(&target);
    for program in peers.iter().chain(&["load"]) {
        command.args(["--bin", program]);
    }
    workspace::run(&mut command)?;
    Ok(target.join("release"))
}

/// Sorted, lower case, without the status line.
fn header_names(head: &str) -> Vec<String> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut names: Vec<String> = lines.map(|(name, _)| name.to_lowercase()).collect();
    names.sort_unstable();
    names
}

/// The table with what is needed to read it.
fn describe(options: &Options, table: &str) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find(|line| line.starts_with("model name"));
    let cpu = cpu.and_then(|line| line.split_once(": "));
    let cpu = cpu.map_or("unknown CPU", |(_, name)| name);
    let rustc = workspace::output(Command::new("rustc").arg("--version")).unwrap_or_default();
    format!(
        "{}, {cpu}, {} rounds of {} s, 64 connections.\n\n{table}",
        rustc.split(" (").next().unwrap_or_default(),
        options.rounds,
        options.seconds
    )
}

/// Replaces what is between the marks of the document.
fn write(text: &str) -> Result<()> {
    let path: &Path = &workspace::root().join(DOCUMENT);
    let document = std::fs::read_to_string(path)?;
    std::fs::write(path, between_marks(&document, text)?)?;
    println!("written to {DOCUMENT}");
    Ok(())
}

fn between_marks(document: &str, text: &str) -> Result<String> {
    let (begin, end) = ("<!-- bench:http:begin -->\n", "<!-- bench:http:end -->");
    let parts = document
        .split_once(begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts.context("the document has lost its marks")?;
    Ok(format!("{before}{begin}{text}{end}{after}"))
}

impl Options {
    fn parse(flags: &[String]) -> Result<Self> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            rounds: 5,
            seconds: "2".to_owned(),
            peers: PEERS.to_vec(),
            cpu: cpus - 1,
            write: false,
            check: false,
        };
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            let mut value = || {
                flags
                    .next()
                    .with_context(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds.clone_from(value()?),
                "--cpu" => options.cpu = value()?.parse()?,
                "--write" => options.write = true,
                "--check" => options.check = true,
                "--peers" => {
                    let names: Vec<&str> = value()?.split(',').collect();
                    if let Some(name) = names.iter().find(|name| !PEERS.contains(name)) {
                        bail!("no peer `{name}`\n{HELP}");
                    }
                    let chosen = PEERS.iter().copied();
                    let chosen = chosen.filter(|peer| *peer == BASE || names.contains(peer));
                    options.peers = chosen.collect();
                }
                _ => bail!("no flag `{flag}`\n{HELP}"),
            }
        }
        if options.rounds == 0 {
            bail!("at least one round");
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &str) -> Result<Options> {
        let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        Options::parse(&flags)
    }

    #[test]
    fn flags() {
        let options = parse("--rounds 7 --peers cyclone --write --cpu 0").unwrap();
        assert_eq!(options.rounds, 7);
        assert_eq!(options.peers, [BASE, "cyclone"]);
        assert!(options.write && !options.check);
        for bad in [
            "--rounds",
            "--rounds 0",
            "--rounds x",
            "--peers rocket",
            "--fast",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_part_between_the_marks_changes() {
        let document = "a\n<!-- bench:http:begin -->\nold\n<!-- bench:http:end -->\nb\n";
        let new = between_marks(document, "new\n").unwrap();
        assert_eq!(new, document.replace("old", "new"));
        assert!(between_marks("a\n", "new").is_err());
    }

    #[test]
    fn header_names_are_compared_without_order_and_case() {
        let head = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Type: y\r\ncontent-length: 1\r\n\r\n";
        assert_eq!(header_names(head), HEADERS);
    }
}
