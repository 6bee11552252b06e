//! The pages and the routes.

use std::path::Path;

use anyhow::Result as AnyResult;
use cyclone_core::Context;
use cyclone_web::sse::{EventStream, SseChannel};
use cyclone_web::{Application, Error, RequestContext, Result, Templates, log_request, url};
use http::{StatusCode, header};
use serde::Serialize;

use crate::chat::{Chat, ChatSocket, Guest, clean_name, clean_room};
use crate::dashboard::{Counters, Meter};
use crate::storage::{Message, Room};

/// Messages that a room shows when it is opened.
const SHOWN: usize = 50;

/// Scripts, styles and connections from here only.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The application; templates and static files are in `assets`.
pub(crate) fn application(assets: &Path, meter: Meter) -> AnyResult<Application> {
    let templates = Templates::from_directory(assets.join("templates"))?;
    templates.preload()?;
    Ok(Application::new()
        .templates(templates)
        .requires::<Chat>()
        .requires::<Meter>()
        .requires::<SseChannel>()
        .get(url("/").name("home"), home)
        .post(url("/rooms").body_limit(4096), add_room)
        .get(url("/room/{room}").name("room"), room)
        .get("/room/{room}/socket", socket)
        .get("/room/{room}/messages", messages)
        .get(url("/dashboard").name("dashboard"), dashboard)
        .get("/events", events)
        .get("/status", status)
        .static_files("/static/", assets.join("static"))
        .log_request(move |cx, finish| {
            meter.count_request();
            log_request(cx, finish);
        }))
}

fn page(cx: &mut RequestContext, template: &str, values: impl Serialize) -> Result {
    cx.set_header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)?;
    cx.set_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    cx.set_header(header::REFERRER_POLICY, "same-origin")?;
    cx.set_header(header::CACHE_CONTROL, "no-store")?;
    cx.render(template, values)
}

#[derive(Serialize)]
struct Home {
    rooms: Vec<Room>,
}

async fn home(cx: &mut RequestContext) -> Result {
    let rooms = chat(cx)?.storage.rooms().await?;
    page(cx, "home.html", Home { rooms })
}

async fn add_room(cx: &mut RequestContext) -> Result {
    let room = clean_room(&cx.argument("name")?)
        .ok_or_else(|| Error::bad_request("a room is called by 1 to 24 letters and digits"))?;
    if !chat(cx)?.storage.add_room(&room).await? {
        return Err(Error::new(StatusCode::CONFLICT).message("there are too many rooms"));
    }
    let target = cx.reverse_url("room", &[&room])?;
    cx.redirect_with(StatusCode::SEE_OTHER, &target)
}

#[derive(Serialize)]
struct RoomPage {
    room: String,
    messages: Vec<Message>,
    seen: i64,
}

async fn room(cx: &mut RequestContext) -> Result {
    let room = existing_room(cx).await?;
    let messages = chat(cx)?.storage.last(&room, SHOWN).await?;
    let seen = messages.last().map_or(0, |message| message.seq);
    page(
        cx,
        "room.html",
        RoomPage {
            room,
            messages,
            seen,
        },
    )
}

/// The socket of a room; `after` is the last message that the page has.
async fn socket(cx: &mut RequestContext) -> Result {
    let room = existing_room(cx).await?;
    let name = clean_name(&cx.argument("name")?)
        .ok_or_else(|| Error::bad_request("a name has 1 to 24 characters"))?;
    let seen = after(cx)?;
    let chat = chat(cx)?;
    cx.websocket(ChatSocket::new(chat, Guest { name, room }, seen))
}

/// The history of a room after a message, a page at a time, for programs.
async fn messages(cx: &mut RequestContext) -> Result {
    let room = existing_room(cx).await?;
    let messages = chat(cx)?.storage.after(&room, after(cx)?).await?;
    cx.json(&messages)
}

async fn dashboard(cx: &mut RequestContext) -> Result {
    let counters = read_counters(cx)?;
    page(cx, "dashboard.html", counters)
}

async fn status(cx: &mut RequestContext) -> Result {
    let counters = read_counters(cx)?;
    cx.json(&counters)
}

async fn events(cx: &mut RequestContext) -> Result {
    let channel = cx.resources().get::<SseChannel>()?.clone();
    let events = channel.subscribe(cx.last_event_id().as_deref()).await?;
    cx.event_stream(EventStream::follow(events))
}

fn read_counters(cx: &RequestContext) -> Result<Counters> {
    Counters::read(cx).map_err(|error| Error::internal("no counters").because(error))
}

fn chat(cx: &RequestContext) -> Result<Chat> {
    Ok(cx.resources().get::<Chat>()?.clone())
}

/// The last message that a client has; 0 when it has none.
fn after(cx: &RequestContext) -> Result<i64> {
    let after = cx.optional_argument("after")?;
    let after = after.map_or(Ok(0), |after| after.parse());
    after.map_err(|_| Error::bad_request("`after` is no number"))
}

/// The room of the path.
async fn existing_room(cx: &RequestContext) -> Result<String> {
    let room = cx.path_argument("room")?;
    let there = chat(cx)?.storage.has_room(&room).await?;
    there.then_some(room).ok_or_else(|| {
        Error::not_found().message("there is no such room; it can be made on the first page")
    })
}
