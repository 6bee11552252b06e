//! Tornado's programming model on tokio and hyper.

mod application;
mod context;
mod error;
mod error_page;
mod finish;
mod function;
mod handler;
mod mount;
mod refusal;
mod request_log;
mod response;
mod router;
mod stream;

pub use application::{Application, ApplicationProtocol};
pub use context::RequestContext;
pub use error::{Error, Result};
pub use finish::{Ending, Finish};
pub use function::HandlerFunction;
pub use handler::RequestHandler;
pub use mount::{BoxedError, MountedService, OriginalUri};
pub use request_log::log_request;
pub use response::Response;
pub use router::{UrlSpec, url};

mod arguments;
mod body;
mod conditional;
mod cookies;
mod engine;
mod etag;
mod http_date;
mod limits;
mod media_type;
mod parameters;
mod range;
mod static_files;
mod static_route;
#[cfg(feature = "templates")]
mod templates;

pub use arguments::{Arguments, ArgumentsError, DeserializeError, MAX_ARGUMENTS, from_pairs};
pub use body::{Body, BodyError, BodyErrorKind};
pub use conditional::{Precondition, Validators};
pub use cookies::{
    CookieError, Cookies, MAX_COOKIE_ATTRIBUTE, MAX_COOKIE_SIZE, SameSite, SetCookie,
};
pub use engine::{ConnectionInfo, Http, HttpProtocol};
pub use etag::{ETag, InvalidETag, MAX_ETAG};
pub use limits::Limits;
pub use media_type::{MAX_BOUNDARY, MediaType, MediaTypeError};
#[cfg(feature = "templates")]
pub use minijinja;
pub use static_files::{
    MAX_CACHED_FILE, STATIC_CACHE_ENTRIES, STATIC_CACHE_SIZE, STATIC_CHECK_INTERVAL, STATIC_CHUNK,
    StaticError, StaticFiles,
};
#[cfg(feature = "templates")]
pub use templates::{MAX_TEMPLATE_SIZE, TEMPLATE_FUEL, TemplateError, Templates};

#[cfg(feature = "sqlite")]
pub use cyclone_sqlite as sqlite;
#[cfg(feature = "sse")]
pub use cyclone_sse as sse;
#[cfg(feature = "websocket")]
pub use cyclone_websocket as websocket;
