//! Clients of the pages that behave: one request after the other, many at once, forms.

use std::thread::sleep;
use std::time::Duration;

use fastrand::Rng;

use super::reply::Reply;
use super::wire::wrong;
use super::world::{BIG_ROOM, Outcome, ROOMS, World, pick};

/// Paths and what they answer.
const PATHS: &[(&str, u16)] = &[
    ("/", 200),
    ("/status", 200),
    ("/dashboard", 200),
    ("/room/lobby", 200),
    ("/room/soak-1/messages", 200),
    ("/room/lobby/messages?after=999999999", 200),
    ("/static/room.js", 200),
    ("/static/tour.css", 200),
    ("/nowhere", 404),
    ("/static/nowhere.js", 404),
    ("/static/../options.rs", 403),
    ("/room/nobody-made-this", 404),
    ("/room/lobby/messages?after=x", 400),
    ("/rooms", 405),
    ("/room/lobby/socket?name=me", 400),
];

/// The longest pause of a client that keeps its connection.
const THINKING_MS: u64 = 300;

/// Requests one after the other on one connection, with pauses.
pub(super) fn keep_alive(world: &World, rng: &mut Rng) -> Outcome {
    let mut wire = world.connect()?;
    for left in (0..rng.u32(1..8)).rev() {
        let (path, status) = PATHS[rng.usize(..PATHS.len())];
        let connection = if left == 0 { "close" } else { "keep-alive" };
        wire.send(format!(
            "GET {path} HTTP/1.1\r\nhost: soak\r\nconnection: {connection}\r\n\r\n"
        ))?;
        Reply::read(&mut wire)?.expect(status)?;
        if world.is_over() {
            break;
        }
        if left > 0 && rng.bool() {
            sleep(Duration::from_millis(rng.u64(..THINKING_MS)));
        }
    }
    Ok("answered")
}

/// Requests sent at once; the answers come in their order. Some clients do not wait for them.
pub(super) fn pipeline(world: &World, rng: &mut Rng) -> Outcome {
    let mut wire = world.connect()?;
    let chosen: Vec<(&str, u16)> = (0..rng.usize(2..24))
        .map(|_| PATHS[rng.usize(..PATHS.len())])
        .collect();
    let mut bytes = String::new();
    for (path, _) in &chosen {
        bytes += &format!("GET {path} HTTP/1.1\r\nhost: soak\r\n\r\n");
    }
    wire.send(bytes)?;
    let wanted = if rng.u8(..4) == 0 {
        rng.usize(..chosen.len())
    } else {
        chosen.len()
    };
    for (path, status) in &chosen[..wanted] {
        let reply = Reply::read(&mut wire)?;
        if reply.status != *status {
            return wrong(format!("{path} in a pipeline got {}", reply.status));
        }
    }
    if wanted < chosen.len() {
        if rng.bool() {
            wire.reset()?;
        }
        return Ok("left in between");
    }
    Ok("answered in order")
}

/// A form, in one of the ways a body can be sent.
pub(super) fn form(world: &World, rng: &mut Rng) -> Outcome {
    let room = pick(rng, &ROOMS);
    let body = format!("name={room}");
    let head = "POST /rooms HTTP/1.1\r\nhost: soak\r\n\
                content-type: application/x-www-form-urlencoded\r\n";
    let length = body.len();
    let mut wire = world.connect()?;
    match rng.u8(..4) {
        0 => {
            wire.send(format!("{head}content-length: {length}\r\n\r\n{body}"))?;
            Reply::read(&mut wire)?.expect(303)?;
            Ok("whole")
        }
        1 => {
            wire.send(format!("{head}transfer-encoding: chunked\r\n\r\n"))?;
            for part in body.as_bytes().chunks(rng.usize(1..6)) {
                sleep(Duration::from_millis(rng.u64(..20)));
                wire.send(format!("{:x}\r\n", part.len()))?;
                wire.send(part)?;
                wire.send("\r\n")?;
            }
            wire.send("0\r\n\r\n")?;
            Reply::read(&mut wire)?.expect(303)?;
            Ok("in chunks")
        }
        2 => {
            wire.send(format!(
                "{head}content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
            ))?;
            Reply::read(&mut wire)?.expect(100)?;
            wire.send(body)?;
            Reply::read(&mut wire)?.expect(303)?;
            Ok("after 100")
        }
        _ => {
            // More than the route takes.
            wire.send(format!("{head}content-length: 5000\r\n\r\n"))?;
            wire.send(vec![b'x'; rng.usize(..5000)])?;
            Reply::read(&mut wire)?.expect(413)?;
            Ok("too large")
        }
    }
}

/// A file in parts, and one that did not change.
pub(super) fn file(world: &World, rng: &mut Rng) -> Outcome {
    let mut wire = world.connect()?;
    let get = "GET /static/room.js HTTP/1.1\r\nhost: soak\r\n";
    wire.send(format!("{get}\r\n"))?;
    let whole = Reply::read(&mut wire)?;
    whole.expect(200)?;
    let Some(tag) = whole.header("etag") else {
        return wrong("a file has no etag");
    };
    wire.send(format!("{get}if-none-match: {tag}\r\n\r\n"))?;
    Reply::read(&mut wire)?.expect(304)?;
    let start = rng.usize(..whole.body.len());
    let end = rng.usize(start..whole.body.len());
    wire.send(format!("{get}range: bytes={start}-{end}\r\n\r\n"))?;
    let part = Reply::read(&mut wire)?;
    part.expect(206)?;
    if part.body != whole.body[start..=end] {
        return wrong(format!("bytes {start}-{end} are not those of the file"));
    }
    Ok("whole, unchanged, in part")
}

/// The history of the big room with a reader that takes a few bytes at a time.
pub(super) fn slow(world: &World, rng: &mut Rng) -> Outcome {
    let mut wire = world.connect()?;
    wire.slow_down(super::load::slow_pace(rng))?;
    wire.until(world.end);
    wire.send(format!(
        "GET /room/{BIG_ROOM}/messages HTTP/1.1\r\nhost: soak\r\n\r\n"
    ))?;
    let patience = rng.usize(1..4000);
    for _ in 0..patience {
        wire.fill()?;
        if wire.unused().ends_with(b"}]") {
            let reply = Reply::read(&mut wire)?;
            reply.expect(200)?;
            return Ok("read to the end");
        }
    }
    if rng.bool() {
        wire.reset()?;
    }
    Ok("left in between")
}
