//! Clients of the console; one of them watches the test.

use std::net::{SocketAddr, TcpStream};

use fastrand::Rng;

use super::wire::{Failure, Wire, wrong};
use super::world::{Outcome, ROOMS, World};

/// What the console says first, and the beginning of its help, which marks the end of a list.
const GREETING: &str = "cyclone tour, type help";
const HELP: &str = "status | who |";

/// A console that stays open and tells who else is there.
#[derive(Debug)]
pub(super) struct Watcher {
    wire: Wire<TcpStream>,
}

impl Watcher {
    pub(super) fn open(console: SocketAddr) -> Result<Self, Failure> {
        Ok(Self {
            wire: greet(console)?,
        })
    }

    /// The connections of the server, the watcher's own left out, as the console shows them.
    pub(super) fn others(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = list(&mut self.wire, "who")?;
        let Some(own) = lines.iter().position(|line| line.contains(" console ")) else {
            return wrong(format!("the watcher is not in the list: {lines:?}"));
        };
        // It is the oldest: it was there before anybody else.
        lines.remove(own);
        Ok(lines)
    }
}

fn greet(console: SocketAddr) -> Result<Wire<TcpStream>, Failure> {
    let mut wire = Wire::connect(console)?;
    let line = wire.line()?;
    if line != GREETING {
        return wrong(format!("the console greets with {line:?}"));
    }
    Ok(wire)
}

/// The answer of a command that has no end of its own.
fn list(wire: &mut Wire<TcpStream>, command: &str) -> Result<Vec<String>, Failure> {
    wire.send(format!("{command}\r\nhelp\r\n"))?;
    let mut lines = Vec::new();
    loop {
        let line = wire.line()?;
        if line.starts_with(HELP) {
            return Ok(lines);
        }
        lines.push(line);
    }
}

/// An operator who asks, says things, and leaves politely or not.
pub(super) fn operate(world: &World, rng: &mut Rng) -> Outcome {
    let mut wire = greet(world.console)?;
    for _ in 0..rng.u32(..6) {
        match rng.u8(..4) {
            0 => {
                list(&mut wire, "who")?;
            }
            1 => {
                let lines = list(&mut wire, "status")?;
                if !lines.iter().any(|line| line.starts_with("database up")) {
                    return wrong(format!("the status is {lines:?}"));
                }
            }
            2 => say(world, &mut wire, rng)?,
            _ => {
                let lines = list(&mut wire, "close 0")?;
                if lines != ["no such connection"] {
                    return wrong(format!("close 0 got {lines:?}"));
                }
            }
        }
    }
    match rng.u8(..6) {
        0 => Ok("vanished"),
        1 => {
            wire.send("who\r\nstat")?;
            wire.reset()?;
            Ok("reset within a line")
        }
        2 => {
            wire.send(b"say \xff\xfe\r\n")?;
            wire.rest()?;
            Ok("no UTF-8")
        }
        3 => {
            // The server may close before all of it is sent.
            let sent = wire.send(vec![b'x'; 20_000]);
            if matches!(sent, Err(Failure::Wrong(_))) {
                sent?;
            }
            wire.rest()?;
            Ok("a line too long")
        }
        4 => {
            wire.finish()?;
            wire.rest()?;
            Ok("finished")
        }
        _ => {
            wire.send("quit\n")?;
            let line = wire.line()?;
            if line != "good-bye" {
                return wrong(format!("quit got {line:?}"));
            }
            wire.rest()?;
            Ok("quit")
        }
    }
}

fn say(world: &World, wire: &mut Wire<TcpStream>, rng: &mut Rng) -> Result<(), Failure> {
    let text = format!("{} says {}", world.author(), rng.u64(..));
    world.books().ledger.console_says(&text);
    let lines = list(wire, &format!("say {text}"))?;
    heard(world, &text, &lines.concat())
}

fn heard(world: &World, text: &str, answer: &str) -> Result<(), Failure> {
    let seq = answer.strip_prefix("said as message ");
    let Some(seq) = seq.and_then(|seq| seq.parse().ok()) else {
        return wrong(format!("say got {answer:?}"));
    };
    world.books().console_acknowledges(ROOMS[0], text, seq);
    Ok(())
}
