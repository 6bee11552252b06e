//! Applications in the style of Bottle.

use bytes::Bytes;
use cyclone_web::bottle::Bottle;
use cyclone_web::{Application, Body, RequestContext};
use http::{Request, Response};

use crate::support::{call, text};

mod around;
mod rules;
mod running;

/// Answers with its name and the parameters.
macro_rules! named {
    ($name:literal) => {
        async |cx: &mut cyclone_web::RequestContext| {
            let parameters: std::collections::BTreeMap<String, String> = cx.path()?;
            let parameters: Vec<String> = parameters
                .iter()
                .map(|(name, value)| format!(" {name}={value}"))
                .collect();
            cx.text(format!("{}{}", $name, parameters.concat()))
        }
    };
}
use named;

fn request(method: &str, target: &str) -> Request<Body> {
    let builder = Request::builder().method(method).uri(target);
    builder.header("host", "test").body(Body::empty()).unwrap()
}

async fn ask(app: &Application, method: &str, target: &str) -> Response<Bytes> {
    call(app, request(method, target)).await
}

/// The answer to a `GET`; its status when it is no 200.
async fn answer(app: &Application, target: &str) -> String {
    let response = ask(app, "GET", target).await;
    match response.status().as_u16() {
        200 => text(&response).to_owned(),
        status => status.to_string(),
    }
}

/// The message of the panic with which a bottle refuses to be an application.
fn refused(bottle: Bottle) -> String {
    let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bottle.application()));
    *built
        .expect_err("it was built")
        .downcast::<String>()
        .unwrap()
}

async fn unused(cx: &mut RequestContext) -> cyclone_web::Result {
    cx.finish()
}
