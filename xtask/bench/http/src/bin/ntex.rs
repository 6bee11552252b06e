//! ntex, written as its documentation does, on tokio with one worker.

use cyclone_bench_http::{
    MESSAGE, ORDER, Order, Outcome, PATIENCE, PLAINTEXT, STATIC, UPLOAD, announce, folder, listen,
    page, user,
};
use ntex::SharedCfg;
use ntex::http::HttpServiceConfig;
use ntex::rt::{DefaultRuntime, System};
use ntex::time::Seconds;
use ntex::web::types::{Json, Path, Payload, Query};
use ntex::web::{App, HttpResponse, HttpServer, Responder, error::PayloadError, get, post};
use ntex_files::Files;

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

fn main() -> Outcome {
    let listener = listen()?;
    let address = listener.local_addr()?;
    let files = folder()?.join("static");
    let patience = Seconds(u16::try_from(PATIENCE.as_secs())?);
    System::new("bench", DefaultRuntime).block_on(async move {
        let server = HttpServer::new(async move || {
            App::new()
                .route("/plaintext", get().to(plaintext))
                .route("/json", get().to(json))
                .route("/user/{id}", get().to(by_id))
                .route("/page", get().to(table))
                .route(ORDER, post().to(order))
                .route(UPLOAD, post().to(upload))
                .service(Files::new(STATIC, files.clone()))
        })
        .config(
            SharedCfg::new("bench").add(
                HttpServiceConfig::new()
                    .set_keepalive(patience)
                    .set_headers_read_rate(patience, patience, 256),
            ),
        )
        .workers(1)
        .listen(listener)?
        .run();
        announce(address)?;
        server.await?;
        Ok(())
    })
}

async fn plaintext() -> &'static str {
    PLAINTEXT
}

async fn json() -> impl Responder {
    Json(MESSAGE)
}

async fn by_id(id: Path<u64>, named: Query<Named>) -> String {
    user(*id, &named.name)
}

async fn table() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page())
}

async fn order(order: Json<Order>) -> impl Responder {
    order
}

async fn upload(mut body: Payload) -> Result<String, PayloadError> {
    let mut bytes = 0;
    while let Some(piece) = body.recv().await {
        bytes += piece?.len();
    }
    Ok(bytes.to_string())
}
