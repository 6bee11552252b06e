//! xitca-web, written as its documentation does, on its own runtime with one worker.

use cyclone_bench_http::{
    MESSAGE, Message, ORDER, Order, Outcome, PATIENCE, PLAINTEXT, UPLOAD, announce, folder, listen,
    page, user,
};
use xitca_web::App;
use xitca_web::body::{BodyExt as _, BodyStream};
use xitca_web::error::Error;
use xitca_web::handler::body::Body;
use xitca_web::handler::handler_service;
use xitca_web::handler::html::Html;
use xitca_web::handler::json::Json;
use xitca_web::handler::params::Params;
use xitca_web::handler::query::Query;
use xitca_web::route::{get, post};
use xitca_web::service::file::ServeDir;

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

fn main() -> Outcome {
    let listener = listen()?;
    let address = listener.local_addr()?;
    let server = App::new()
        .at("/plaintext", get(handler_service(plaintext)))
        .at("/json", get(handler_service(json)))
        .at("/user/{id}", get(handler_service(by_id)))
        .at("/page", get(handler_service(table)))
        .at(ORDER, post(handler_service(order)))
        .at(UPLOAD, post(handler_service(upload)))
        // It looks for the whole path below the folder.
        .at("/static", ServeDir::new(folder()?))
        .serve()
        .worker_threads(1)
        .keep_alive_timeout(PATIENCE)
        .request_head_timeout(PATIENCE)
        .listen(listener)?
        .run();
    announce(address)?;
    server.wait()?;
    Ok(())
}

async fn plaintext() -> &'static str {
    PLAINTEXT
}

async fn json() -> Json<Message> {
    Json(MESSAGE)
}

async fn by_id(Params(id): Params<u64>, Query(named): Query<Named>) -> String {
    user(id, &named.name)
}

async fn table() -> Html<String> {
    Html(page())
}

async fn order(Json(order): Json<Order>) -> Json<Order> {
    Json(order)
}

async fn upload<B: BodyStream + Default>(Body(body): Body<B>) -> Result<String, Error> {
    let mut body = std::pin::pin!(body);
    let mut bytes = 0;
    while let Some(piece) = body.as_mut().data().await {
        bytes += piece.map_err(Into::into)?.as_ref().len();
    }
    Ok(bytes.to_string())
}
