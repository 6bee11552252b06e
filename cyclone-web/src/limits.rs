//! The limits of an HTTP connection, all in one place.

use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;

const KIB: usize = 1024;
const MIB: u64 = 1024 * 1024;

/// How a limit is printed.
trait Shown {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Shown for Duration {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

macro_rules! shown_number {
    ($($number:ty),*) => {$(
        impl Shown for $number {
            fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}
shown_number!(usize, u64, u32);

/// Declares every limit once: field, builder method, default and row of the printed table.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $unit:literal;)+) => {
        /// Every limit of an HTTP connection: sizes, counts and waits.
        ///
        /// The defaults are safe for a server on the open Internet. Printing a `Limits` (`{}`) lists all of
        /// them with their units, for a look at the effective configuration.
        ///
        /// ```
        /// use std::time::Duration;
        /// use cyclone_web::Limits;
        ///
        /// let limits = Limits::new()
        ///     .body(64 * 1024 * 1024)
        ///     .keep_alive(Duration::from_secs(20));
        /// assert!(limits.to_string().contains("keep_alive 20s"));
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $(pub(crate) $name: $type,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// The default limits.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[doc = $doc])+
                #[must_use]
                pub fn $name(mut self, $name: $type) -> Self {
                    self.$name = $name;
                    self
                }
            )+
        }

        impl fmt::Display for Limits {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(
                    f.write_str(concat!(stringify!($name), " "))?;
                    Shown::show(&self.$name, f)?;
                    f.write_str($unit)?;
                    f.write_str("\n")?;
                )+
                Ok(())
            }
        }
    };
}

limits! {
    /// The longest request head, request line and blank line included, in bytes; 64 KiB by default. A longer
    /// one is answered with 431.
    header_section: usize = 64 * KIB, " bytes";
    /// The most header fields of a request; 100 by default, 24,576 at most. More are answered with
    /// 431.
    header_count: usize = 100, " fields";
    /// The longest single header field, name and value, in bytes; 16 KiB by default. A longer one is answered
    /// with 431.
    header_line: usize = 16 * KIB, " bytes";
    /// The longest request line without its line end, in bytes; 16 KiB by default. A longer one is answered
    /// with 414. RFC 9112 section 3 asks for at least 8000.
    request_line: usize = 16 * KIB, " bytes";
    /// The largest request body in bytes; 10 MiB by default. A larger one is answered with 413, from its
    /// `content-length` alone when it has one. A handler may set another limit for its own requests.
    body: u64 = 10 * MIB, " bytes";
    /// How long a client may take to send a whole request head, from the accept or from its first byte;
    /// 15 seconds by default. Then the answer is 408.
    header_timeout: Duration = Duration::from_secs(15), "";
    /// How long a connection may stay idle between two requests; 60 seconds by default. HTTP/2 connections
    /// without a stream are idle too.
    keep_alive: Duration = Duration::from_secs(60), "";
    /// How long the server waits for a client to send a body, in all, while a handler wants to read it;
    /// 60 seconds by default. Every [`body_rate`](Self::body_rate) bytes beyond
    /// [`body_rate_after`](Self::body_rate_after) add a second, and no single wait is longer than this.
    body_timeout: Duration = Duration::from_secs(60), "";
    /// The size in bytes up to which a body has only [`body_timeout`](Self::body_timeout); 1 MiB by default.
    body_rate_after: u64 = MIB, " bytes";
    /// The slowest mean speed of a larger body in bytes a second; 1 KiB/s by default.
    body_rate: u64 = 1024, " bytes/s";
    /// How long a client may leave a response without taking a byte of it; 60 seconds by default.
    write_stall: Duration = Duration::from_secs(60), "";
    /// The age at which a connection is closed after the request that it serves; 1 hour by default.
    connection_age: Duration = Duration::from_secs(60 * 60), "";
    /// How long a handler may go on after the client has closed its side; 10 seconds by default, anew with every
    /// write that the client's side still takes. A client that sends its request and shuts down its write side
    /// still gets the answer; one that vanished does not keep a handler busy for longer.
    half_close_grace: Duration = Duration::from_secs(10), "";
    /// The most bytes of an unread request body that are read and thrown away so that the connection can be
    /// used again; 64 KiB by default. A longer body costs the client its connection.
    drain_bytes: u64 = 64 * 1024, " bytes";
    /// How long that may take; 5 seconds by default.
    drain_time: Duration = Duration::from_secs(5), "";
    /// How long a connection that is closed while the client may still be sending goes on reading, so that the
    /// client can read the answer before it sees a reset; 30 seconds by default.
    linger_time: Duration = Duration::from_secs(30), "";
    /// The longest wait between two reads of such a connection; 5 seconds by default.
    linger_idle: Duration = Duration::from_secs(5), "";
    /// The most bytes that such a connection reads and throws away; 100 MiB by default.
    linger_bytes: u64 = 100 * MIB, " bytes";
    /// How long an idle connection stays open when the server begins to shut down, so that a request already
    /// on its way is served (RFC 9112 section 9.3.1); 250 milliseconds by default.
    shutdown_grace: Duration = Duration::from_millis(250), "";
    /// The most concurrent streams of an HTTP/2 connection; 100 by default.
    h2_streams: u32 = 100, " streams";
    /// The largest header list of an HTTP/2 request in bytes; 64 KiB by default.
    h2_header_list: u32 = 64 * 1024, " bytes";
    /// How often an HTTP/2 client is pinged; every 20 seconds by default.
    h2_ping_interval: Duration = Duration::from_secs(20), "";
    /// How long an HTTP/2 client may take to answer a ping; 20 seconds by default.
    h2_ping_timeout: Duration = Duration::from_secs(20), "";
}

/// The most header fields that a `HeaderMap` takes at once.
const MOST_FIELDS: usize = 24 * 1024;

impl Limits {
    /// The most header fields, whatever [`header_count`](Self::header_count) says.
    pub(crate) fn fields(&self) -> usize {
        self.header_count.min(MOST_FIELDS)
    }

    /// How long the server waits in all for a body of which `received` bytes have come.
    pub(crate) fn body_allowance(&self, received: u64) -> Duration {
        let beyond = received.saturating_sub(self.body_rate_after);
        self.body_timeout
            .saturating_add(Duration::from_secs(beyond / self.body_rate.max(1)))
    }
}
