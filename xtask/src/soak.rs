//! `cargo xtask soak`: random load on the tour, and then everything must be as before.
//!
//! Clients that behave and clients that do not come and go at any moment. When the last has gone, the server must
//! hold no connection, no file descriptor and no memory that it did not hold before; every message that it
//! acknowledged must be in the history once; and it must end at once when told to. The seed decides what each
//! client does; the order between clients is that of the machine.

mod events;
mod frames;
mod hostile;
mod ledger;
mod load;
mod operator;
mod pages;
mod process;
mod reply;
mod series;
mod talk;
mod tally;
mod wire;
mod world;

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::metadata::Metadata;
use crate::servers::Server;
use crate::workspace;
use ledger::Message;
use load::Choice;
use operator::Watcher;
use process::Usage;
use series::Series;
use wire::Failure;
use world::{BIG_ROOM, ROOMS, World};

/// How long the load lasts unless said otherwise.
const DEFAULT_TIME: Duration = Duration::from_secs(300);

/// How long the same load lasts before the first measurement, every client doing everything once at first: so
/// caches are full, threads run, and the allocator has what it needs for such a crowd.
const WARM_UP: Duration = Duration::from_secs(60);

/// How long the server has nothing to do before its memory is measured, at the start and at the end.
const REST: Duration = Duration::from_secs(5);

/// Messages of the big room: as many as one answer gives.
const BIG_ROOM_MESSAGES: u32 = 200;

/// How long after the last client the server may still hold something. The longest of its own limits that is in
/// the way is `linger_time`, 30 seconds, after a `half_close_grace` of 10; this leaves room for a busy machine.
const QUIET_LIMIT: Duration = Duration::from_secs(90);

/// How often the server is asked what it still holds.
const LOOK: Duration = Duration::from_millis(250);

/// How much larger the memory may be in the end than at the start: 1.5 MiB of 15. An arena of the allocator grows by
/// 132 KiB at a time when more is served at once than ever before, and that is chance.
const GROWTH_PERCENT: u64 = 10;

/// By how much the memory may grow in the second half of the load, when a leak would go on as before: 1 MiB. With a
/// hundred operations a second that is 120 bytes for each between the two measurements.
const SECOND_HALF_KIB: u64 = 1024;

struct Options {
    time: Duration,
    seed: u64,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            time: DEFAULT_TIME,
            seed: fastrand::u64(..1_000_000_000),
        };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let value = rest.next().map(|value| value.parse::<u64>());
            match (flag.as_str(), value) {
                ("--seconds", Some(Ok(seconds))) => options.time = Duration::from_secs(seconds),
                ("--seed", Some(Ok(seed))) => options.seed = seed,
                _ => bail!("usage: cargo xtask soak [--seconds N] [--seed S]"),
            }
        }
        Ok(options)
    }
}

/// Runs it and reports; an error says what is not as it should be.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let target = Metadata::load()?.target_directory;
    workspace::run(&mut workspace::cargo([
        "build",
        "--release",
        "--package=cyclone-examples",
        "--bin=tour",
    ]))?;
    let folder = target.join("xtask/soak");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let log = folder.join("tour.log");
    println!("seed {}, log {}", options.seed, log.display());
    let server = start(&target.join("release/tour"), &folder, &log)?;
    let mut wrong = soak(&server, &options)?;

    let (status, said) = server.stop_and_read()?;
    if !status.success() {
        wrong.push(format!("the server ended with {status}"));
    }
    match said.iter().find(|line| line.starts_with("shutdown took")) {
        Some(line) if line.ends_with(" 0 cut") => {}
        other => wrong.push(format!("the report of the shutdown is {other:?}")),
    }
    wrong.extend(complaints(&std::fs::read_to_string(&log)?));
    if wrong.is_empty() {
        println!("soak: nothing is left behind");
        return Ok(());
    }
    bail!("seed {}:\n  {}", options.seed, wrong.join("\n  "))
}

fn start(tour: &Path, folder: &Path, log: &Path) -> Result<Server> {
    let mut command = Command::new(tour);
    command
        .args(["--http", "127.0.0.1:0", "--console", "127.0.0.1:0"])
        .arg("--data")
        .arg(folder)
        // Requests are logged one by one otherwise.
        .env("RUST_LOG", "warn")
        .env("NO_COLOR", "1")
        // glibc gives every thread that comes for a file an arena of its own, which keeps what it once had. That is
        // not what the tour keeps.
        .env("MALLOC_ARENA_MAX", "2")
        .stderr(File::create(log)?);
    Server::start("tour", &mut command, 2)
}

