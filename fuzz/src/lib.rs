//! Fuzz targets: functions that take any bytes, and panic when something is not as it must be.
//!
//! Each name has a folder in `corpus`, which `cargo test` replays and `cargo xtask fuzz` starts from. A finding
//! becomes a file there, called `regression-` and what it was.

mod arguments;
mod codec;
mod esl;
mod files;
mod headers;
mod http1;
mod lines;
mod locale;
mod multipart;
mod names;
mod options;
mod proxy_protocol;
mod routes;
mod security;
mod serve;
mod sse;
mod websocket;

/// A function to be fuzzed.
#[derive(Debug)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("arguments", arguments::arguments),
    target("catalog_csv", locale::catalog_csv),
    target("catalog_mo", locale::catalog_mo),
    target("catalog_po", locale::catalog_po),
    target("client_endpoint", names::client_endpoint),
    target("conditional", headers::conditional),
    target("configuration", options::configuration),
    target("cookies", headers::cookies),
    target("endpoint", names::endpoint),
    target("entry_id", names::entry_id),
    target("esl_commands", esl::commands),
    target("esl_frames", esl::frames),
    target("event", sse::event),
    target("frames", websocket::frames),
    target("handshake", websocket::handshake),
    target("http1", serve::http1),
    target("http1_chunks", http1::chunks),
    target("http1_head", http1::head),
    target("http1_requests", http1::requests),
    target("http1_upgrade", http1::upgrade),
    target("languages", locale::languages),
    target("line_codec", codec::lines),
    target("lines", lines::lines),
    target("location", routes::location),
    target("media_type", headers::media_type),
    target("multipart", multipart::multipart),
    target("multipart_header", multipart::header),
    target("messages", locale::messages),
    target("netstrings", codec::netstrings),
    target("network", names::network),
    target("option_values", options::option_values),
    target("plural_rule", locale::plural_rule),
    target("prefixed", codec::prefixed),
    target("proxy_protocol", proxy_protocol::proxy_protocol),
    target("range", files::range),
    target("routes", routes::routes),
    target("safe_next", security::safe_next_target),
    target("set_cookie", headers::set_cookie),
    target("signed_values", security::signed_values),
    target("sse", sse::decoder),
    target("static_path", files::static_path),
];

/// The bytes between two line breaks; the whole when there is none.
fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == b'\n')
}

/// The same as text; what is no UTF-8 ends it.
fn texts(data: &[u8]) -> impl Iterator<Item = &str> {
    pieces(data).map_while(|piece| std::str::from_utf8(piece).ok())
}
