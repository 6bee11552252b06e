//! What becomes of a handler that failed.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use http::StatusCode;

use super::RequestHandler;
use crate::context::RequestContext;
use crate::error::{Error, Result};
use crate::error_page;
use crate::stream::Outcome;

/// What a handler returned, or what it panicked with.
pub(crate) type Answered = std::result::Result<Result, Box<dyn Any + Send>>;

/// [`conclude`] for what has no hooks: the application's error page, no default headers.
pub(crate) async fn conclude_plain(cx: Box<RequestContext>, answered: Answered) -> Outcome {
    conclude(&NoHooks, cx, answered).await
}

struct NoHooks;
impl RequestHandler for NoHooks {}

/// Begins the response to an error: default headers, and those of the error, which win.
fn start_error<H: RequestHandler>(handler: &H, cx: &mut RequestContext, error: &Error) {
    cx.start_error(error.status());
    if guarded("set_default_headers", || handler.set_default_headers(cx)).is_none() {
        cx.start_error(error.status());
    }
    cx.add_error_headers(error);
}

/// The error of a handler that panicked, with what it said.
fn of_panic(panic: &(dyn Any + Send)) -> Error {
    let said = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(said), _) => said,
        (_, Some(said)) => said.as_str(),
        _ => return Error::internal("the handler panicked"),
    };
    Error::internal(format!("the handler panicked: {said}"))
}

/// Calls a hook, which may panic.
pub(crate) fn guarded<T>(hook: &'static str, call: impl FnOnce() -> T) -> Option<T> {
    let called = std::panic::catch_unwind(AssertUnwindSafe(call));
    if called.is_err() {
        tracing::error!(hook, "hook panicked");
    }
    called.ok()
}

/// Turns the failure of a handler into what the connection gets.
pub(super) async fn conclude<H: RequestHandler>(
    handler: &H,
    mut cx: Box<RequestContext>,
    answered: Answered,
) -> Outcome {
    let panicked = answered.is_err();
    let result = answered.unwrap_or_else(|panic| Err(of_panic(&*panic)));
    let mut error = match result {
        Ok(response) => return cx.respond(response),
        Err(error) => error,
    };
    if let Some(response) = error.take_answer() {
        return cx.respond(response);
    }
    if error.status() == StatusCode::METHOD_NOT_ALLOWED {
        cx.complete_allow(&mut error);
    }
    cx.log_error(&error, panicked);
    if cx.is_flushed() {
        return Outcome::Aborted(cx);
    }
    start_error(handler, &mut cx, &error);
    let writing = async { handler.write_error(&mut cx, &error).await };
    let writing = AssertUnwindSafe(writing).catch_unwind();
    match writing.await {
        Ok(Ok(response)) => cx.respond(response),
        _ if cx.is_flushed() => Outcome::Aborted(cx),
        failed => {
            if let Ok(Err(mut second)) = failed {
                if let Some(response) = second.take_answer() {
                    return cx.respond(response);
                }
                cx.log_error(&second, false);
            }
            start_error(handler, &mut cx, &error);
            match error_page::write(&mut cx, &Error::new(error.status())) {
                Ok(response) => cx.respond(response),
                Err(_) => {
                    let error = Error::new(StatusCode::INTERNAL_SERVER_ERROR);
                    Outcome::Response(Box::new(error.bare_response()))
                }
            }
        }
    }
}
