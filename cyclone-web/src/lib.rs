//! Tornado's programming model on tokio: handlers, routing, streaming, templates and static files.
//!
//! A handler is a value with a method for each verb, or a plain async function. It reads its request from a
//! [`RequestContext`] and answers through it, at once or piece by piece; a client that reads slowly slows its
//! handler, and one that goes away ends it. The server knows the connection all the while, upgraded or streaming.
//!
//! ```no_run
//! use std::time::Duration;
//! use cyclone_core::{Endpoint, Server};
//! use cyclone_web::{Application, RequestContext, RequestHandler, Result};
//!
//! struct Hello;
//! impl RequestHandler for Hello {
//!     async fn get(&self, cx: &mut RequestContext) -> Result {
//!         let name = cx.argument("name")?; // answers 400 when it is missing
//!         cx.text(format!("hello, {name}"))
//!     }
//! }
//!
//! async fn ticks(cx: &mut RequestContext) -> Result {
//!     for tick in 1..=10 {
//!         cx.write(format!("tick {tick}\n"));
//!         cx.flush().await?; // waits until the client takes it; dropped when the client goes away
//!         tokio::time::sleep(Duration::from_secs(1)).await;
//!     }
//!     cx.finish()
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//!     let app = Application::new().route("/", Hello).get("/ticks", ticks);
//!     Server::new().listen(Endpoint::tcp(8888), app).run().await?;
//!     Ok(())
//! }
//! ```
//!
//! # What is here
//!
//! - **Handlers**: [`RequestHandler`] with Tornado's methods and hooks (`prepare`, `on_finish`, `write_error`, …), or an
//!   `async fn` given to [`Application::get`] and its like. The [`Result`] of both is a [`Response`] or an [`Error`], so
//!   the compiler finds the branch that forgot to answer.
//! - **Requests**: arguments of query and form, path parameters, JSON and forms as types by serde, cookies, the body
//!   whole or as a stream, forms with files whole or part by part (feature `multipart`).
//! - **Responses**: `text`, `html`, `json`, `redirect`, or any `http::Response`; [`RequestContext::flush`] streams with
//!   back-pressure.
//! - **Routes**: `/user/{id}` in a radix tree, names and [reversal](RequestContext::reverse_url), limits for one route
//!   ([`UrlSpec`]).
//!   Beside them regular expressions, [hosts](Application::host), [matchers](Application::when), [nested
//!   routers](Router), [redirects](Redirect), [fallbacks](Application::fallback) and a [word about slashes](Slashes).
//! - **Bottle's style**: rules with wildcards, hooks, plugins and error pages around plain functions (feature `bottle`).
//! - **Users**: [`RequestContext::current_user`] found by an async hook, [`RequestHandler::AUTHENTICATED`] routes, a login
//!   that returns to [where it began](safe_next).
//! - **Answers**: entity tags and 304 ([`Application::etag`]), early exits ([`Error::finish`]), error pages that tell a
//!   programmer more in [debug mode](Application::debug).
//! - **Protection**: [`RateLimit`]s by address, user or key, in one process or all; [`TrustedProxies`]; `SecurityHeaders`
//!   with nonces (feature `security`).
//! - **Logins**: [challenges](Challenge) and [credentials](Credentials) of any scheme; Basic, Digest, signatures of
//!   Amazon, sessions, hashes of passwords, OAuth and OpenID Connect behind features.
//! - **Tower both ways**: [`Application::mount`] takes an axum `Router`, tonic or any other `tower::Service`; an
//!   [`Application`] is one, so tower layers wrap it and axum nests it; [`Http`] serves any of them.
//! - **Files**: [`StaticFiles`] with strong tags, ranges, versioned URLs and no way out of their directory.
//! - **Languages**: catalogues of gettext or CSV, one chosen for each request, dates and numbers (feature [`locale`]).
//! - **Requests of our own**: a client with a pool, HTTP/2, redirects, proxies and cookies (feature `client`).
//! - **Templates** in Jinja syntax, escaped by default, with a bound on their work (feature `templates`).
//! - **WebSockets and event streams**: `cx.websocket(..)` and `cx.event_stream(..)` (features `websocket`, `sse`).
//!
//! # How it fits with the others
//!
//! [`Application`] is a `ProtocolFactory` of `cyclone-core`: a [`Server`](cyclone_core::Server) listens with it beside
//! protocols of your own. [`RequestContext`] is a [`Context`](cyclone_core::Context), so every driver adds its method:
//! `cx.sqlite()` with `cyclone-sqlite`. The [`Session`](cyclone_core::Session) and [`Peer`](cyclone_core::Peer) of the
//! connection are in the extensions of the requests that mounted services get.
//!
//! HTTP/1.1, HTTP/1.0 and HTTP/2 with prior knowledge are served on one port, told apart by their first bytes. HTTP/1 is
//! this crate's own: an idle connection owns no buffer, and answers to pipelined requests leave together. HTTP/2 is hyper's.
//! A handler that takes a connection over for another protocol finds
//! [`OnUpgrade`](cyclone_core::upgrade::OnUpgrade) in the extensions of the request; mounted services find hyper's.
//!
//! # Layers
//!
//! What [tower-http](https://docs.rs/tower-http) has, works around an application; [`Http`] serves the whole. Layers see
//! all responses, error pages and mounts among them.
//!
//! ```
//! use std::time::Duration;
//! use cyclone_core::{Endpoint, Server};
//! use cyclone_web::{Application, Http, RequestContext, Result};
//! use http::StatusCode;
//! use tower::Layer;
//! use tower_http::compression::CompressionLayer;
//! use tower_http::cors::CorsLayer;
//! use tower_http::timeout::TimeoutLayer;
//!
//! async fn hello(cx: &mut RequestContext) -> Result {
//!     cx.text("hello")
//! }
//!
//! let app = Application::new().get("/", hello);
//! let app = CompressionLayer::new().layer(app); // gzip for those who accept it, as Tornado's `compress_response`
//! let app = CorsLayer::permissive().layer(app); // answers preflights itself
//! let limit = Duration::from_secs(30); // then the handler is dropped, and its request logged as 499
//! let app = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limit).layer(app);
//! let server = Server::new().listen(Endpoint::tcp(8888), Http::new(app));
//! # let _ = server;
//! ```
//!
//! The time limit ends with the head of a response: streams and WebSockets live on. Compression holds small pieces of a
//! stream back, but for `text/event-stream`. An [`ETag`](Application::etag) stays that of the page before it was
//! compressed. `TraceLayer` makes spans beside [ours](RequestContext). Settings that an application has of its own, rate limits for
//! instance, need no layer; [`Http::limits`] sets the limits of connections then.
//!
//! # Limits
//!
//! All are on by default. [`Limits`] sets and prints those of connections, which hold for handlers, mounts and [`Http`]
//! alike; those that are marked * are fixed.
//!
//! | what | default | then |
//! |---|---|---|
//! | request head, request line, one field | 64 KiB, 16 KiB, 16 KiB | 431, 414, 431 |
//! | header fields | 100 | 431 |
//! | request body | 10 MiB; [`UrlSpec::body_limit`] for a route | 413 |
//! | a whole head | 15 s | 408 |
//! | idle between requests | 60 s | closed |
//! | waiting for a body | 60 s, and 1 s for each KiB beyond 1 MiB | 408 |
//! | a response of which the client takes nothing | 60 s | closed |
//! | a handler after its client half-closed | 10 s | dropped |
//! | an unread body that is drained | 64 KiB, 5 s | closed after the answer |
//! | lingering after the last answer | 30 s, 5 s of silence, 100 MiB | closed |
//! | age of a connection | 1 h | closed after the request |
//! | an idle connection when the shutdown begins | 250 ms | closed |
//! | HTTP/2: streams, header list | 100, 64 KiB | refused, 431 |
//! | HTTP/2: ping, answer to it | 20 s, 20 s | closed |
//! | arguments of a query or a form * | 1,000 | 400 |
//! | multipart form: parts, header of a part | 100, 10 KiB; `MultipartConfig` | 400 |
//! | multipart form: one field, all that is kept in memory | 256 KiB, 1 MiB; `MultipartConfig` | 413; files go to the disk |
//! | ranges of a request for a file * | 16 | the whole file |
//! | cookie, attribute of a cookie * | 4,096 and 1,024 bytes | an error of `set_cookie` |
//! | cookies of `clear_all_cookies` * | 200 | the rest stays |
//! | clients that a rate limit counts at once | 65,536; [`RateLimit::max_clients`] | who has used least is forgotten |
//! | wait for the store of a rate limit * | 1 s | this process counts alone |
//! | reason phrase * | 256 bytes | an error of `set_status_with_reason` |
//! | parameters of credentials * | 64 | 400 |
//! | nonce of `Digest`, nonces whose uses are remembered | 5 min, 10,000; `Digest` | the client gets a new one |
//! | clock of a client that signs for S3, life of a signed URL | 15 min, 7 days; `AwsSignatures` | 403 |
//! | session without a request, in all | 1 day, 30 days; `Sessions` | as absent |
//! | session in a store | 64 KiB; `Sessions` | an error of `save` |
//! | waiting for others that write the same session * | 5 s | 503 |
//! | password *, hashes of passwords at a time, in the queue | 1,024 bytes, as many as processors, 64; `Passwords` | 400, wait, 503 |
//! | login at another site, of one browser at a time * | 10 min, 8 | 403, the others end |
//! | answer of a provider, the time for it * | 1 MiB, 10 s | 502, 503 |
//! | keys of a provider *, a look for new ones | 1 h, each 30 s | 403 |
//! | clock of a provider * | 1 min off | 403 |
//! | age of a signed value, an XSRF cookie | 31 days, 30 days for users | as absent |
//! | file kept in memory *, all of them | 256 KiB, 32 MiB | read from the disk |
//! | catalogue *, languages * | 16 MiB, 1,000 | an error at the start |
//! | plural rule *, its nesting, its forms | 1,000 bytes, 20, 16 | an error at the start |
//! | languages of `Accept-Language` * | 64 | the others do not count |
//! | modules inside one another * | 16 | an error |
//! | template *, work of a rendering | 1 MiB, 20,000,000 instructions | an error |
//!
//! How long a handler may work has no limit: only you know. Put [`tokio::time::timeout`] inside it, or tower-http's
//! `TimeoutLayer` around the application.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `regex` | no | `regex(..)`: routes by regular expression, `HostPattern::regex` |
//! | `bottle` | no | `bottle::Bottle`: applications in the style of Bottle; brings `regex` |
//! | `admin` | no | `admin::Admin`: health, metrics and a live page of the server |
//! | `metrics` | no | requests are counted, and all numbers go through the [`metrics`](https://docs.rs/metrics) facade |
//! | `opentelemetry` | no | the same through the API of OpenTelemetry |
//! | `auth` | no | `Basic` and `Digest` authentication |
//! | `aws-auth` | no | `AwsSignatures`: requests signed as those of S3 and its like |
//! | `security` | no | signed values and cookies, `Xsrf`; formats of Tornado and cyclone |
//! | `oauth` | no | logins at other sites by `OAuth2` and `OAuth1`, over an HTTP client of your choice |
//! | `openid-connect` | no | the same by `OpenIdConnect`; needs `ring` or `aws-lc-rs` |
//! | `passwords` | no | `Passwords`: hashes by Argon2, off the loop of events |
//! | `private-cookies` | no | encrypted cookies |
//! | `locale` | no | `locale`: gettext and CSV catalogues, `cx.locale()`, the program `cyclone-gettext` |
//! | `sessions` | no | `Sessions` of users, in a store or in signed cookies: `cx.user_session()` |
//! | `templates` | no | `Templates`, `cx.render(..)`; [minijinja](https://docs.rs/minijinja) is re-exported |
//! | `multipart` | no | forms with files: `cx.multipart()` part by part, `cx.file(..)` in memory or in temporary files |
//! | `decompression` | no | `Application::decompress_requests`: bodies that come compressed |
//! | `client` | no | `client`: requests to other servers, `cx.http_client()`; for `https` add `ring` or `aws-lc-rs` |
//! | `decompression` | no | [`Application::decompress_requests`]: bodies that come compressed |
//! | `decompression` | no | [`Application::decompress_requests`]: bodies that come compressed |
//! | `test` | no | `test`: a client in memory, a server on a free port, WebSockets, events, time, for tests |
//! | `embed` | no | `StaticFiles::embedded`: files in the program, by [rust-embed](https://docs.rs/rust-embed) |
//! | `autoreload` | no | `Autoreload`: debug builds start anew when they were built anew |
//! | `websocket` | no | `cx.websocket(..)`; `cyclone-websocket` as `cyclone_web::websocket` |
//! | `sse` | no | `cx.event_stream(..)`, `cx.last_event_id()`; `cyclone-sse` as `cyclone_web::sse` |
//! | `sqlite` | no | `cyclone-sqlite`, with SQLite compiled in, as `cyclone_web::sqlite` |
//! | `tls` | no | HTTPS: `Endpoint::tls` and `tls:` endpoints of `cyclone-core`, and what peers agreed upon |
//! | `ring`, `aws-lc-rs` | no | the cryptography for it; both may be on |
//! | `self-signed` | no | certificates for development, made on the spot |
//! | `acme` | no | certificates from an authority that speaks ACME; brings `ring` |
//! | `hyper-http1` | no | `Http1Engine`: HTTP/1 by hyper, as before; for one release |
//!
//! # Not supported yet
//!
//! WebSockets over
//! The address of a client behind a proxy: [`RequestContext::remote_ip`] is the
//! proxy's. An `ETag` of what handlers write ([`Precondition`] evaluates one of your
//! own). Compression of responses: files may be compressed before, for the rest take tower-http's layer. WebSockets over
//! HTTP/2. A test client, a project generator.
//! An application compresses nothing itself: files may be compressed before, for the rest take tower-http's
//! [layer](#layers). WebSockets over HTTP/2. An HTTP client, a test client, a project generator.
//! HTTP/2. An HTTP client, a test client, a project generator.
//! The address of a client behind a proxy: [`RequestContext::remote_ip`] is the
//! proxy's. Locales, UI modules. Multipart forms: the body is there, but
//! proxy's. Signed cookies, XSRF protection, authentication, UI modules. Multipart forms: the body is there, but
//! nothing takes it apart. Regex and host routes. An `ETag` of what handlers write ([`Precondition`] evaluates one of your
//! proxy's. Signed cookies, XSRF protection, authentication, locales, UI modules. Regex and host routes. An `ETag` of what handlers write ([`Precondition`] evaluates one of your
//! own). Compression of responses: files may be compressed before, for the rest take tower-http's layer. WebSockets over
//! HTTP/2. An HTTP client, a project generator.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "admin")]
pub mod admin;
mod application;
mod arguments;
mod auth;
#[cfg(feature = "autoreload")]
mod autoreload;
#[cfg(feature = "aws-auth")]
mod aws;
mod body;
#[cfg(feature = "bottle")]
pub mod bottle;
#[cfg(feature = "client")]
pub mod client;
mod conditional;
mod context;
mod cookies;
#[cfg(feature = "decompression")]
mod decompression;
mod engine;
mod error;
mod error_page;
mod etag;
mod finish;
mod function;
mod further;
mod guards;
mod handler;
mod head;
#[cfg(any(
    feature = "auth",
    feature = "aws-auth",
    feature = "client",
    feature = "security"
))]
mod hex;
mod host;
mod http_date;
#[cfg(any(feature = "locale", feature = "templates"))]
mod jinja;
mod kept;
mod limits;
#[cfg(feature = "locale")]
pub mod locale;
mod media_type;
mod meter;
mod mount;
#[cfg(feature = "multipart")]
mod multipart;
mod nested;
mod next;
#[cfg(feature = "oauth")]
mod oauth;
mod parameters;
#[cfg(feature = "passwords")]
mod passwords;
#[cfg(feature = "private-cookies")]
mod private;
mod proxies;
#[cfg(any(feature = "auth", feature = "security"))]
mod random;
mod range;
mod rate_limit;
mod redirect;
mod refusal;
mod reply;
mod request_log;
mod request_span;
mod request_view;
mod response;
mod router;
mod running;
#[cfg(feature = "security")]
mod security_headers;
#[cfg(feature = "sessions")]
mod sessions;
#[cfg(feature = "security")]
mod signed;
mod slashes;
mod static_files;
mod static_route;
mod stream;
#[cfg(feature = "templates")]
mod templates;
#[cfg(feature = "test")]
pub mod test;
mod user;
#[cfg(feature = "security")]
mod xsrf;

