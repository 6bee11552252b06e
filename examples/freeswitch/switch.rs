//! A stand-in for FreeSWITCH, played from recorded conversations: to try the client and the server without one.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cyclone_core::{Connection, Peer, Protocol, ProtocolFactory};
use tokio::net::TcpStream;
use tokio::sync::broadcast;

use super::esl::new_uuid;
use super::event::Event;
use conversation::Conversation;
use script::Script;

mod conversation;
mod listening;
mod script;

/// Events that a slow listener of the stand-in may be behind.
const QUEUED_EVENTS: usize = 1024;

/// Calls at once.
const MAX_CALLS: usize = 1000;

/// Plays FreeSWITCH: an event socket with a few commands of the console, channels that are nowhere, and calls to an
/// outbound server.
///
/// `api originate user/1000 &socket(127.0.0.1:8084 async full)` lets it connect there, as a dialplan would. What it says
/// is taken from conversations with a real one.
#[derive(Clone, Debug)]
pub struct Switch {
    world: Arc<World>,
    password: String,
}

/// What all conversations share.
#[derive(Debug)]
struct World {
    script: Script,
    news: broadcast::Sender<Arc<Event>>,
    /// The channels, each with its variables.
    channels: Mutex<HashMap<String, HashMap<String, String>>>,
}

impl Switch {
    /// A stand-in with this password.
    #[must_use]
    pub fn new(password: &str) -> Self {
        let (news, _) = broadcast::channel(QUEUED_EVENTS);
        Self {
            world: Arc::new(World {
                script: Script::recorded(),
                news,
                channels: Mutex::default(),
            }),
            password: password.to_owned(),
        }
    }

    /// Lets an event happen.
    pub fn happen(&self, event: Event) {
        self.world.happen(event);
    }

    /// Connects to an outbound server with a new call; returns its channel when the call has ended.
    ///
    /// # Errors
    /// When it cannot connect or the connection fails.
    pub async fn call(&self, address: &str) -> io::Result<String> {
        let uuid = self.world.new_channel()?;
        self.world.call(address, &uuid).await?;
        Ok(uuid)
    }
}

impl ProtocolFactory for Switch {
    type Protocol = Self;

    fn build(&self, _peer: &Peer) -> Option<Self> {
        Some(self.clone())
    }

    fn name(&self) -> &'static str {
        "event-socket"
    }
}

impl Protocol for Switch {
    async fn run(self, connection: Connection) -> io::Result<()> {
        let session = connection.session().clone();
        let conversation = Conversation::inbound(connection, self.world, self.password);
        tokio::select! {
            ended = conversation.run() => ended,
            () = session.draining() => Ok(()),
        }
    }
}

impl World {
    fn happen(&self, event: Event) {
        // Nobody may listen.
        let _ = self.news.send(Arc::new(event));
    }

    fn new_channel(&self) -> io::Result<String> {
        let mut channels = self.channels();
        if channels.len() >= MAX_CALLS {
            return Err(io::Error::other("too many calls"));
        }
        let uuid = new_uuid();
        channels.insert(uuid.clone(), HashMap::new());
        Ok(uuid)
    }

    async fn call(self: &Arc<Self>, address: &str, uuid: &str) -> io::Result<()> {
        let stream = TcpStream::connect(address).await;
        let ended = match stream {
            Ok(stream) => {
                Conversation::outbound(stream, Arc::clone(self), uuid)
                    .run()
                    .await
            }
            Err(error) => Err(error),
        };
        self.hang_up(uuid, "NORMAL_CLEARING");
        ended
    }

    /// Ends a channel; whether there was one.
    fn hang_up(&self, uuid: &str, cause: &str) -> bool {
        if self.channels().remove(uuid).is_none() {
            return false;
        }
        for name in ["CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE"] {
            self.happen(self.script.event(name, uuid, &[("Hangup-Cause", cause)]));
        }
        true
    }

    /// Lets a channel execute an application, at once.
    fn execute(&self, uuid: &str, application: &str, argument: &str, execution: &str) -> bool {
        {
            let mut channels = self.channels();
            let Some(variables) = channels.get_mut(uuid) else {
                return false;
            };
            if let ("set", Some((name, value))) = (application, argument.split_once('=')) {
                variables.insert(name.to_owned(), value.to_owned());
            }
        }
        let headers = [
            ("Application", application),
            ("Application-Data", argument),
            ("Application-UUID", execution),
        ];
        for name in ["CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE"] {
            self.happen(self.script.event(name, uuid, &headers));
        }
        if application == "hangup" {
            self.hang_up(uuid, argument);
        }
        true
    }

    fn variable(&self, uuid: &str, name: &str) -> Option<String> {
        self.channels().get(uuid)?.get(name).cloned()
    }

    /// What a command of the console prints.
    fn api(self: &Arc<Self>, command: &str) -> String {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "version" | "status" => self.script.console(verb).to_owned(),
            "uptime" => "74\n".to_owned(),
            "echo" => rest.to_owned(),
            "hupall" => {
                let cause = if rest.is_empty() {
                    "MANAGER_REQUEST"
                } else {
                    rest
                };
                let all: Vec<String> = self.channels().keys().cloned().collect();
                for uuid in all {
                    self.hang_up(&uuid, cause);
                }
                format!("+OK hangup all channels with cause {cause}\n")
            }
            "originate" => self.originate(rest),
            "show" => {
                let count = self.channels().len();
                match rest {
                    "channels as json" => format!("{{\"row_count\":{count}}}"),
                    _ => format!("\n{count} total.\n"),
                }
            }
            _ => format!("-ERR {verb} Command not found!\n"),
        }
    }

    /// `user/1000 &park`, or `user/1000 &socket(HOST:PORT async full)`.
    fn originate(self: &Arc<Self>, arguments: &str) -> String {
        let Some((_, application)) = arguments.split_once('&') else {
            return "-USAGE <call url> <exten>|&<application_name>(<app_args>)\n".to_owned();
        };
        let uuid = match self.new_channel() {
            Ok(uuid) => uuid,
            Err(error) => return format!("-ERR {error}\n"),
        };
        for name in ["CHANNEL_CREATE", "CHANNEL_ANSWER"] {
            self.happen(self.script.event(name, &uuid, &[]));
        }
        if let Some(socket) = application.strip_prefix("socket(") {
            let address = socket.split([' ', ')']).next().unwrap_or_default();
            let (world, address, uuid) = (Arc::clone(self), address.to_owned(), uuid.clone());
            tokio::spawn(async move {
                if let Err(error) = world.call(&address, &uuid).await {
                    tracing::warn!(%error, address, "an outbound server did not take a call");
                }
            });
        }
        format!("+OK {uuid}\n")
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, HashMap<String, HashMap<String, String>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
