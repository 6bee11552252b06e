//! actix-web, written as its documentation does, on its own runtime with one worker.

use actix_web::web::{Html, Json, Path, Query, get};
use actix_web::{App, HttpServer, Responder, rt};
use cyclone_bench_http::{MESSAGE, Outcome, PLAINTEXT, announce, listen, page, user};

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

fn main() -> Outcome {
    let listener = listen()?;
    let address = listener.local_addr()?;
    rt::System::new().block_on(async {
        let server = HttpServer::new(|| {
            App::new()
                .route("/plaintext", get().to(plaintext))
                .route("/json", get().to(json))
                .route("/user/{id}", get().to(by_id))
                .route("/page", get().to(table))
        })
        .workers(1)
        .tcp_nodelay(true)
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