#[cfg(feature = "sqlite")]
pub use cyclone_sqlite as sqlite;
#[cfg(feature = "sse")]
pub use cyclone_sse as sse;
#[cfg(feature = "websocket")]
pub use cyclone_websocket as websocket;
#[cfg(feature = "templates")]
pub use minijinja;
#[cfg(feature = "embed")]
pub use rust_embed;

pub use application::{Application, ApplicationProtocol};
pub use arguments::{Arguments, ArgumentsError, DeserializeError, MAX_ARGUMENTS, from_pairs};
pub use auth::{AuthorizationError, Challenge, Credentials, InvalidChallenge, MAX_AUTH_PARAMETERS};
#[cfg(feature = "auth")]
pub use auth::{
    Basic, BasicCredentials, DIGEST_NONCE_AGE, Digest, DigestAlgorithm, DigestSecret, DigestUser,
    MAX_DIGEST_NONCES,
};
#[cfg(feature = "autoreload")]
pub use autoreload::{AUTORELOAD_INTERVAL, AUTORELOAD_MAX_FILES, Autoreload};
#[cfg(feature = "aws-auth")]
pub use aws::{
    AWS_MAX_EXPIRES, AWS_MAX_SKEW, AwsPayload, AwsSignatureError, AwsSignatures, AwsSigner,
};
pub use body::{Body, BodyError, BodyErrorKind};
pub use conditional::{Precondition, Validators};
pub use context::{MAX_REASON, RequestContext};
pub use cookies::{
    CookieError, Cookies, MAX_CLEARED_COOKIES, MAX_COOKIE_ATTRIBUTE, MAX_COOKIE_SIZE, SameSite,
    SetCookie,
};
#[cfg(feature = "hyper-http1")]
pub use engine::Http1Engine;
pub use engine::{ConnectionInfo, Http, HttpProtocol};
pub use error::{Error, Result};
pub use etag::{ETag, InvalidETag, MAX_ETAG};
pub use finish::{Ending, Finish};
pub use function::HandlerFunction;
pub use handler::RequestHandler;
pub use host::HostPattern;
pub use limits::Limits;
pub use media_type::{MAX_BOUNDARY, MediaType, MediaTypeError};
pub use mount::{BoxedError, MountedService, OriginalUri};
#[cfg(feature = "multipart")]
pub use multipart::{
    MAX_AROUND_PARTS, MAX_FIELD, MAX_FILE_IN_MEMORY, MAX_FORM_MEMORY, MAX_PART_FIELDS,
    MAX_PART_HEADER, MAX_PART_NAME, MAX_PARTS, Multipart, MultipartConfig, MultipartError,
    MultipartErrorKind, MultipartEvent, MultipartParser, Part, PartHeader, UPLOAD_CHUNK,
    UploadedFile,
};
pub use nested::Router;
pub use next::safe_next;
#[cfg(feature = "oauth")]
pub use oauth::{
    ClientAuth, LOGIN_AGE, MAX_LOGINS, MAX_OAUTH_RESPONSE, OAUTH_TIMEOUT, OAuth1, OAuth1Provider,
    OAuth1Token, OAuth2, OAuth2Login, OAuth2Provider, OAuth2Tokens, OAuthError, OAuthErrorKind,
    OAuthHttp, OAuthHttpError,
};
#[cfg(feature = "openid-connect")]
pub use oauth::{
    IdToken, OPENID_KEYS_AGE, OPENID_KEYS_INTERVAL, OPENID_SKEW, OpenIdConnect, OpenIdLogin,
};
#[cfg(feature = "passwords")]
pub use passwords::{
    MAX_PASSWORD, MAX_PASSWORD_MEMORY, MAX_PASSWORDS_WAITING, PASSWORD_MEMORY, PasswordError,
    Passwords,
};
#[cfg(feature = "private-cookies")]
pub use private::PrivateValue;
pub use proxies::TrustedProxies;
pub use rate_limit::{MAX_RATE_LIMIT_CLIENTS, RATE_LIMIT_STORE_WAIT, RateLimit};
pub use redirect::Redirect;
pub use request_log::log_request;
pub use request_view::RequestView;
pub use response::Response;
#[cfg(feature = "regex")]
pub use router::regex;
pub use router::{UrlSpec, url};
#[cfg(feature = "security")]
pub use security_headers::SecurityHeaders;
#[cfg(feature = "sessions")]
pub use sessions::{
    MAX_SESSION_SIZE, SESSION_IDLE, SESSION_LIFE, SESSION_LOCK_TIMEOUT, Sessions, UserSession,
};
#[cfg(feature = "security")]
pub use signed::{
    CookieSecretError, CookieSecrets, SIGNED_COOKIE_AGE, SIGNED_VALUE_AGE, SignedValue,
    SignedVersion,
};
pub use slashes::Slashes;
pub use static_files::{
    MAX_CACHED_FILE, STATIC_CACHE_ENTRIES, STATIC_CACHE_SIZE, STATIC_CHECK_INTERVAL, STATIC_CHUNK,
    StaticError, StaticFile, StaticFiles, StaticStatistics,
};
#[cfg(feature = "templates")]
pub use templates::{
    MAX_MODULE_DEPTH, MAX_TEMPLATE_SIZE, ModuleArguments, ModuleContext, TEMPLATE_FUEL,
    TemplateError, Templates, UiModule, Values, Whitespace,
};
pub use user::{CurrentUser, UserFunction};
#[cfg(feature = "security")]
pub use xsrf::{XSRF_COOKIE_AGE, XSRF_TOKEN_BYTES, Xsrf, XsrfVersion};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
