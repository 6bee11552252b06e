//! The line that is logged for each request.

use std::fmt;

use tracing::{Level, error, event_enabled, info, warn};

use crate::context::RequestContext;
use crate::finish::{Ending, Finish};

/// Logs `200 GET /path (127.0.0.1) 1.23ms` under the target `cyclone::access`, as Tornado does: 5xx as an error, 4xx as
/// a warning, the rest as information. A response that did not reach its client whole says so.
///
/// It is what applications do unless they set a function of their own, which may call this one.
pub fn log_request(cx: &RequestContext, finish: &Finish) {
    let status = finish.status;
    let line = Line { cx, finish };
    if status.is_server_error() {
        error!(target: "cyclone::access", "{line}");
    } else if status.is_client_error() {
        warn!(target: "cyclone::access", "{line}");
    } else if event_enabled!(target: "cyclone::access", Level::INFO) {
        info!(target: "cyclone::access", "{line}");
    }
}

/// The line of a request that is over.
#[cfg(feature = "admin")]
pub(crate) fn line<'a>(cx: &'a RequestContext, finish: &'a Finish) -> impl fmt::Display + 'a {
    Line { cx, finish }
}

struct Line<'a> {
    cx: &'a RequestContext,
    finish: &'a Finish,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cx, finish) = (self.cx, self.finish);
        write!(
            f,
            "{} {} {} ({}) {:.2}ms",
            finish.status.as_u16(),
            cx.method(),
            Target(cx),
            Ip(cx),
            finish.elapsed().as_secs_f64() * 1000.0,
        )?;
        match finish.ending {
            Ending::Complete => Ok(()),
            Ending::Disconnected => f.write_str(" client disconnected"),
            Ending::Aborted => f.write_str(" aborted"),
        }
    }
}

/// Path and query, whatever form the request target had.
struct Target<'a>(&'a RequestContext);

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.uri().path_and_query() {
            Some(target) => f.write_str(target.as_str()),
            None => self.0.uri().fmt(f),
        }
    }
}

/// The address without the port; the whole of it where there is no port.
struct Ip<'a>(&'a RequestContext);

impl fmt::Display for Ip<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.remote_ip() {
            Some(ip) => ip.fmt(f),
            None => self.0.peer().remote().fmt(f),
        }
    }
}
