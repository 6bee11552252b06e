//! Clients that go at any moment, say nothing, or say what nobody understands.

use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::frames;
use super::reply::Reply;
use super::wire::{Failure, wrong};
use super::world::{BIG_ROOM, Outcome, World, pick};

/// How long a silent client stays at most, in milliseconds; longer than a server waits for a request.
const SILENCE_MS: u64 = 18_000;

/// How long a client follows a stream at most after it has closed its side, in milliseconds.
const STREAM_MS: u64 = 3_000;

/// Connections that one silent client holds at most.
const HELD: usize = 12;

/// Begins something, and goes after any number of bytes in one of four ways.
pub(super) fn cut(world: &World, rng: &mut Rng) -> Outcome {
    let script = script(rng);
    let mut wire = world.connect()?;
    let count = rng.usize(..=script.len());
    for piece in script[..count].chunks(rng.usize(1..2000)) {
        // The server may have closed: it is not wrong to refuse what comes.
        if wire.send(piece).is_err() {
            return Ok("closed by the server");
        }
        if rng.u8(..4) == 0 {
            sleep(Duration::from_millis(rng.u64(..30)));
        }
    }
    match rng.u8(..4) {
        0 => Ok("closed"),
        1 => {
            wire.reset()?;
            Ok("reset")
        }
        2 => {
            wire.finish()?;
            Ok("finished, then closed")
        }
        _ => {
            wire.finish()?;
            let time = Duration::from_millis(rng.u64(..SILENCE_MS));
            wire.until(world.end.min(Instant::now() + time));
            match wire.rest() {
                // A stream goes on for as long as somebody reads it.
                Err(Failure::Over) => Ok("finished, then closed while served"),
                Err(other) => Err(other),
                Ok(_) => Ok("finished, read to the end"),
            }
        }
    }
}

/// Bytes of a conversation that would go well, or not.
fn script(rng: &mut Rng) -> Vec<u8> {
    let form =
        "POST /rooms HTTP/1.1\r\nhost: soak\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let mut bytes = match rng.u8(..8) {
        0 => "GET / HTTP/1.1\r\nhost: soak\r\n\r\n"
            .repeat(5)
            .into_bytes(),
        1 => format!("GET /room/{BIG_ROOM}/messages HTTP/1.1\r\nhost: soak\r\n\r\n").into_bytes(),
        2 => format!("{form}content-length: 10\r\n\r\nname=lobby").into_bytes(),
        3 => format!("{form}transfer-encoding: chunked\r\n\r\na\r\nname=lobby\r\n0\r\n\r\n").into(),
        4 => "GET /events HTTP/1.1\r\nhost: soak\r\n\r\n".into(),
        5 => format!("{form}content-length: 4096\r\n\r\n{}", "x".repeat(4096)).into_bytes(),
        6 => http2(rng),
        _ => {
            let mut bytes = frames::request("/room/lobby/socket?name=cut&after=999999999").into();
            for opcode in [frames::PING, frames::PONG, frames::CLOSE] {
                Vec::extend(&mut bytes, frames::frame(opcode, b"", [1, 2, 3, 4]));
            }
            bytes
        }
    };
    if rng.u8(..10) == 0 {
        // One wrong byte anywhere.
        let place = rng.usize(..bytes.len());
        bytes[place] = rng.u8(..);
    }
    bytes
}

/// The preface of HTTP/2, settings, a request for `/status`, and frames of any kind.
fn http2(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap_or_default();
        bytes.extend(&length.to_be_bytes()[1..]);
        bytes.extend([kind, flags, 0, 0, 0, stream]);
        bytes.extend(payload);
    };
    frame(4, 0, 0, &[]);
    // GET, http and `/` of the static table; a path and an authority as literals.
    let request = b"\x82\x86\x04\x07/status\x41\x04soak";
    frame(1, 5, 1, request);
    frame(1, 5, 3, request);
    for _ in 0..rng.u8(..4) {
        let payload: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
        frame(rng.u8(..10), rng.u8(..), rng.u8(..8), &payload);
    }
    bytes
}

