//! One connection of the stand-in.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::select;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::codec::Decoder as _;

use super::World;
use super::listening::Listening;
use crate::freeswitch::command::Command;
use crate::freeswitch::command_codec::CommandCodec;
use crate::freeswitch::esl::new_uuid;
use crate::freeswitch::event::Event;
use crate::freeswitch::frame::Frame;
use crate::freeswitch::headers::{Headers, url_encode};

const GOODBYE: &str = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";

/// Bytes that are asked of the transport at a time.
const READ_BYTES: usize = 16 * 1024;

/// A connection: one that came in and has to log in, or one of a call.
pub(super) struct Conversation<T> {
    transport: T,
    codec: CommandCodec,
    buffer: BytesMut,
    /// What is to be written.
    out: Vec<u8>,
    world: Arc<World>,
    news: broadcast::Receiver<Arc<Event>>,
    listening: Listening,
    /// Still to be given.
    password: Option<String>,
    /// The channel that the connection belongs to.
    channel: Option<String>,
    lingers: bool,
    over: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Conversation<T> {
    pub(super) fn inbound(transport: T, world: Arc<World>, password: String) -> Self {
        let mut conversation = Self::new(transport, world);
        conversation.say(&[("Content-Type", "auth/request")], "");
        conversation.password = Some(password);
        conversation
    }

    pub(super) fn outbound(transport: T, world: Arc<World>, channel: &str) -> Self {
        let mut conversation = Self::new(transport, world);
        conversation.channel = Some(channel.to_owned());
        conversation
    }

    fn new(transport: T, world: Arc<World>) -> Self {
        Self {
            transport,
            codec: CommandCodec::new(),
            buffer: BytesMut::new(),
            out: Vec::new(),
            news: world.news.subscribe(),
            world,
            listening: Listening::default(),
            password: None,
            channel: None,
            lingers: false,
            over: false,
        }
    }

    /// Until one side has had enough.
    pub(super) async fn run(mut self) -> io::Result<()> {
        loop {
            let out = std::mem::take(&mut self.out);
            self.transport.write_all(&out).await?;
            self.transport.flush().await?;
            if self.over {
                return self.transport.shutdown().await;
            }
            if let Some(command) = self.codec.decode(&mut self.buffer)? {
                self.command(&command);
                continue;
            }
            self.buffer.reserve(READ_BYTES);
            select! {
                read = self.transport.read_buf(&mut self.buffer) => if read? == 0 {
                    return Ok(());
                },
                news = self.news.recv() => match news {
                    Ok(event) => self.event(&event),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
            }
        }
    }

    fn say(&mut self, headers: &[(&str, &str)], body: &str) {
        let headers = headers.iter();
        let mut headers: Headers = headers
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if !body.is_empty() {
            headers.push("Content-Length", body.len().to_string());
        }
        let body = body.to_owned().into();
        self.out.extend(Frame { headers, body }.to_bytes());
    }

    fn reply(&mut self, text: &str) {
        self.say(
            &[("Content-Type", "command/reply"), ("Reply-Text", text)],
            "",
        );
    }

    fn event(&mut self, event: &Event) {
        if self.listening.wants(event) {
            let format = self.listening.format;
            let event = Event {
                format,
                ..event.clone()
            };
            self.out.extend(event.to_frame().to_bytes());
        }
        let channel = self.channel.clone();
        if let Some(channel) = channel
            && event.name() == "CHANNEL_HANGUP_COMPLETE"
            && event.channel_uuid() == Some(&channel)
        {
            let end = [
                ("Content-Type", "text/disconnect-notice"),
                ("Controlled-Session-UUID", &channel),
            ];
            if self.lingers {
                let linger = [("Content-Disposition", "linger"), ("Content-Length", "0")];
                self.say(&[end, linger].concat(), "");
            } else {
                let disconnect = [("Content-Disposition", "disconnect")];
                self.say(&[&end[..], &disconnect[..]].concat(), GOODBYE);
                self.over = true;
            }
        }
    }

    fn command(&mut self, command: &Command) {
        let line = command.line().trim();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(password) = self.password.clone() {
            return self.log_in(verb, rest, &password);
        }
        let answer = match verb {
            "exit" => return self.goodbye("+OK bye"),
            "api" => {
                let printed = self.world.api(rest);
                return self.say(&[("Content-Type", "api/response")], &printed);
            }
            "bgapi" => return self.bgapi(rest, command),
            // FreeSWITCH looks at no more than the first letters.
            "event" | "events" => self.listening.event(rest),
            "nixevent" => self.listening.nixevent(rest),
            "noevents" => {
                self.listening.silence();
                "+OK no longer listening for events".to_owned()
            }
            "filter" => self.listening.filter(rest),
            "log" => {
                self.reply(&format!("+OK log level {rest} [{rest}]"));
                return self.log(rest);
            }
            "nolog" => "+OK no longer logging".to_owned(),
            "sendevent" => self.sendevent(line, rest, command),
            "sendmsg" => self.sendmsg(rest, command),
            "connect" => return self.connect(),
            "linger" | "nolinger" if self.channel.is_some() => {
                self.lingers = verb == "linger";
                format!("+OK will {verb}")
            }
            "linger" => "-ERR not controlling a session".to_owned(),
            "myevents" => match (&self.channel, rest) {
                (Some(channel), format) => self.listening.myevents(format, channel),
                (None, uuid) => self.listening.myevents("plain", uuid),
            },
            "getvar" => {
                let channel = self.channel.as_deref().unwrap_or_default();
                self.world.variable(channel, rest).unwrap_or_default()
            }
            _ => "-ERR command not found".to_owned(),
        };
        self.reply(&answer);
    }

    fn log_in(&mut self, verb: &str, rest: &str, password: &str) {
        match verb {
            "auth" if rest == password => {
                self.password = None;
                self.reply("+OK accepted");
            }
            "auth" | "userauth" => self.goodbye("-ERR invalid"),
            "exit" => self.goodbye("+OK bye"),
            _ => self.reply("-ERR command not found"),
        }
    }

    fn goodbye(&mut self, reply: &str) {
        self.reply(reply);
        self.say(&[("Content-Type", "text/disconnect-notice")], GOODBYE);
        self.over = true;
    }

    fn bgapi(&mut self, command: &str, headers: &Command) {
        let job = headers
            .get("Job-UUID")
            .map_or_else(new_uuid, ToOwned::to_owned);
        let reply = format!("+OK Job-UUID: {job}");
        let reply = [
            ("Content-Type", "command/reply"),
            ("Reply-Text", &reply),
            ("Job-UUID", &job),
        ];
        self.say(&reply, "");
        let printed = self.world.api(command);
        let mut done = self.world.script.plain_event("BACKGROUND_JOB");
        done.headers.push("Job-UUID", job);
        done.headers.push("Job-Command", command);
        done.body = printed.into();
        self.world.happen(done);
    }

    fn log(&mut self, level: &str) {
        let headers = [
            ("Content-Type", "log/data"),
            ("Log-Level", level),
            ("Text-Channel", "0"),
            ("Log-File", "switch.rs"),
            ("Log-Func", "log"),
            ("Log-Line", "1"),
            ("User-Data", ""),
        ];
        self.say(&headers, "[DEBUG] switch.rs:1 somebody reads the log\n");
    }

    fn sendevent(&mut self, line: &str, name: &str, command: &Command) -> String {
        let uuid = new_uuid();
        let mut event = self.world.script.plain_event(&name.to_ascii_uppercase());
        event.headers.push("Event-UUID", uuid.as_str());
        event.headers.push("Command", line);
        let headers = command.headers().iter();
        // The name is that of the command.
        for (name, value) in headers.filter(|(name, _)| *name != "Event-Name") {
            event.headers.set(name, value);
        }
        event.body = command.content().clone();
        self.world.happen(event);
        format!("+OK {uuid}")
    }

    fn sendmsg(&mut self, uuid: &str, command: &Command) -> String {
        let own = self.channel.as_deref().unwrap_or_default();
        let uuid = if uuid.is_empty() { own } else { uuid };
        let header = |name| command.get(name).unwrap_or_default();
        let done = match header("call-command") {
            "execute" => {
                let execution = command.get("Event-UUID");
                let execution = execution.map_or_else(new_uuid, ToOwned::to_owned);
                let application = header("execute-app-name");
                self.world
                    .execute(uuid, application, header("execute-app-arg"), &execution)
            }
            "hangup" => self.world.hang_up(uuid, header("hangup-cause")),
            _ => return "-ERR invalid command".to_owned(),
        };
        match done {
            true => "+OK".to_owned(),
            false => format!("-ERR invalid session id [{uuid}]"),
        }
    }

    fn connect(&mut self) {
        let Some(channel) = &self.channel else {
            return self.reply("-ERR command not found");
        };
        let lines = self.world.script.channel(channel);
        let lines = lines.iter().map(|(name, value)| match name {
            "Content-Type" => (name.to_owned(), value.to_owned()),
            _ => (name.to_owned(), url_encode(value)),
        });
        let headers = lines.collect();
        let frame = Frame {
            headers,
            ..Frame::default()
        };
        self.out.extend(frame.to_bytes());
    }
}
