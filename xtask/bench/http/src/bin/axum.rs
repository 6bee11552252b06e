//! axum, written as its documentation does.

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Html;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use cyclone_bench_http::{
    MESSAGE, Message, Outcome, PLAINTEXT, announce, block_on, listen, page, user,
};

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

fn main() -> Outcome {
    block_on(async {
        let listener = tokio::net::TcpListener::from_std(listen()?)?;
        announce(listener.local_addr()?)?;
        let listener = listener.tap_io(|stream| {
            // Fails only on a socket that has gone already.
            let _ = stream.set_nodelay(true);
        });
        let app = Router::new()
            .route("/plaintext", get(plaintext))
            .route("/json", get(json))
            .route("/user/{id}", get(by_id))
            .route("/page", get(table));
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
