//! Tests of web applications: a client in memory, a server on a free port, time that obeys.
//!
//! The feature `test` belongs into the `[dev-dependencies]` of a program, never into its `[dependencies]`: it brings
//! tokio's `test-util`.
//!
//! ```toml
//! [dev-dependencies]
//! cyclone-web = { version = "0.1", features = ["test"] }
//! tokio = { version = "1", features = ["macros", "rt"] }
//! ```
//!
//! [`TestClient`] talks to an [`Application`](crate::Application) through the engine that serves sockets: the same parser,
//! limits, time limits, streaming and shutdown, over a connection in memory. It keeps cookies and sends them.
//!
//! ```
//! use cyclone_web::test::TestClient;
//! use cyclone_web::{Application, RequestContext, Result};
//!
//! async fn count(cx: &mut RequestContext) -> Result {
//!     let visits = cx.cookie("visits").and_then(|text| text.parse().ok()).unwrap_or(0) + 1;
//!     cx.set_cookie(cyclone_web::SetCookie::new("visits", visits.to_string()))?;
//!     cx.json(&visits)
//! }
//!
//! # /*
//! #[tokio::test]
//! async fn visits_are_counted() -> std::result::Result<(), cyclone_web::test::TestError> {
//! # */
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::result::Result<(), cyclone_web::test::TestError> {
//!     let client = TestClient::new(Application::new().get("/", count));
//!     assert_eq!(client.get("/").await?.json::<u32>()?, 1);
//!     assert_eq!(client.get("/").await?.json::<u32>()?, 2);
//!     client.clear_cookies();
//!     assert_eq!(client.get("/").await?.json::<u32>()?, 1);
//!     Ok(())
//! }
//! ```
//!
//! # For those who know Tornado's `AsyncHTTPTestCase`
//!
//! | Tornado, cyclone | here |
//! |---|---|
//! | `class T(AsyncHTTPTestCase)`, `get_app` | [`TestServer::start`]`(app)`; mostly [`TestClient::new`]`(app)`, without a socket |
//! | `@gen_test(timeout=5)` | `#[tokio::test]`; [`TestClientBuilder::time_limit`], 30 s unless set |
//! | `self.fetch("/path")` | `client.get("/path").await?` |
//! | `fetch(.., method="POST", body=..)` | `client.post(..).body(..)`, [`form`](TestRequest::form), [`json`](TestRequest::json), [`multipart`](TestRequest::multipart) |
//! | `fetch(.., raise_error=True)` | a status is never an error: `assert_eq!(response.status(), 200)` |
//! | `follow_redirects`, `max_redirects` | [`follow_redirects`](TestRequest::follow_redirects); **none are followed unless asked for** |
//! | `streaming_callback` | [`TestRequest::stream`], [`TestStream::chunk`] |
//! | `get_url`, `get_http_port` | [`TestServer::url`], [`TestServer::address`] |
//! | `bind_unused_port` | port 0 everywhere |
//! | `AsyncHTTPSTestCase` | an `Endpoint::tls` with a certificate made on the spot (feature `self-signed`) |
//! | `ExpectLog(logger, regex)` | [`expect_log`]`(level, text)` |
//! | `websocket_connect` | [`TestClient::websocket`](crate::test::TestClient) (feature `websocket`) |
//! | `CycloneTestCase`, `client.cookies.get_secure_cookie` | [`TestClient`], `client.signed_cookie(..)` (feature `security`) |
//! | `mock.patch` of what a handler uses | [`TestClientBuilder::resource`] with a fake |
//! | `IOLoop.time` by hand | [`pause`], [`advance`] |
//!
//! # Time
//!
//! With `#[tokio::test(start_paused = true)]`, or after [`pause`], an hour passes by [`advance`], or when everybody
//! waits for it: a heartbeat, a session that expires, a time limit of the server are tested at once and always the same.
//! Sockets do not know of that clock: such tests use the client in memory.
//!
//! # Browsers that were here before
//!
//! With the feature `security`, `client.set_signed_cookie("user", "alice")?` logs a user in without the login page, and
//! `client.post("/").xsrf()` sends the token that a page would have sent. A handler that depends on a database gets a fake
//! of it as a [resource](TestClientBuilder::resource).

mod backend;
mod client;
mod clock;
mod error;
#[cfg(feature = "sse")]
mod events;
mod form;
mod jar;
mod limit;
mod log;
mod request;
mod response;
#[cfg(feature = "security")]
mod security;
mod server;
mod target;
#[cfg(test)]
mod tests;
#[cfg(feature = "websocket")]
mod websocket;

pub use client::{TEST_TIME_LIMIT, TestClient, TestClientBuilder};
pub use clock::{advance, pause};
pub use error::{TestError, TestErrorKind};
#[cfg(feature = "sse")]
pub use events::TestEvents;
pub use form::TestForm;
pub use jar::MAX_TEST_COOKIES;
pub use log::{ExpectedLog, expect_log};
pub use request::TestRequest;
pub use response::{MAX_TEST_BODY, TestRedirect, TestResponse, TestStream};
pub use server::TestServer;
#[cfg(feature = "websocket")]
pub use websocket::{TestMessage, TestWebSocket};
