//! One channel of an SSH connection: a prompt, or a single command.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use cyclone_core::Session;
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::access::Operator;
use super::command::{Afterwards, Answer, CommandError, Commands};
use super::escape::{escape, with_crlf};
use super::limits::{Limits, MAX_LINE_BYTES, TYPE_AHEAD_BYTES};
use super::line_editor::{LineEditor, Typed};

/// The most that is written under one time limit.
const PIECE_BYTES: usize = 16 * 1024;

/// The exit status of a command that was interrupted: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: u32 = 130;

/// What a channel needs to know.
pub(super) struct Desk {
    pub(super) commands: Commands,
    pub(super) prompt: Arc<str>,
    pub(super) greeting: Arc<str>,
    pub(super) limits: Arc<Limits>,
    pub(super) operator: Operator,
    pub(super) session: Session,
}

/// How a channel ended.
pub(super) enum Ended {
    /// As it should, and what is to be done once the operator has read the last of it.
    Well(Option<Afterwards>),
    /// The client took nothing of what it was sent.
    Stuck,
}

/// What the client asked for.
enum Program {
    Prompt,
    Once(String),
}

struct Chosen {
    program: Program,
    /// Whether there is a terminal at the other end.
    pty: bool,
}

/// Serves a channel until it ends on either side.
pub(super) async fn serve(channel: Channel<Msg>, desk: Desk) -> Ended {
    let (reader, out) = channel.split();
    let (keys, typed) = mpsc::channel(TYPE_AHEAD_BYTES);
    let typed = Keys {
        typed,
        ahead: VecDeque::new(),
        overflown: false,
        is_cut_off: Arc::default(),
    };
    let is_cut_off = Arc::clone(&typed.is_cut_off);
    let (choose, chosen) = oneshot::channel();
    let mut listening = pin!(listen(reader, keys, is_cut_off, choose, desk.operator.pty));
    let mut talking = pin!(talk(chosen, typed, out, desk));
    tokio::select! {
        ended = &mut talking => ended,
        () = &mut listening => Ended::Well(None),
    }
}

/// Takes what the client sends, whatever is done with it just then: a channel that is not read blocks all others of its
/// connection. Returns when the client has closed the channel.
async fn listen(
    mut reader: ChannelReadHalf,
    keys: mpsc::Sender<u8>,
    is_cut_off: Arc<AtomicBool>,
    choose: oneshot::Sender<Chosen>,
    may_have_pty: bool,
) {
    let (mut keys, mut choose) = (Some(keys), Some(choose));
    let mut pty = false;
    while let Some(message) = reader.wait().await {
        let program = match message {
            ChannelMsg::Data { data } => {
                let full =
                    |keys: &mpsc::Sender<u8>| data.iter().any(|key| keys.try_send(*key).is_err());
                if keys.as_ref().is_some_and(full) {
                    // What follows what is lost would make other commands.
                    is_cut_off.store(true, Ordering::Relaxed);
                    keys = None;
                }
                continue;
            }
            ChannelMsg::Eof => {
                keys = None;
                continue;
            }
            ChannelMsg::Close => return,
            ChannelMsg::RequestPty { .. } => {
                pty = may_have_pty;
                continue;
            }
            ChannelMsg::RequestShell { .. } => Program::Prompt,
            ChannelMsg::Exec { command, .. } => {
                Program::Once(String::from_utf8_lossy(&command).into_owned())
            }
            _ => continue,
        };
        if let Some(choose) = choose.take() {
            // It fails when the channel is ended by us just now.
            let _ = choose.send(Chosen { program, pty });
        }
    }
}

