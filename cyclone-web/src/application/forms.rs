//! Settings for the bodies of requests.

use super::Application;
#[cfg(feature = "multipart")]
use crate::multipart::MultipartConfig;

impl Application {
    /// Has multipart forms read before their handlers, as urlencoded ones are, with these limits: fields are
    /// [arguments](crate::RequestContext::argument) then, files are [files](crate::RequestContext::file). Handlers that stream
    /// their body read them on their own, with the same limits.
    ///
    /// Unless called they are read when a handler asks ([`read_multipart`](crate::RequestContext::read_multipart)), with
    /// the default limits.
    #[cfg(feature = "multipart")]
    pub fn multipart(mut self, config: MultipartConfig) -> Self {
        self.edit().multipart = Some(std::sync::Arc::new(config));
        self
    }

    /// Has bodies that come compressed (`Content-Encoding: gzip`, `x-gzip` or `deflate`) expanded before anybody reads
    /// them, as Tornado's `decompress_request`; off unless called. The limit of a body holds for what was sent and for
    /// what became of it. Other codings, and more than one, are a 415 that names these.
    ///
    /// Handlers and mounts do not see `Content-Encoding` and `Content-Length` of such a body; the coding is in
    /// `x-consumed-content-encoding`, as in Tornado.
    #[cfg(feature = "decompression")]
    pub fn decompress_requests(mut self, yes: bool) -> Self {
        self.edit().decompress = yes;
        self
    }
}