/// Some connections that say nothing, or begin and say no more.
pub(super) fn silent(world: &World, rng: &mut Rng) -> Outcome {
    let opening = pick(
        rng,
        &[
            "",
            "",
            "G",
            "GET / HTTP/1.1\r\nhost: so",
            "POST /rooms HTTP/1.1\r\nhost: soak\r\ncontent-length: 10\r\n\r\nna",
            "PRI * HTTP/2.0\r\n\r\nSM",
        ],
    );
    let mut held = Vec::new();
    for _ in 0..rng.usize(1..=HELD) {
        let mut wire = world.connect()?;
        wire.send(opening)?;
        held.push(wire);
    }
    let time = Duration::from_millis(rng.u64(..SILENCE_MS));
    let end = world.end.min(Instant::now() + time);
    let mut answered = false;
    for wire in &mut held {
        wire.until(end);
        match wire.rest() {
            Err(Failure::Over) => {}
            Ok(answer) => answered |= is_refusal(&answer)?,
            Err(other) => return Err(other),
        }
    }
    for wire in held {
        if rng.bool() {
            wire.reset()?;
        }
    }
    Ok(if answered { "timed out" } else { "left before" })
}

/// Whether the server answered, which it may only do to say that something is wrong, or how things are.
fn is_refusal(answer: &[u8]) -> Result<bool, Failure> {
    let text = String::from_utf8_lossy(answer);
    let Some(status) = text.strip_prefix("HTTP/1.1 ") else {
        return Ok(false);
    };
    if status.starts_with("500") {
        return wrong(format!("an internal error: {text}"));
    }
    Ok(true)
}

/// A request of which the client closes its side, and then waits for the answer or does not.
pub(super) fn half_open(world: &World, rng: &mut Rng) -> Outcome {
    let mut wire = world.connect()?;
    let (path, streams) = match rng.u8(..3) {
        0 => ("/events", true),
        1 => ("/status", false),
        _ => ("/room/lobby", false),
    };
    wire.send(format!("GET {path} HTTP/1.1\r\nhost: soak\r\n\r\n"))?;
    wire.finish()?;
    if streams {
        // Who only closed its own side is still served, for as long as it reads.
        let time = Duration::from_millis(rng.u64(..STREAM_MS));
        wire.until(world.end.min(Instant::now() + time));
        return match wire.rest() {
            Err(Failure::Over) => Ok("followed a stream"),
            Err(other) => Err(other),
            Ok(_) => wrong("a stream ended"),
        };
    }
    Reply::read(&mut wire)?.expect(200)?;
    if rng.bool() {
        wire.rest()?;
        return Ok("answered, closed by the server");
    }
    sleep(Duration::from_millis(rng.u64(..500)));
    Ok("answered, closed by the client")
}

/// Requests that are none.
const NONSENSE: &[&str] = &[
    "\r\n\r\n\r\n",
    "GET\r\n\r\n",
    "GET /\r\n\r\n",
    "GET / HTTP/9.9\r\nhost: soak\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    "GET / HTTP/1.1\r\nhost : soak\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: soak\r\n folded: line\r\n\r\n",
    "GET / HTTP/1.1\nhost: soak\nbad\x01name: x\n\n",
    "GET  / HTTP/1.1\r\nhost: soak\r\n\r\n",
    "G\u{e4}T / HTTP/1.1\r\nhost: soak\r\n\r\n",
    "POST /rooms HTTP/1.1\r\nhost: soak\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /rooms HTTP/1.1\r\nhost: soak\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nname",
    "POST /rooms HTTP/1.1\r\nhost: soak\r\ncontent-length: -1\r\n\r\n",
    "POST /rooms HTTP/1.1\r\nhost: soak\r\ntransfer-encoding: gzip\r\n\r\n",
    "POST /rooms HTTP/1.1\r\nhost: soak\r\ncontent-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "GET /%zz HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n",
    "GET /?a=%ff&b=%00 HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n",
    "GET /room/%2e%2e%2f HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
];

/// Something malformed: it is refused, and never with an internal error.
pub(super) fn malformed(world: &World, rng: &mut Rng) -> Outcome {
    let mut wire = world.connect()?;
    let long = |count: usize| "a".repeat(count);
    let bytes = match rng.u8(..8) {
        0 => format!("GET /{} HTTP/1.1\r\nhost: soak\r\n\r\n", long(20_000)),
        1 => format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", long(20_000)),
        2 => format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)),
        3 => (0..rng.usize(1..300)).map(|_| rng.char(..)).collect(),
        _ => (*pick(rng, NONSENSE)).to_owned(),
    };
    match wire.send(&bytes) {
        Ok(()) => {}
        // Refused while it was sent.
        Err(Failure::Broken(_)) => return Ok("refused early"),
        Err(other) => return Err(other),
    }
    // What is not even a whole head waits for more until the client is done.
    wire.finish()?;
    let answer = wire.rest()?;
    Ok(match is_refusal(&answer)? {
        true => "answered",
        false => "closed",
    })
}
