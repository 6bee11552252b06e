//! cyclone, written as its documentation does, with every limit and timer on as by default.

use cyclone_bench_http::{
    FORM, MESSAGE, ORDER, Order, Outcome, PLAINTEXT, STATIC, UPLOAD, announce, block_on, folder,
    page, user,
};
use cyclone_core::{Address, Context as _, Endpoint, Server, SharedBus, SharedLog};
use cyclone_web::sse::{Event, EventStream, SseChannel};
use cyclone_web::websocket::{Message, Result as SocketResult, WebSocket, WebSocketHandler};
use cyclone_web::{Application, RequestContext, Result, url};
use http_body_util::BodyExt as _;

fn main() -> Outcome {
    let folder = folder()?;
    let files = folder.join("static");
    block_on(async {
        let app = Application::new()
            .get("/plaintext", plaintext)
            .get("/json", json)
            .get("/user/{id}", by_id)
            .get("/page", table)
            .post(ORDER, order)
            .post(UPLOAD, upload)
            .post(url(FORM).body_limit(MOST), form)
            .static_files(STATIC, files)
            .get("/echo", echo)
            .get("/events", events)
            .get("/publish", publish);
        let server = Server::new()
            .resource(SseChannel::new(
                SharedBus::local(),
                SharedLog::memory(),
                "news",
            ))
            .listen(Endpoint::loopback(0), app)
            .start()
            .await?;
        for address in server.local_addresses() {
            if let Address::Tcp(address) = address {
                announce(*address)?;
            }
        }
        server.wait().await;
        Ok(())
    })
}

async fn plaintext(cx: &mut RequestContext) -> Result {
    cx.text(PLAINTEXT)
}

async fn json(cx: &mut RequestContext) -> Result {
    cx.json(&MESSAGE)
}

#[derive(serde::Deserialize)]
struct ById {
    id: u64,
}

async fn by_id(cx: &mut RequestContext) -> Result {
    let ById { id } = cx.path()?;
    let name = cx.argument("name")?;
    cx.text(user(id, &name))
}

async fn table(cx: &mut RequestContext) -> Result {
    cx.html(page())
}

async fn order(cx: &mut RequestContext) -> Result {
    let order: Order = cx.json_body().await?;
    cx.json(&order)
}

async fn upload(cx: &mut RequestContext) -> Result {
    let mut body = cx.take_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |piece| piece.len());
    }
    cx.text(bytes.to_string())
}

/// The largest form, in bytes.
const MOST: u64 = 1 << 40;

/// Saves the files of a form as they come, and tells how large they are.
async fn form(cx: &mut RequestContext) -> Result {
    let mut form = cx.multipart()?;
    let mut bytes = 0;
    while let Some(part) = form.next_part().await? {
        bytes += part.save().await?.len();
    }
    cx.text(bytes.to_string())
}

struct Echo;

impl WebSocketHandler for Echo {
    async fn message(&mut self, socket: &WebSocket, message: Message) -> SocketResult {
        Ok(socket.send(message).await?)
    }
}

async fn echo(cx: &mut RequestContext) -> Result {
    cx.websocket(Echo)
}

async fn events(cx: &mut RequestContext) -> Result {
    let channel = cx.resources().get::<SseChannel>()?.clone();
    let events = channel.subscribe(None).await?;
    cx.event_stream(EventStream::follow(events))
}

async fn publish(cx: &mut RequestContext) -> Result {
    let channel = cx.resources().get::<SseChannel>()?.clone();
    channel.publish(&Event::text(PLAINTEXT)).await?;
    cx.text(PLAINTEXT)
}
