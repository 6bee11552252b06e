//! The chat: saying something, and following a room without missing anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cyclone_core::{Bus, BusEvent, ConnectionId, SharedBus, Subscription};
use cyclone_web::sqlite;
use cyclone_web::websocket::{
    self, CloseInfo, HandlerError, Message as Frame, WebSocket, WebSocketHandler, WebSocketSender,
};
use serde::{Deserialize, Serialize};

use crate::storage::{Message, Storage};

/// Characters that a name may have.
const MAX_NAME: usize = 24;
/// Characters that a room's name may have.
const MAX_ROOM: usize = 24;
/// Characters that a message may have.
const MAX_TEXT: usize = 2000;
/// Bytes that a client may take to call its message.
const MAX_ID: usize = 64;

/// The chat of this process; clones are handles.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) storage: Storage,
    bus: SharedBus,
    present: Arc<Mutex<BTreeMap<ConnectionId, Guest>>>,
}

/// Somebody with an open socket.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) room: String,
}

/// Why something could not be said.
#[derive(Debug)]
pub(crate) enum SayError {
    NoRoom,
    BadMessage(&'static str),
    Storage(sqlite::Error),
}

impl Chat {
    pub(crate) fn new(storage: Storage, bus: SharedBus) -> Self {
        Self {
            storage,
            bus,
            present: Arc::default(),
        }
    }

    /// Stores a message and tells everybody in its room. Saying it again changes nothing.
    pub(crate) async fn say(
        &self,
        room: &str,
        author: &str,
        id: &str,
        text: &str,
    ) -> Result<Message, SayError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > MAX_TEXT {
            return Err(SayError::BadMessage("a message has 1 to 2000 characters"));
        }
        if id.is_empty() || id.len() > MAX_ID {
            return Err(SayError::BadMessage("an id has 1 to 64 bytes"));
        }
        let stored = self.storage.add(room, author, id, text).await;
        let (message, fresh) = stored.map_err(SayError::Storage)?.ok_or(SayError::NoRoom)?;
        if fresh && let Ok(payload) = serde_json::to_vec(&message) {
            // The message is stored: whoever is not told of it now finds it in the history.
            if let Err(error) = self.bus.publish(&topic(room), payload.into()).await {
                tracing::warn!(%error, room, "message is stored but was not announced");
            }
        }
        Ok(message)
    }

    pub(crate) fn guests(&self) -> BTreeMap<ConnectionId, Guest> {
        self.present
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn enter(&self, id: ConnectionId, guest: Guest) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.insert(id, guest);
    }

    fn leave(&self, id: ConnectionId) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.remove(&id);
    }
}

/// Names of people: what is printed as it is, without line breaks and the like.
pub(crate) fn clean_name(name: &str) -> Option<String> {
    let name = name.trim();
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    (fits && !name.chars().any(char::is_control)).then(|| name.to_owned())
}

/// Names of rooms: lower-case letters, digits and hyphens, as they stand in paths.
pub(crate) fn clean_room(room: &str) -> Option<String> {
    let room = room.trim().to_lowercase().replace(' ', "-");
    let fits = (1..=MAX_ROOM).contains(&room.chars().count());
    let plain = room
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (fits && plain).then_some(room)
}

/// The topic of a room on the bus.
fn topic(room: &str) -> String {
    format!("room:{room}")
}

/// What a page sends.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Request {
    Say { id: String, text: String },
}

