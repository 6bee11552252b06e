//! Clients of the chat: guests who talk, who vanish, who never listen.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use super::frames::{self, Frame};
use super::ledger::Message;
use super::wire::{Failure, Wire, wrong};
use super::world::{BIG_ROOM, Outcome, ROOMS, World, pick};

/// The longest text of the chat, in characters.
const MAX_TEXT: usize = 2000;

/// What a guest says at most before it goes.
const MAX_SAID: u32 = 20;

/// How long a guest who never reads stays at most, in milliseconds: longer than the server puts up with it.
const DEAF_MS: u64 = 40_000;

/// A guest with an open socket.
struct Guest<'a> {
    world: &'a World,
    wire: Wire<TcpStream>,
    room: &'a str,
    author: String,
    said: u32,
    /// The last message that came.
    seen: i64,
    /// The last message of ours that is stored.
    stored: i64,
}

impl<'a> Guest<'a> {
    fn enter(world: &'a World, room: &'a str, after: i64) -> Result<Self, Failure> {
        let mut guest = Self {
            world,
            wire: world.connect()?,
            room,
            author: world.author(),
            said: 0,
            seen: after,
            stored: 0,
        };
        let author = &guest.author;
        let path = format!("/room/{room}/socket?name={author}&after={after}");
        frames::open(&mut guest.wire, &path)?;
        Ok(guest)
    }

    /// Says something and returns what it called it.
    fn say(&mut self, rng: &mut Rng) -> Result<String, Failure> {
        let id = format!("m{}", self.said);
        self.said += 1;
        // Most of what is said is short.
        let length = if rng.u8(..20) == 0 { MAX_TEXT } else { 120 };
        let word = format!("{}-{id}-\u{e4}\"\\/", self.author);
        let text: String = word.chars().cycle().take(rng.usize(1..=length)).collect();
        let mut books = self.world.books();
        books.ledger.say(self.room, &self.author, &id, &text);
        drop(books);
        let request = json!({"type": "say", "id": id, "text": text}).to_string();
        let frame = frames::frame(frames::TEXT, request.as_bytes(), rng.u32(..).to_ne_bytes());
        self.wire.send(frame)?;
        Ok(id)
    }

    /// Takes the next frame; the name of our message when it acknowledges one.
    fn listen(&mut self) -> Result<Option<String>, Failure> {
        let frame = Frame::read(&mut self.wire)?;
        match frame.opcode {
            frames::TEXT => self.understand(&frame.payload),
            frames::PING => {
                let pong = frames::frame(frames::PONG, &frame.payload, [0; 4]);
                self.wire.send(pong)?;
                Ok(None)
            }
            _ => wrong(format!("a guest in {} got {frame:?}", self.room)),
        }
    }

    fn understand(&mut self, payload: &[u8]) -> Result<Option<String>, Failure> {
        let reply: Value = serde_json::from_slice(payload)
            .or_else(|error| wrong(format!("a message is no JSON: {error}")))?;
        if reply["type"] == "ack"
            && let (Some(id), Some(seq)) = (reply["id"].as_str(), reply["seq"].as_i64())
        {
            let mut books = self.world.books();
            books.acknowledge(self.room, &self.author, id, seq);
            self.stored = seq;
            return Ok(Some(id.to_owned()));
        }
        if reply["type"] != "message" {
            return wrong(format!("a guest got {reply}"));
        }
        let message = Message::parse(&reply).or_else(|error| wrong(format!("{error:#}")))?;
        if message.previous != self.seen || message.seq <= self.seen {
            return wrong(format!(
                "after message {} in {} came {} that follows {}",
                self.seen, self.room, message.seq, message.previous
            ));
        }
        self.seen = message.seq;
        Ok(None)
    }

    /// Listens until our own message is stored.
    fn wait_for(&mut self, id: &str) -> Result<(), Failure> {
        while self.listen()?.as_deref() != Some(id) {}
        Ok(())
    }
}

/// A guest of any room.
fn enter<'a>(world: &'a World, rng: &mut Rng) -> Result<Guest<'a>, Failure> {
    let room = pick(rng, &ROOMS);
    let after = world.books().last(room);
    Guest::enter(world, room, after)
}

