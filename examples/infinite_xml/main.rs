//! Reads an XML stream that has no end, and prints what it says.
//!
//! ```text
//! cargo run -p cyclone-examples --bin infinite_xml                                # its own stream
//! cargo run -p cyclone-examples --bin infinite_xml -- http://127.0.0.1:8888/feed  # somebody's
//! ```

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use cyclone_core::{Endpoint, Server};
use cyclone_examples::infinite_xml::{feed, read};
use cyclone_web::client::Client;

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::new();
    let show = |tick: cyclone_examples::infinite_xml::Tick| {
        let line = writeln!(std::io::stdout(), "{}: {}", tick.number, tick.text);
        line.is_ok()
    };
    if let Some(url) = std::env::args().nth(1) {
        return read(&client, &url, show).await;
    }
    let server = Server::new().listen(Endpoint::loopback(0), feed(Duration::from_millis(500)));
    let server = server.start().await?;
    let address = &server.local_addresses()[0];
    read(&client, &format!("http://{address}/feed"), show).await
}
