//! actix-web, written as its documentation does, on its own runtime with one worker.

use actix_files::Files;
use actix_web::web::{Html, Json, Path, Payload, Query, get, post};
use actix_web::{App, HttpServer, Responder, rt};
use cyclone_bench_http::{
    MESSAGE, ORDER, Order, Outcome, PATIENCE, PLAINTEXT, STATIC, UPLOAD, announce, folder, listen,
    page, user,
};
use tokio_stream::StreamExt as _;

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

fn main() -> Outcome {
    let listener = listen()?;
    let files = folder()?.join("static");
    let address = listener.local_addr()?;
    rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .route("/plaintext", get().to(plaintext))
                .route("/json", get().to(json))
                .route("/user/{id}", get().to(by_id))
                .route("/page", get().to(table))
                .route(ORDER, post().to(order))
                .route(UPLOAD, post().to(upload))
                .service(Files::new(STATIC, &files))
        })
        .workers(1)
        .tcp_nodelay(true)
        .keep_alive(PATIENCE)
        .client_request_timeout(PATIENCE)
        .listen(listener)?
        .run();
        announce(address)?;
        server.await?;
        Ok(())
    })
}

async fn plaintext() -> impl Responder {
    PLAINTEXT
}

async fn json() -> impl Responder {
    Json(MESSAGE)
}

async fn by_id(id: Path<u64>, named: Query<Named>) -> String {
    user(*id, &named.name)
}

async fn table() -> Html {
    Html::new(page())
}

async fn order(order: Json<Order>) -> impl Responder {
    order
}

async fn upload(mut body: Payload) -> actix_web::Result<String> {
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        bytes += piece?.len();
    }
    Ok(bytes.to_string())
}
