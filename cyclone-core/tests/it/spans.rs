//! Spans of connections, as a subscriber sees them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use cyclone_core::{Connection, Endpoint, ProxyProtocol, Server, protocol_fn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::{greeted, greeting, rest, tcp_address, within};

/// Keeps every span of connections with its fields, and the events inside; interested in all down to a level.
#[derive(Clone)]
struct Keeper {
    level: Level,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    spans: Vec<Vec<(String, String)>>,
    entered: Vec<Id>,
    events: Vec<(Option<Id>, String)>,
    closed: usize,
}

impl Keeper {
    fn new(level: Level) -> Self {
        Self {
            level,
            kept: Arc::default(),
        }
    }

    /// The last value of a field of a span.
    fn field(&self, span: usize, name: &str) -> String {
        let kept = self.kept.lock().unwrap();
        let mut fields = kept.spans[span].iter().rev();
        fields.find(|(other, _)| other == name).unwrap().1.clone()
    }
}

struct Fields<'a>(&'a mut Vec<(String, String)>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = ["cyclone::connection", "test"].contains(&metadata.target());
        is_ours && *metadata.level() <= self.level
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        assert_eq!(span.metadata().name(), "connection");
        let mut fields = Vec::new();
        span.record(&mut Fields(&mut fields));
        let mut kept = self.kept.lock().unwrap();
        kept.spans.push(fields);
        Id::from_u64(kept.spans.len() as u64)
    }
    fn record(&self, span: &Id, values: &Record<'_>) {
        let at = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut Fields(&mut self.kept.lock().unwrap().spans[at]));
    }
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Vec::new();
        event.record(&mut Fields(&mut fields));
        let mut kept = self.kept.lock().unwrap();
        let inside = kept.entered.last().cloned();
        kept.events.push((inside, fields.remove(0).1));
    }
    fn enter(&self, span: &Id) {
        self.kept.lock().unwrap().entered.push(span.clone());
    }
    fn exit(&self, span: &Id) {
        assert_eq!(self.kept.lock().unwrap().entered.pop().as_ref(), Some(span));
    }
    fn try_close(&self, _span: Id) -> bool {
        self.kept.lock().unwrap().closed += 1;
        true
    }
}

/// Says something before and after an await, and in work of the connection.
async fn talk(mut connection: Connection) -> std::io::Result<()> {
    tracing::info!(target: "test", "begins");
    connection.write_all(b"hi").await?;
    connection.read_u8().await?;
    tracing::info!(target: "test", "goes on");
    let session = connection.session().clone();
    session.set_protocol("other");
    let (ended, work) = tokio::sync::oneshot::channel();
    let spawned = session.spawn(async move {
        tracing::info!(target: "test", "works");
        let _ = ended.send(());
    });
    work.await.unwrap();
    spawned.await.unwrap();
    Ok(())
}

async fn conversation(keeper: &Keeper) {
    // With one dispatcher alone, tracing takes that of whichever thread comes first for that of all.
    let _another = tracing::Dispatch::new(keeper.clone());
    let _default = tracing::subscriber::set_default(keeper.clone());
    let server = Server::new()
        .listen(Endpoint::loopback(0), protocol_fn("talk", talk))
        .start()
        .await
        .unwrap();
    let mut peer = greeted(tcp_address(&server, 0)).await;
    let address = peer.local_addr().unwrap().to_string();
    let _second = greeted(tcp_address(&server, 0)).await;
    peer.write_all(b"x").await.unwrap();
    assert_eq!(rest(&mut peer).await, "");
    if keeper.level == Level::DEBUG {
        assert_eq!(keeper.field(0, "peer"), address);
        let local = tcp_address(&server, 0).to_string();
        assert_eq!(keeper.field(0, "local"), local);
    }
    server.handle().shutdown_now();
    within(server.wait()).await;
}

#[tokio::test]
async fn what_is_logged_belongs_to_its_connection() {
    let keeper = Keeper::new(Level::DEBUG);
    conversation(&keeper).await;
    assert_eq!(keeper.field(0, "id"), "1");
    assert_eq!(keeper.field(1, "id"), "2");
    assert_eq!(keeper.field(0, "protocol"), "other");
    assert_eq!(keeper.field(1, "protocol"), "talk");
    let kept = keeper.kept.lock().unwrap();
    let (first, second) = (Some(Id::from_u64(1)), Some(Id::from_u64(2)));
    let mut events = kept.events.clone();
    events.sort_by_key(|(span, _)| span.as_ref().map(Id::into_u64));
    assert_eq!(
        events,
        [
            (first.clone(), "begins".to_owned()),
            (first.clone(), "goes on".to_owned()),
            (first, "works".to_owned()),
            (second, "begins".to_owned()),
        ]
    );
    assert!(kept.entered.is_empty());
    assert_eq!(kept.closed, 2);
}

#[tokio::test]
async fn who_looks_at_less_has_no_spans() {
    let keeper = Keeper::new(Level::INFO);
    conversation(&keeper).await;
    let kept = keeper.kept.lock().unwrap();
    assert!(kept.spans.is_empty());
    assert_eq!(kept.events.len(), 4);
    assert!(kept.events.iter().all(|(span, _)| span.is_none()));
}

/// What is logged and what the registry shows have to agree.
#[tokio::test]
async fn behind_a_proxy_both_addresses_are_those_of_its_header() {
    let keeper = Keeper::new(Level::DEBUG);
    let _another = tracing::Dispatch::new(keeper.clone());
    let _default = tracing::subscriber::set_default(keeper.clone());
    let endpoint = Endpoint::loopback(0).proxy(ProxyProtocol::v1());
    let server = Server::new().listen(endpoint, protocol_fn("talk", talk));
    let server = server.start().await.unwrap();
    let mut peer = TcpStream::connect(tcp_address(&server, 0)).await.unwrap();
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n";
    peer.write_all(header).await.unwrap();
    within(greeting(&mut peer)).await;
    assert_eq!(keeper.field(0, "peer"), "192.0.2.7:51000");
    assert_eq!(keeper.field(0, "local"), "198.51.100.1:443");
    server.handle().shutdown_now();
    within(server.wait()).await;
}
