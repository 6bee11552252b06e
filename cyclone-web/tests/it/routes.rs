//! Routes beyond patterns: expressions, hosts, routers in routers, redirects.

use bytes::Bytes;
use cyclone_web::{Application, Body, RequestContext, Result};
use http::{Request, Response};

use crate::support::{call, get, text};

mod clashes;
#[cfg(feature = "regex")]
mod expressions;
mod hosts;
mod nested;
mod redirects;
mod reversed;
mod slashes;

/// Answers with the pattern's parameters and what the route is called.
macro_rules! named {
    ($name:literal) => {
        async |cx: &mut cyclone_web::RequestContext| {
            let parameters: Vec<(String, String)> = cx
                .path::<std::collections::BTreeMap<String, String>>()?
                .into_iter()
                .collect();
            let parameters: Vec<String> = parameters
                .iter()
                .map(|(name, value)| format!(" {name}={value}"))
                .collect();
            cx.text(format!("{}{}", $name, parameters.concat()))
        }
    };
}
use named;

fn request(method: &str, host: &str, target: &str) -> Request<Body> {
    let builder = Request::builder().method(method).uri(target);
    builder.header("host", host).body(Body::empty()).unwrap()
}

/// The answer to a `GET`; its status when it is no 200.
async fn answer(app: &Application, target: &str) -> String {
    said(&call(app, get(target)).await)
}

fn said(response: &Response<Bytes>) -> String {
    match response.status().as_u16() {
        200 => text(response).to_owned(),
        status => match response.headers().get("location") {
            Some(location) => format!("{status} {}", location.to_str().unwrap()),
            None => status.to_string(),
        },
    }
}

/// The message of the panic with which an application refuses to be built.
fn refused(build: impl FnOnce() -> Application) -> String {
    let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(build));
    let panic = built.expect_err("it was built");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

async fn unused(cx: &mut RequestContext) -> Result {
    cx.finish()
}