async fn talk(
    chosen: oneshot::Receiver<Chosen>,
    keys: Keys,
    out: ChannelWriteHalf<Msg>,
    desk: Desk,
) -> Ended {
    let session = desk.session.clone();
    let chosen = tokio::select! {
        biased;
        chosen = timeout(desk.limits.idle_limit, chosen) => chosen.ok().and_then(Result::ok),
        () = session.draining() => None,
    };
    let Some(chosen) = chosen else {
        // It does not know what it wants, or not in time.
        let closed = timeout(desk.limits.write_limit, out.close()).await;
        return closed.map_or(Ended::Stuck, |_| Ended::Well(None));
    };
    let mut terminal = Terminal {
        pty: chosen.pty,
        keys,
        out,
        desk,
        status: 0,
        after: None,
    };
    let program = match terminal.desk.operator.command.take() {
        Some(only) => Program::Once(only),
        None => chosen.program,
    };
    let talked = match program {
        Program::Once(line) => terminal.obey(&line).await.map(drop),
        Program::Prompt => terminal.converse().await,
    };
    match talked {
        Ok(()) => {
            let limit = terminal.desk.limits.write_limit;
            match timeout(limit, terminal.close()).await {
                Ok(()) => Ended::Well(terminal.after),
                Err(_) => Ended::Stuck,
            }
        }
        Err(Gone::Left) => Ended::Well(terminal.after),
        Err(Gone::Stuck) => Ended::Stuck,
    }
}

/// The client does not listen any more.
enum Gone {
    Left,
    Stuck,
}

struct Terminal {
    pty: bool,
    keys: Keys,
    out: ChannelWriteHalf<Msg>,
    desk: Desk,
    /// How the last command ended.
    status: u32,
    after: Option<Afterwards>,
}

impl Terminal {
    /// Reads lines and obeys them until the operator leaves, says nothing, or the server shuts down.
    async fn converse(&mut self) -> Result<(), Gone> {
        let mut editor = LineEditor::new(&*self.desk.prompt);
        if self.pty {
            let greeting = Arc::clone(&self.desk.greeting);
            self.say(&greeting).await?;
        }
        self.show(editor.prompt().to_owned()).await?;
        let session = self.desk.session.clone();
        loop {
            let idle_limit = self.desk.limits.idle_limit;
            let key = tokio::select! {
                biased;
                () = session.draining() => {
                    return self.leave("the server shuts down, good-bye").await;
                }
                key = timeout(idle_limit, self.keys.next()) => key,
            };
            let Ok(key) = key else {
                let farewell = format!("nothing for {} s, good-bye", idle_limit.as_secs());
                return self.leave(&farewell).await;
            };
            if key.is_none() && self.keys.are_lost() {
                self.status = 1;
                let farewell = format!(
                    "more than {TYPE_AHEAD_BYTES} bytes were typed ahead: what did not fit is lost, good-bye"
                );
                return self.leave(&farewell).await;
            }
            // A last line needs no end.
            let (mut byte, ends) = key.map_or((b'\n', true), |key| (key, false));
            let mut show = String::new();
            loop {
                match editor.byte(byte, &mut show) {
                    Some(Typed::Line(line)) => {
                        self.show(std::mem::take(&mut show)).await?;
                        if self.obey(&line).await? {
                            return Ok(());
                        }
                        if !ends && !session.is_draining() {
                            show.push_str(editor.prompt());
                        }
                    }
                    Some(Typed::TooLong) => {
                        self.show(std::mem::take(&mut show)).await?;
                        self.status = 2;
                        self.complain(&format!("a line has {MAX_LINE_BYTES} bytes at most"))
                            .await?;
                        if !ends {
                            show.push_str(editor.prompt());
                        }
                    }
                    Some(Typed::Interrupt) => show.push_str(editor.prompt()),
                    Some(Typed::End) => return self.show(show).await,
                    None => {}
                }
                match self.keys.ready() {
                    Some(next) if !session.is_draining() => byte = next,
                    _ => break,
                }
            }
            self.show(show).await?;
            if ends {
                return Ok(());
            }
        }
    }

