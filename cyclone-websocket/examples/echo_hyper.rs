//! An echo server on bare hyper: no framework, no cyclone server.
//!
//! `cargo run -p cyclone-websocket --example echo_hyper [PORT]` prints the address that it listens on.

use std::convert::Infallible;
use std::error::Error;

use cyclone_websocket::{Message, Result, WebSocket, WebSocketHandler, upgrade};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

struct Echo;

impl WebSocketHandler for Echo {
    async fn message(&mut self, socket: &WebSocket, message: Message) -> Result {
        Ok(socket.send(message).await?)
    }

    // Chooses what test clients offer.
    fn select_subprotocol(&mut self, offered: &[&str]) -> Option<String> {
        offered.contains(&"echo").then(|| "echo".into())
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(match upgrade(&mut request, Echo) {
        Ok(response) => response.map(|()| String::new()),
        Err(error) => error.into_response(),
    })
}

#[expect(clippy::print_stdout, reason = "an example reports where it listens")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .with_upgrades();
            // Fails when the client goes away in the middle of a request; nobody is left to tell.
            let _ = connection.await;
        });
    }
}