/// What a page gets.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Reply<'a> {
    /// A message of the room, in order and exactly once.
    Message(&'a Message),
    /// What this page said is stored.
    Ack { id: &'a str, seq: i64 },
    /// What this page said is not stored; `retry` says whether saying it again may help.
    Refused {
        id: &'a str,
        reason: &'a str,
        retry: bool,
    },
}

/// One open page of a room.
pub(crate) struct ChatSocket {
    chat: Chat,
    guest: Guest,
    /// The last message that the page has.
    seen: i64,
}

impl ChatSocket {
    pub(crate) fn new(chat: Chat, guest: Guest, seen: i64) -> Self {
        Self { chat, guest, seen }
    }

    async fn answer(&self, socket: &WebSocket, id: &str, text: &str) -> websocket::Result {
        let Guest { name, room } = &self.guest;
        let reply = match self.chat.say(room, name, id, text).await {
            Ok(message) => {
                return send(
                    socket.sender(),
                    &Reply::Ack {
                        id,
                        seq: message.seq,
                    },
                )
                .await;
            }
            Err(SayError::NoRoom) => ("there is no such room", false),
            Err(SayError::BadMessage(reason)) => (reason, false),
            Err(SayError::Storage(error)) => {
                tracing::error!(%error, "cannot store a message");
                ("it cannot be stored now", true)
            }
        };
        let (reason, retry) = reply;
        send(socket.sender(), &Reply::Refused { id, reason, retry }).await
    }
}

impl WebSocketHandler for ChatSocket {
    async fn open(&mut self, socket: &WebSocket) -> websocket::Result {
        // First listen, then read: what is said in between comes twice, and is known by its place.
        let feed = self.chat.bus.subscribe(&topic(&self.guest.room)).await?;
        let follower = Follower {
            storage: self.chat.storage.clone(),
            room: self.guest.room.clone(),
            seen: self.seen,
            sender: socket.sender().clone(),
        };
        let sender = socket.sender().clone();
        socket.session().spawn(async move {
            tokio::select! {
                _ = sender.closed() => {}
                () = follower.run(feed) => {}
            }
        });
        self.chat.enter(socket.session().id(), self.guest.clone());
        Ok(())
    }

    async fn message(&mut self, socket: &WebSocket, message: Frame) -> websocket::Result {
        let text = message.as_text().unwrap_or_default();
        let Ok(Request::Say { id, text }) = serde_json::from_str(text) else {
            return Err(HandlerError::close(1008, "this is not for the chat"));
        };
        self.answer(socket, &id, &text).await
    }

    async fn close(&mut self, socket: &WebSocket, _info: CloseInfo) {
        self.chat.leave(socket.session().id());
    }
}

/// Sends a room to one page.
struct Follower {
    storage: Storage,
    room: String,
    seen: i64,
    sender: WebSocketSender,
}

impl Follower {
    /// Runs until the socket closes. When the history cannot be read the socket is closed, so that the page
    /// comes back and asks again.
    async fn run(mut self, mut feed: Subscription) {
        if let Err(error) = self.follow(&mut feed).await {
            tracing::warn!(%error, room = self.room, "cannot follow a room");
            // Without effect when it is closed already.
            let _ = self.sender.close(1013, "try again later");
        }
    }

    async fn follow(&mut self, feed: &mut Subscription) -> Result<(), HandlerError> {
        self.catch_up().await?;
        while let Some(event) = feed.next().await {
            match event {
                BusEvent::Message(payload) => {
                    let message: Message = serde_json::from_slice(&payload)?;
                    if message.previous > self.seen {
                        self.catch_up().await?;
                    } else if message.seq > self.seen {
                        self.show(&message).await?;
                    }
                }
                // Something was missed, or the bus is of a newer kind: the history has it all.
                _ => self.catch_up().await?,
            }
        }
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), HandlerError> {
        loop {
            let messages = self.storage.after(&self.room, self.seen).await?;
            if messages.is_empty() {
                return Ok(());
            }
            for message in &messages {
                self.show(message).await?;
            }
        }
    }

    async fn show(&mut self, message: &Message) -> Result<(), HandlerError> {
        send(&self.sender, &Reply::Message(message)).await?;
        self.seen = message.seq;
        Ok(())
    }
}

async fn send(sender: &WebSocketSender, reply: &Reply<'_>) -> websocket::Result {
    let text = serde_json::to_string(reply)?;
    sender.send(Frame::text(text)).await?;
    Ok(())
}
