//! Our HTTP/1 engine and hyper's on the same bytes: what comes of them is the same, but for what is listed.

use std::collections::BTreeMap;

use cyclone_web::{Http1Engine, Limits};
use tokio::runtime::Runtime;

mod compare;
mod generate;
mod heads;
mod rules;
mod talk;
mod words;

use compare::{Difference, difference};
use generate::Generator;
use rules::RULES;
use talk::{Mode, Outcome, Server};

/// How many streams are tried; `cargo xtask differential` asks for more.
const STREAMS_VARIABLE: &str = "CYCLONE_DIFFERENTIAL_STREAMS";
const STREAMS: u64 = 3000;

/// The most bytes of a stream that are shown.
const SHOWN_BYTES: u64 = 300;

/// The most differences that are shown.
const SHOWN: u32 = 6;

/// Ways to serve that are compared.
const PAIRS: usize = 3;

/// The seed of the first stream; the next ones follow.
const SEED_VARIABLE: &str = "CYCLONE_DIFFERENTIAL_SEED";

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

/// Two servers that differ in their engine.
struct Pair {
    ours: Server,
    theirs: Server,
}

impl Pair {
    fn new(limits: &Limits, tower: bool) -> Self {
        let server = |engine| Server::new(engine, limits.clone(), tower);
        Self {
            ours: server(Http1Engine::Cyclone),
            theirs: server(Http1Engine::Hyper),
        }
    }
}

/// Limits that short requests reach.
fn tight() -> Limits {
    Limits::new()
        .header_section(160)
        .header_count(5)
        .header_line(40)
        .request_line(40)
        .body(256)
        .drain_bytes(64)
}

/// A stream, and how it is sent and served.
struct Trial {
    seed: u64,
    stream: Vec<u8>,
    cuts: Vec<usize>,
    mode: Mode,
    pair: usize,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut generator = Generator::new(seed);
        let stream = generator.stream();
        Self {
            seed,
            cuts: generator.cuts(stream.len()),
            stream,
            mode: Mode {
                unread: generator.rng.u8(..8) == 0,
                streams: generator.rng.u8(..8) == 0,
            },
            pair: generator.rng.usize(..PAIRS),
        }
    }

    /// Whether it is HTTP/2 and none of our business.
    fn is_http2(&self) -> bool {
        self.stream.starts_with(b"PRI * HTTP/2.0\r\n\r\n")
    }

    async fn serve(&self, server: &Server) -> Outcome {
        let mut pieces = Vec::new();
        let mut rest = &self.stream[..];
        for cut in &self.cuts {
            let (piece, behind) = rest.split_at(*cut);
            pieces.push(piece);
            rest = behind;
        }
        server.serve(self.mode, &pieces).await
    }

    fn show(&self, difference: &Difference<'_>) {
        let Self {
            seed,
            cuts,
            stream,
            mode,
            pair,
        } = self;
        println!(
            "seed {seed}, pair {pair}, {mode:?}, {} pieces, {} bytes",
            cuts.len(),
            stream.len()
        );
        println!("  stream: {}", brief(stream));
        println!("  at: {}", brief(difference.rest));
        println!(
            "  ours: {:?} closed {}",
            difference.ours, difference.ours_closed
        );
        println!(
            "  theirs: {:?} closed {}",
            difference.theirs, difference.theirs_closed
        );
    }
}

fn brief(bytes: &[u8]) -> String {
    let most = usize::try_from(variable("CYCLONE_DIFFERENTIAL_SHOWN", SHOWN_BYTES)).unwrap();
    let shown = &bytes[..bytes.len().min(most)];
    let more = if shown.len() < bytes.len() { ".." } else { "" };
    format!("{}{more}", shown.escape_ascii())
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

fn pairs() -> [Pair; PAIRS] {
    [
        Pair::new(&Limits::default(), false),
        Pair::new(&tight(), false),
        Pair::new(&Limits::default(), true),
    ]
}

#[test]
fn what_differs_is_known() {
    let runtime = runtime();
    let pairs = pairs();
    let first = variable(SEED_VARIABLE, 1);
    let count = variable(STREAMS_VARIABLE, STREAMS);
    let mut known: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut served, mut unknown) = (0, 0);
    for trial in (first..first + count)
        .map(Trial::new)
        .filter(|trial| !trial.is_http2())
    {
        let pair = &pairs[trial.pair];
        let ours = runtime.block_on(trial.serve(&pair.ours));
        let theirs = runtime.block_on(trial.serve(&pair.theirs));
        served += ours.events.len();
        let Some(difference) = difference(&trial.stream, &ours, &theirs) else {
            continue;
        };
        match RULES.iter().find(|rule| (rule.explains)(&difference)) {
            Some(rule) => *known.entry(rule.name).or_default() += 1,
            None => {
                unknown += 1;
                if unknown <= SHOWN {
                    trial.show(&difference);
                }
            }
        }
    }
    println!("{count} streams, {served} answers, known differences: {known:#?}");
    assert_eq!(unknown, 0, "differences that no rule explains");
}

/// The parser below ours is the judge of what is a head at all.
#[test]
fn served_heads_are_those_of_httparse() {
    let (runtime, pairs) = (runtime(), pairs());
    let mut heads = 0;
    for trial in (1..=STREAMS)
        .map(Trial::new)
        .filter(|trial| !trial.is_http2())
    {
        let ours = runtime.block_on(trial.serve(&pairs[trial.pair].ours));
        heads += heads::check(&trial.stream, &ours);
    }
    assert!(heads as u64 > STREAMS / 2);
}

#[test]
fn the_page_has_every_difference() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/http1-differences.md");
    let page = std::fs::read_to_string(page).unwrap();
    for row in rules::rows() {
        assert!(
            page.contains(&row),
            "docs/http1-differences.md lacks:\n{row}"
        );
    }
}
