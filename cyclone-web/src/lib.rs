//! placeholder

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
#[cfg(feature = "templates")]
pub use templates::{MAX_TEMPLATE_SIZE, TEMPLATE_FUEL, TemplateError, Templates};
