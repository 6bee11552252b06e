//! axum, written as its documentation does.

use std::convert::Infallible;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, Response};
use axum::routing::{get, post};
use cyclone_bench_http::{
    MESSAGE, Message, ORDER, Order, Outcome, PLAINTEXT, STATIC, UPLOAD, announce, block_on, folder,
    listen, page, user,
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};
use tower_http::services::ServeDir;

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

/// What is published, to everybody who follows the events.
type News = broadcast::Sender<&'static str>;

fn main() -> Outcome {
    let files = ServeDir::new(folder()?.join("static"));
    block_on(async {
        let listener = tokio::net::TcpListener::from_std(listen()?)?;
        announce(listener.local_addr()?)?;
        let app = Router::new()
            .route("/plaintext", get(plaintext))
            .route("/json", get(json))
            .route("/user/{id}", get(by_id))
            .route("/page", get(table))
            .route(ORDER, post(order))
            .route(UPLOAD, post(upload))
            .nest_service(STATIC, files)
            .route("/echo", get(echo))
            .route("/events", get(events))
            .route("/publish", get(publish))
            .with_state(News::new(16));
        axum::serve(listener, app).await?;
        Ok(())
    })
}

async fn plaintext() -> &'static str {
    PLAINTEXT
}

async fn json() -> Json<Message> {
    Json(MESSAGE)
}

async fn by_id(Path(id): Path<u64>, Query(named): Query<Named>) -> String {
    user(id, &named.name)
}

async fn table() -> Html<String> {
    Html(page())
}

async fn order(Json(order): Json<Order>) -> Json<Order> {
    Json(order)
}

async fn upload(body: Body) -> Result<String, axum::http::StatusCode> {
    let mut stream = body.into_data_stream();
    let mut bytes = 0;
    while let Some(piece) = stream.next().await {
        bytes += piece
            .map_err(|_| axum::http::StatusCode::BAD_REQUEST)?
            .len();
    }
    Ok(bytes.to_string())
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket: WebSocket| async move {
        while let Some(Ok(frame)) = socket.recv().await {
            if matches!(frame, Frame::Text(_)) && socket.send(frame).await.is_err() {
                return;
            }
        }
    })
}

async fn events(State(news): State<News>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // Who misses events goes on with the next one.
    let news = BroadcastStream::new(news.subscribe()).filter_map(Result::ok);
    Sse::new(news.map(|text| Ok(Event::default().data(text)))).keep_alive(KeepAlive::default())
}

async fn publish(State(news): State<News>) -> &'static str {
    // Fails only when nobody follows.
    let _ = news.send(PLAINTEXT);
    PLAINTEXT
}