/// Talks for a while, hears everything in order, and leaves by one of the ways there are.
pub(super) fn chat(world: &World, rng: &mut Rng) -> Outcome {
    let mut guest = enter(world, rng)?;
    for _ in 0..rng.u32(..MAX_SAID) {
        let id = guest.say(rng)?;
        guest.wait_for(&id)?;
        if world.is_over() {
            break;
        }
    }
    // What we have said ourselves we hear too.
    while guest.seen < guest.stored {
        guest.listen()?;
    }
    leave(guest, rng)
}

fn leave(mut guest: Guest<'_>, rng: &mut Rng) -> Outcome {
    let mask = rng.u32(..).to_ne_bytes();
    let (bytes, code, outcome) = match rng.u8(..6) {
        0 => {
            guest.wire.reset()?;
            return Ok("heard all, reset");
        }
        1 => return Ok("heard all, vanished"),
        2 => {
            guest.wire.finish()?;
            guest.wire.rest()?;
            return Ok("heard all, finished without close");
        }
        3 => {
            let unmasked = vec![0x81, 0x01, b'x'];
            (unmasked, 1002, "heard all, broke the protocol")
        }
        4 => {
            let nonsense = frames::frame(frames::TEXT, b"{]", mask);
            (nonsense, 1008, "heard all, talked nonsense")
        }
        _ => {
            let close = frames::frame(frames::CLOSE, &1000_u16.to_be_bytes(), mask);
            (close, 1000, "heard all, closed")
        }
    };
    guest.wire.send(bytes)?;
    // Others may still talk before the server's own close.
    let close = loop {
        let frame = Frame::read(&mut guest.wire)?;
        if frame.opcode == frames::CLOSE {
            break frame;
        }
    };
    if close.close_code() != Some(code) {
        return wrong(format!("expected close {code}, got {close:?}"));
    }
    if code != 1000 {
        // The server need not wait for this one.
        let echo = frames::frame(frames::CLOSE, &close.payload, mask);
        guest.wire.send(echo).or_else(broken_is_fine)?;
    }
    guest.wire.rest()?;
    Ok(outcome)
}

fn broken_is_fine(failure: Failure) -> Result<(), Failure> {
    match failure {
        Failure::Broken(_) => Ok(()),
        other => Err(other),
    }
}

/// Says something and is gone before the answer.
pub(super) fn vanish(world: &World, rng: &mut Rng) -> Outcome {
    let mut guest = enter(world, rng)?;
    for _ in 0..rng.u32(1..5) {
        guest.say(rng)?;
    }
    if rng.bool() {
        guest.wire.reset()?;
        return Ok("reset");
    }
    Ok("closed without a word")
}

/// Asks for a long history, talks, and never reads.
pub(super) fn deaf(world: &World, rng: &mut Rng) -> Outcome {
    let mut guest = Guest::enter(world, BIG_ROOM, 0)?;
    guest.wire.slow_down(super::load::slow_pace(rng))?;
    guest.wire.write_for(Duration::from_secs(1))?;
    let end = Instant::now() + Duration::from_millis(rng.u64(..DEAF_MS));
    let end = end.min(world.end);
    let mut refused = false;
    while Instant::now() < end {
        // It talks of nothing that is kept: the big room stays as it is.
        let ping = frames::frame(frames::PING, b"are you there", rng.u32(..).to_ne_bytes());
        refused |= guest.wire.send(ping).is_err();
        std::thread::sleep(Duration::from_millis(rng.u64(50..500)));
    }
    if rng.u8(..3) == 0 && !refused {
        // In the end it does read what is left for it.
        guest.wire.until(world.end);
        for _ in 0..200 {
            match guest.wire.fill() {
                Ok(()) => {}
                Err(Failure::Closed | Failure::Broken(_)) => return Ok("read late, closed"),
                Err(other) => return Err(other),
            }
        }
        return Ok("read late");
    }
    Ok(if refused { "thrown out" } else { "left" })
}

/// Fills the big room; what is in it is in the ledger too.
pub(super) fn fill_big_room(world: &World, messages: u32) -> Result<(), Failure> {
    let mut guest = Guest::enter(world, BIG_ROOM, 0)?;
    for n in 0..messages {
        let id = format!("big{n}");
        let text = "0123456789".repeat(MAX_TEXT / 10);
        let mut books = world.books();
        books.ledger.say(BIG_ROOM, &guest.author, &id, &text);
        drop(books);
        let request = json!({"type": "say", "id": id, "text": text}).to_string();
        guest
            .wire
            .send(frames::frame(frames::TEXT, request.as_bytes(), [7; 4]))?;
        guest.wait_for(&id)?;
    }
    Ok(())
}
