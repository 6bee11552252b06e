//! The flags of the benchmarks.

use anyhow::{Context as _, Result, bail};

use super::plan::{BASE, PEERS, Peer};

pub(super) const HELP: &str = "\
benchmarks: http, idle, instructions, large, workers; all of them unless one is named
flags: --rounds N       how often each server is measured (http 5, idle 3, instructions 1, large 1, workers 5)
       --seconds S      length of one measurement of http and workers (default 2)
       --connections N  connections of idle (default 10000)
       --peers a,b      some of hyper,axum,actix,ntex,xitca,cyclone; hyper is always there
       --cpu N          the CPU that server and load share (default: the last one)
       --write          put the tables into docs/benchmarks.md
       --check          fail unless cyclone meets its targets";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) rounds: Option<usize>,
    pub(super) seconds: String,
    pub(super) connections: usize,
    pub(super) peers: Vec<&'static Peer>,
    pub(super) cpu: usize,
    pub(super) write: bool,
    pub(super) check: bool,
}

impl Options {
    pub(super) fn parse(flags: &[String]) -> Result<Self> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            rounds: None,
            seconds: "2".to_owned(),
            connections: 10_000,
            peers: PEERS.iter().collect(),
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
                "--rounds" => options.rounds = Some(value()?.parse()?),
                "--seconds" => options.seconds.clone_from(value()?),
                "--connections" => options.connections = value()?.parse()?,
                "--cpu" => options.cpu = value()?.parse()?,
                "--write" => options.write = true,
                "--check" => options.check = true,
                "--peers" => options.peers = peers(value()?)?,
                _ => bail!("no flag `{flag}`\n{HELP}"),
            }
        }
        if options.rounds == Some(0) || options.connections == 0 {
            bail!("at least one round, and one connection");
        }
        if options.check && options.peers.len() < PEERS.len() {
            bail!("--check compares with every peer, so it goes without --peers");
        }
        Ok(options)
    }

    /// Whether a server is among those that are measured.
    pub(super) fn measures(&self, name: &str) -> bool {
        self.peers.iter().any(|peer| peer.name == name)
    }
}

fn peers(list: &str) -> Result<Vec<&'static Peer>> {
    let names: Vec<&str> = list.split(',').collect();
    let known = |name: &&str| PEERS.iter().any(|peer| peer.name == *name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        bail!("no peer `{name}`\n{HELP}");
    }
    let chosen = PEERS.iter();
    let chosen = chosen.filter(|peer| peer.name == BASE || names.contains(&peer.name));
    Ok(chosen.collect())
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
        let options = parse("--rounds 7 --peers cyclone --write --cpu 0 --connections 5").unwrap();
        assert_eq!((options.rounds, options.connections), (Some(7), 5));
        let names: Vec<&str> = options.peers.iter().map(|peer| peer.name).collect();
        assert_eq!(names, [BASE, "cyclone"]);
        assert!(options.write && !options.check);
        assert!(options.measures("cyclone") && !options.measures("axum"));
        for bad in [
            "--rounds",
            "--rounds 0",
            "--rounds x",
            "--connections 0",
            "--peers rocket",
            "--peers cyclone --check",
            "--fast",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("--check").is_ok());
    }

    #[test]
    fn the_help_names_every_peer() {
        let names: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
        assert!(HELP.contains(&names.join(",")), "{names:?}");
    }
}