/// Loads a running server and returns what is wrong with it.
fn soak(server: &Server, options: &Options) -> Result<Vec<String>> {
    let address = |number: usize| -> Result<SocketAddr> {
        let url = server.listening().get(number).context("no listener")?;
        let (_, address) = url.split_once("://").context("no address")?;
        Ok(address.parse()?)
    };
    let mut world = World::new(address(0)?, address(1)?);
    let mut watcher = Watcher::open(world.console).map_err(explain)?;
    prepare(&world).map_err(explain)?;

    println!("warming up for {WARM_UP:?}");
    world.end = Instant::now() + WARM_UP;
    load::run(&world, !options.seed, Choice::EverythingFirst, || Ok(()))?;
    let quiet = become_quiet(&mut watcher, || true)?;
    sleep(REST);
    let before = Usage::of(server.id())?;
    println!("start {before}, quiet after {:.1} s", quiet.as_secs_f64());

    let mut peak = before.clone();
    let mut series = Series::new(options.time);
    let begin = Instant::now();
    world.end = begin + options.time;
    load::run(&world, options.seed, Choice::Random, || {
        let now = Usage::of(server.id())?;
        if now.count() > peak.count() {
            peak.files = now.files;
        }
        peak.resident_kib = peak.resident_kib.max(now.resident_kib);
        peak.anonymous_kib = peak.anonymous_kib.max(now.anonymous_kib);
        series.add(begin.elapsed(), now.resident_kib);
        Ok(())
    })?;
    println!("peak  {peak}");
    println!("MiB in each tenth of the load: {series}");
    let same = || Usage::of(server.id()).is_ok_and(|now| now.differences(&before).is_empty());
    let quiet = become_quiet(&mut watcher, same);
    sleep(REST);
    let after = Usage::of(server.id())?;

    let mut wrong = Vec::new();
    match quiet {
        Ok(quiet) => println!("end   {after}, quiet after {:.1} s", quiet.as_secs_f64()),
        Err(error) => {
            println!("end   {after}");
            wrong.push(format!("{error:#}"));
        }
    }
    wrong.extend(after.differences(&before));
    wrong.extend(growth(&before, &after, &series));
    let history = history(&world, &mut wrong)?;
    let books = world.books();
    let verdict = books.ledger.compare(&history);
    print!("{}", books.tally);
    println!(
        "{} messages acknowledged, {} stored, {} of them stored without being acknowledged",
        verdict.acknowledged, verdict.stored, verdict.unacknowledged
    );
    wrong.extend(verdict.wrong);
    wrong.extend(books.tally.failures().iter().cloned());
    let kept = u64::try_from(books.tally.failures().len())?;
    if books.tally.failed() > kept {
        wrong.push(format!("and {} more failures", books.tally.failed() - kept));
    }
    Ok(wrong)
}

/// What is wrong with the memory.
fn growth(before: &Usage, after: &Usage, series: &Series) -> Vec<String> {
    let mut wrong = Vec::new();
    let (from, to) = (before.resident_kib, after.resident_kib);
    let most = from * (100 + GROWTH_PERCENT) / 100;
    if to > most {
        wrong.push(format!("memory grew from {from} to {to} KiB, over {most}"));
    }
    match series.second_half_kib() {
        Some(grown) if grown <= SECOND_HALF_KIB => {
            println!("in the second half it grew by {grown} KiB, at most {SECOND_HALF_KIB}");
        }
        Some(grown) => wrong.push(format!(
            "memory grew by {grown} KiB in the second half, over {SECOND_HALF_KIB}"
        )),
        None => wrong.push("too short to tell whether memory grows".to_owned()),
    }
    wrong
}

