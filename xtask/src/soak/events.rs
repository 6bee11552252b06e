//! Clients of the live counters: they follow, come back, read slowly or not at all.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;

use super::reply::Reply;
use super::wire::{Failure, Wire, wrong};
use super::world::{Outcome, World};

/// How long a client follows before it goes, in milliseconds.
const FOLLOW_MS: u64 = 8_000;

/// One event as it stands in the stream.
#[derive(Debug, Default)]
struct Event {
    id: Option<(u64, u64)>,
    data: String,
}

/// A stream, taken apart.
struct Follower {
    wire: Wire<TcpStream>,
    reply: Reply,
    last: Option<(u64, u64)>,
}

impl Follower {
    fn open(world: &World, rng: &mut Rng, last: Option<(u64, u64)>) -> Result<Self, Failure> {
        let mut wire = world.connect()?;
        if rng.u8(..3) == 0 {
            wire.slow_down(super::load::slow_pace(rng))?;
        }
        let resume = last.map_or_else(String::new, |(high, low)| {
            format!("last-event-id: {high}-{low}\r\n")
        });
        wire.send(format!(
            "GET /events HTTP/1.1\r\nhost: soak\r\naccept: text/event-stream\r\n{resume}\r\n"
        ))?;
        let reply = Reply::head(&mut wire)?;
        reply.expect(200)?;
        Ok(Self { wire, reply, last })
    }

    /// Follows until the time is over, or the world is.
    fn follow(&mut self, end: Instant) -> Result<(), Failure> {
        self.wire.until(end);
        loop {
            while let Some(place) = find(&self.reply.body, b"\n\n") {
                let block: Vec<u8> = self.reply.body.drain(..place + 2).collect();
                self.take(&parse(&block)?)?;
            }
            match self.reply.chunk(&mut self.wire) {
                Ok(true) => {}
                Ok(false) => return wrong("the stream of events ended"),
                Err(Failure::Over) => return Ok(()),
                Err(other) => return Err(other),
            }
        }
    }

    fn take(&mut self, event: &Event) -> Result<(), Failure> {
        if event.data.is_empty() {
            return Ok(());
        }
        let counters: Result<Value, _> = serde_json::from_str(&event.data);
        if !counters.is_ok_and(|counters| counters["uptime_s"].is_u64()) {
            return wrong(format!("an event is {event:?}"));
        }
        if event.id.is_none() || event.id <= self.last {
            let last = self.last;
            return wrong(format!("after event {last:?} came {event:?}"));
        }
        self.last = event.id;
        Ok(())
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

fn parse(block: &[u8]) -> Result<Event, Failure> {
    let Ok(text) = std::str::from_utf8(block) else {
        return wrong("an event is no UTF-8");
    };
    let mut event = Event::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => {
                let id = id.split_once('-');
                event.id = id.and_then(|(high, low)| Some((high.parse().ok()?, low.parse().ok()?)));
            }
            Some(("data", data)) => event.data += data,
            // Comments, and the time to wait before coming back.
            _ => {}
        }
    }
    Ok(event)
}

/// Follows, goes, comes back, and has missed nothing that is still there.
pub(super) fn follow(world: &World, rng: &mut Rng) -> Outcome {
    let mut last = None;
    let times = rng.u32(1..3);
    for _ in 0..times {
        let mut follower = Follower::open(world, rng, last)?;
        let time = Duration::from_millis(rng.u64(..FOLLOW_MS));
        follower.follow(world.end.min(Instant::now() + time))?;
        last = follower.last;
        if rng.bool() {
            follower.wire.reset()?;
        }
        if world.is_over() {
            break;
        }
    }
    Ok("in order")
}

/// Asks and never reads.
pub(super) fn deaf(world: &World, rng: &mut Rng) -> Outcome {
    let mut wire = world.connect()?;
    wire.slow_down(super::load::slow_pace(rng))?;
    wire.send("GET /events HTTP/1.1\r\nhost: soak\r\n\r\n")?;
    let time = Duration::from_millis(rng.u64(..FOLLOW_MS));
    let end = world.end.min(Instant::now() + time);
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    Ok("never read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_apart() {
        let event = parse(b"id: 12-3\ndata: {\"a\":\ndata: 1}\n\n").unwrap();
        assert_eq!(event.id, Some((12, 3)));
        assert_eq!(event.data, "{\"a\":1}");
        assert_eq!(parse(b": still here\n\n").unwrap().data, "");
    }
}
