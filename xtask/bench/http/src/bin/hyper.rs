//! Bare hyper: routed by a `match`, extracted by hand. The floor for whatever is built on hyper.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use cyclone_bench_http::{
    FILE, MESSAGE, ORDER, Order, Outcome, PLAINTEXT, UPLOAD, announce, block_on, folder, listen,
    page, user,
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

fn main() -> Outcome {
    let file = folder()?.join(FILE.trim_start_matches('/'));
    // Kept until the process ends, so that no request copies it.
    let file: &Path = Box::leak(file.into_boxed_path());
    block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listen()?)?;
        announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, file));
                // A client that goes away is no error here.
                let _ = http1::Builder::new()
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    file: &Path,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = "text/plain; charset=utf-8";
    match request.uri().path() {
        ORDER => {
            return Ok(order(request.into_body())
                .await
                .unwrap_or_else(|| status(StatusCode::BAD_REQUEST)));
        }
        UPLOAD => {
            return Ok(match count(request.into_body()).await {
                Ok(bytes) => respond(text, bytes.to_string().into()),
                Err(_) => status(StatusCode::BAD_REQUEST),
            });
        }
        _ => {}
    }
    let uri = request.uri();
    Ok(match uri.path() {
        "/plaintext" => respond(text, Bytes::from_static(PLAINTEXT.as_bytes())),
        "/json" => match serde_json::to_vec(&MESSAGE) {
            Ok(body) => respond("application/json", body.into()),
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
        },
        "/page" => respond("text/html; charset=utf-8", page().into()),
        FILE => match tokio::fs::read(file).await {
            Ok(body) => respond("text/javascript", body.into()),
            Err(_) => status(StatusCode::NOT_FOUND),
        },
        path => match path.strip_prefix("/user/").map(str::parse) {
            Some(Ok(id)) => {
                let query = uri.query().unwrap_or_default();
                let mut pairs = form_urlencoded::parse(query.as_bytes());
                match pairs.find(|(key, _)| key == "name") {
                    Some((_, name)) => respond(text, user(id, &name).into()),
                    None => status(StatusCode::BAD_REQUEST),
                }
            }
            Some(Err(_)) => status(StatusCode::BAD_REQUEST),
            None => status(StatusCode::NOT_FOUND),
        },
    })
}

async fn order(body: Incoming) -> Option<Response<Full<Bytes>>> {
    let body = body.collect().await.ok()?.to_bytes();
    let order: Order = serde_json::from_slice(&body).ok()?;
    let body = serde_json::to_vec(&order).ok()?;
    Some(respond("application/json", body.into()))
}

async fn count(mut body: Incoming) -> hyper::Result<usize> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(bytes)
}

fn respond(content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