/// Makes the rooms and the long history.
fn prepare(world: &World) -> Result<(), Failure> {
    for room in ROOMS.iter().chain([&BIG_ROOM]) {
        let mut wire = world.connect()?;
        let body = format!("name={room}");
        wire.send(format!(
            "POST /rooms HTTP/1.1\r\nhost: soak\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ))?;
        reply::Reply::read(&mut wire)?.expect(303)?;
    }
    talk::fill_big_room(world, BIG_ROOM_MESSAGES)
}

/// Waits until the server knows of nobody but the watcher, and something else is true; tells how long it took.
fn become_quiet(watcher: &mut Watcher, and: impl Fn() -> bool) -> Result<Duration> {
    let start = Instant::now();
    loop {
        let others = watcher.others().map_err(explain)?;
        let settled = others.is_empty() && and();
        if settled {
            return Ok(start.elapsed());
        }
        if start.elapsed() > QUIET_LIMIT {
            if others.is_empty() {
                bail!("after {QUIET_LIMIT:?} there is no connection, and yet not all is as before");
            }
            let count = others.len();
            let shown = others.into_iter().take(5).collect::<Vec<_>>().join(", ");
            bail!("after {QUIET_LIMIT:?} there are {count} connections: {shown}");
        }
        sleep(LOOK);
    }
}

/// All messages of all rooms; the order of each room is checked on the way.
fn history(world: &World, wrong: &mut Vec<String>) -> Result<Vec<Message>> {
    let mut history: Vec<Message> = Vec::new();
    for room in ROOMS.iter().chain([&BIG_ROOM]) {
        let mut last = 0;
        loop {
            let path = format!("/room/{room}/messages?after={last}");
            let reply = world.get(&path).map_err(explain)?;
            let page: Vec<serde_json::Value> = serde_json::from_slice(&reply.body)?;
            if page.is_empty() {
                break;
            }
            for json in page {
                let message = Message::parse(&json)?;
                if message.room != *room || message.previous != last || message.seq <= last {
                    wrong.push(format!("after message {last} of {room} comes {message:?}"));
                }
                last = message.seq;
                history.push(message);
            }
        }
    }
    Ok(history)
}

/// Lines of the log that say that something of ours is wrong, not that a client was.
fn complaints(log: &str) -> Vec<String> {
    let bad = |line: &&str| line.contains(" ERROR ") || line.contains("panicked");
    let lines = log.lines().filter(bad);
    lines.take(5).map(|line| format!("log: {line}")).collect()
}

fn explain(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Over => anyhow::anyhow!("the time was over"),
        Failure::Closed => anyhow::anyhow!("closed by the server"),
        Failure::Broken(error) => error.into(),
        Failure::Wrong(what) => anyhow::Error::msg(what),
    }
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
        let given = options(&["--seed", "7", "--seconds", "60"]).unwrap();
        assert_eq!((given.seed, given.time), (7, Duration::from_secs(60)));
        assert_eq!(options(&[]).unwrap().time, DEFAULT_TIME);
        assert!(options(&["--seconds"]).is_err());
        assert!(options(&["--seconds", "x"]).is_err());
        assert!(options(&["--sed", "1"]).is_err());
    }

    fn usage(resident_kib: u64) -> Usage {
        Usage {
            resident_kib,
            ..Usage::default()
        }
    }

    /// A run of ten seconds that grows by `step` in each.
    fn steps(step: u64) -> Series {
        let mut series = Series::new(Duration::from_secs(10));
        for second in 0..10 {
            series.add(Duration::from_secs(second), 10_000 + second * step);
        }
        series
    }

    #[test]
    fn memory_in_the_end_just_under_at_and_over() {
        let found = |to: u64| growth(&usage(20_000), &usage(to), &steps(0));
        assert_eq!(found(1), [""; 0]);
        assert_eq!(found(22_000), [""; 0]);
        assert_eq!(
            found(22_001),
            ["memory grew from 20000 to 22001 KiB, over 22000"]
        );
    }

    #[test]
    fn memory_in_the_second_half_just_under_at_and_over() {
        let found = |step: u64| growth(&usage(1), &usage(1), &steps(step)).len();
        let step = SECOND_HALF_KIB / 3;
        assert_eq!((found(step), found(step + 1)), (0, 1));
        assert_eq!(
            growth(&usage(1), &usage(1), &Series::new(Duration::from_secs(1))).len(),
            1
        );
    }

    #[test]
    fn errors_and_panics_of_the_log_are_found() {
        let log = "a WARN b\n2026 ERROR bad\nthread 'x' panicked at y\n";
        assert_eq!(complaints(log).len(), 2);
    }
}
