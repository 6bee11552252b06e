//! An echo server inside axum, with a broadcast to everybody who is connected.
//!
//! `cargo run -p cyclone-websocket --example echo_axum [PORT]` prints the address that it listens on.
//! `/echo` sends back what it gets, `/chat` sends it to all.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use cyclone_websocket::{
    CloseInfo, Message, Result, WebSocket, WebSocketHandler, WebSocketSender, WebSocketService,
};
use http::request::Parts;
use tokio::net::TcpListener;

struct Echo;

impl WebSocketHandler for Echo {
    async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
        Ok(socket.send(message).await?)
    }
}

type Room = Arc<Mutex<Vec<WebSocketSender>>>;

struct Chat {
    room: Room,
}

impl Chat {
    fn members(&self) -> std::sync::MutexGuard<'_, Vec<WebSocketSender>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WebSocketHandler for Chat {
    async fn open(&mut self, socket: &WebSocket) -> Result {
        self.members().push(socket.sender().clone());
        Ok(())
    }

    async fn message(&mut self, _socket: &WebSocket, message: Message) -> Result {
        // A member whose queue is full misses the message; one that is gone leaves by `close`.
        for member in self.members().iter() {
            let _ = member.try_send(message.clone());
        }
        Ok(())
    }

    async fn close(&mut self, socket: &WebSocket, _info: CloseInfo) {
        self.members().retain(|member| member != socket.sender());
    }
}

fn app() -> Router {
    let room = Room::default();
    let chat = move |_: &Parts| Chat {
        room: Arc::clone(&room),
    };
    Router::new()
        .route_service("/echo", WebSocketService::new(|_: &Parts| Echo))
        .route_service("/chat", WebSocketService::new(chat))
}

#[expect(clippy::print_stdout, reason = "an example reports where it listens")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on ws://{}/echo", listener.local_addr()?);
    axum::serve(listener, app()).await?;
    Ok(())
}
