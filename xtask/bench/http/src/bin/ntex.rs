//! ntex, written as its documentation does, on tokio with one worker.

use cyclone_bench_http::{
    MESSAGE, Outcome, PATIENCE, PLAINTEXT, STATIC, announce, folder, listen, page, user,
};
use ntex::SharedCfg;
use ntex::http::HttpServiceConfig;
use ntex::rt::{DefaultRuntime, System};
use ntex::time::Seconds;
use ntex::web::types::{Json, Path, Query};
use ntex::web::{App, HttpResponse, HttpServer, Responder, get};
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