    /// Carries out a line and says what came of it; whether it was the last.
    async fn obey(&mut self, line: &str) -> Result<bool, Gone> {
        let operator = self.desk.operator.name.clone();
        if !line.trim().is_empty() {
            tracing::info!(?operator, command = ?line, "console command");
        }
        let (commands, session) = (self.desk.commands.clone(), self.desk.session.clone());
        let limit = self.desk.limits.command_timeout;
        let outcome = {
            let mut running = pin!(timeout(limit, commands.run(line, &operator, &session)));
            tokio::select! {
                outcome = &mut running => outcome,
                () = self.keys.interrupt(), if self.pty => {
                    self.status = INTERRUPTED;
                    self.show("^C\r\n".to_owned()).await?;
                    return Ok(false);
                }
            }
        };
        let outcome = outcome.unwrap_or_else(|_| {
            let message = format!("it took more than {} s and was given up", limit.as_secs());
            Err(CommandError::failed(message))
        });
        match outcome {
            Ok(Answer { text, ends, after }) => {
                self.status = 0;
                self.after = after;
                self.say(&text).await?;
                Ok(ends)
            }
            Err(error) => {
                self.status = error.status();
                self.complain(&error.to_string()).await?;
                Ok(false)
            }
        }
    }

    /// The last word to somebody who is at the prompt.
    async fn leave(&mut self, farewell: &str) -> Result<(), Gone> {
        if self.pty {
            self.show("\r\n".to_owned()).await?;
        }
        self.complain(farewell).await
    }

    /// Says something, harmless for a terminal, with an end of line.
    async fn say(&self, text: &str) -> Result<(), Gone> {
        let text = self.prepare(text);
        self.write(None, text).await
    }

    /// Says something that is no answer: where there is no terminal, apart from the answers.
    async fn complain(&self, text: &str) -> Result<(), Gone> {
        let text = self.prepare(text);
        // SSH_EXTENDED_DATA_STDERR (RFC 4254, 5.2).
        self.write((!self.pty).then_some(1), text).await
    }

    fn prepare(&self, text: &str) -> String {
        let mut text = escape(text).into_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if self.pty { with_crlf(&text) } else { text }
    }

    /// Draws on the terminal, if there is one.
    async fn show(&self, drawing: String) -> Result<(), Gone> {
        if self.pty {
            self.write(None, drawing).await
        } else {
            Ok(())
        }
    }

    async fn write(&self, stream: Option<u32>, text: String) -> Result<(), Gone> {
        let mut bytes = Bytes::from(text);
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
            let write = async {
                match stream {
                    None => self.out.data_bytes(piece).await,
                    Some(stream) => self.out.extended_data_bytes(stream, piece).await,
                }
            };
            match timeout(self.desk.limits.write_limit, write).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Gone::Left),
                Err(_) => return Err(Gone::Stuck),
            }
        }
        Ok(())
    }

    /// Tells how it ended and closes the channel (RFC 4254, 5.3 and 6.10); it may be gone already.
    async fn close(&self) {
        let _ = self.out.exit_status(self.status).await;
        let _ = self.out.eof().await;
        let _ = self.out.close().await;
    }
}

/// What was typed and is not done with.
struct Keys {
    typed: mpsc::Receiver<u8>,
    /// Typed while a command ran.
    ahead: VecDeque<u8>,
    /// What came after them is lost.
    overflown: bool,
    /// What came after those that were typed is lost.
    is_cut_off: Arc<AtomicBool>,
}

impl Keys {
    /// The next key; `None` when there will be none.
    async fn next(&mut self) -> Option<u8> {
        match self.ahead.pop_front() {
            None if !self.overflown => self.typed.recv().await,
            key => key,
        }
    }

    /// The next key, if it is there already.
    fn ready(&mut self) -> Option<u8> {
        match self.ahead.pop_front() {
            None if !self.overflown => self.typed.try_recv().ok(),
            key => key,
        }
    }

    /// Whether there were more when there are none.
    fn are_lost(&self) -> bool {
        self.overflown || self.is_cut_off.load(Ordering::Relaxed)
    }

    /// Waits for Ctrl-C and keeps the rest for later, but what was typed before Ctrl-C is forgotten.
    async fn interrupt(&mut self) {
        while let Some(key) = self.typed.recv().await {
            if key == 0x03 {
                self.ahead.clear();
                self.overflown = false;
                return;
            }
            if self.ahead.len() == TYPE_AHEAD_BYTES {
                self.overflown = true;
            }
            if !self.overflown {
                self.ahead.push_back(key);
            }
        }
        std::future::pending::<()>().await;
    }
}
