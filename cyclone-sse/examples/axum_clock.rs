//! A clock for any number of browsers, in axum.
//!
//! `cargo run -p cyclone-sse --example axum_clock`, then open the address it prints, or
//! `curl -N http://127.0.0.1:8888/clock`. Stop the server for a while and start it again: the page says that it had
//! to load anew. Or reload the network of the page only: it misses no second.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use cyclone_core::{SharedBus, SharedLog};
use cyclone_sse::{Broker, Event, EventStream, last_event_id};
use tokio::net::TcpListener;

const PAGE: &str = r#"<!doctype html>
<title>clock</title>
<h1 id="clock">waiting</h1>
<ul id="log"></ul>
<script>
  const clock = new EventSource("/clock");
  const note = (text) => {
    const item = document.createElement("li");
    item.textContent = text;
    document.getElementById("log").append(item);
  };
  clock.addEventListener("tick", (event) => {
    document.getElementById("clock").textContent = event.data;
  });
  clock.addEventListener("resync", () => note("missed too much: load your state anew here"));
  clock.addEventListener("open", () => note("connected"));
  clock.addEventListener("error", () => note("connection lost, the browser tries again"));
</script>
"#;

async fn clock(State(broker): State<Broker>, request: Request) -> impl IntoResponse {
    let channel = broker.channel("clock");
    match channel.subscribe(last_event_id(&request)).await {
        Ok(events) => Ok(EventStream::follow(events).respond(&request)),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// Counts seconds: nobody needs to listen.
async fn tick(broker: Broker) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let channel = broker.channel("clock");
    let mut second = tokio::time::interval(Duration::from_secs(1));
    for number in 0_u64.. {
        second.tick().await;
        let text = format!("{number} seconds");
        channel.publish(&Event::text(text).name("tick")?).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let broker = Broker::new(SharedBus::local(), SharedLog::memory());
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/clock", get(clock))
        .with_state(broker.clone());
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8888")).await?;
    #[expect(clippy::print_stdout, reason = "the example tells where it listens")]
    {
        println!("http://{}/", listener.local_addr()?);
    }
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served?,
        ticked = tick(broker) => ticked?,
    }
    Ok(())
}
