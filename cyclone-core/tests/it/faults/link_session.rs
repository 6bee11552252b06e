//! The sessions of links to the journal.

use std::{collections::HashMap, io};

use cyclone_core::Answer;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt},
    select,
};

use super::{
    CallQueue, LinkContext,
    journal::{JournalConnection, answered},
};

type Queue = CallQueue<u64, (), io::Error>;

/// Sends a number, waits for its answer, and only then sends the next.
pub(super) async fn in_turn(
    mut connection: JournalConnection,
    context: LinkContext,
    mut calls: Queue,
) -> io::Result<()> {
    loop {
        select! {
            Some((number, answer)) = calls.next() => {
                connection.append(number).await?;
                answer.send(Ok(()));
            }
            () = context.closing() => return Ok(()),
        }
    }
}

/// Sends numbers ahead, and gives each answer to whom it belongs.
pub(super) async fn by_number(
    connection: JournalConnection,
    context: LinkContext,
    mut calls: Queue,
) -> io::Result<()> {
    let (read, mut write) = connection.split();
    let mut lines = read.lines();
    let mut owed = HashMap::<u64, Answer<(), io::Error>>::new();
    loop {
        select! {
            Some((number, answer)) = calls.next() => {
                owed.insert(number, answer);
                write.write_all(format!("{number:06}\n").as_bytes()).await?;
            }
            line = lines.next_line() => {
                let line = line?.ok_or(io::ErrorKind::UnexpectedEof)?;
                if let Some(answer) = owed.remove(&answered(&line)?) {
                    answer.send(Ok(()));
                }
            }
            () = context.closing() => return Ok(()),
        }
    }
}
