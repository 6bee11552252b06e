//! Integration tests.

#[cfg(feature = "admin")]
#[cfg(test)]
mod admin;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod application;
#[cfg(feature = "auth")]
#[cfg(test)]
mod auth;
#[cfg(all(feature = "autoreload", feature = "test"))]
#[cfg(test)]
mod autoreload;
#[cfg(feature = "aws-auth")]
#[cfg(test)]
mod aws;
#[cfg(feature = "bottle")]
#[cfg(test)]
mod bottle;
#[cfg(feature = "client")]
#[cfg(test)]
mod client;
#[cfg(test)]
mod context_input;
#[cfg(test)]
mod context_output;
#[cfg(test)]
mod debug_page;
#[cfg(feature = "hyper-http1")]
#[cfg(test)]
mod differential;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod etags;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod handler_hooks;
#[cfg(test)]
mod layers;
#[cfg(feature = "locale")]
#[cfg(test)]
mod locale;
#[cfg(feature = "locale")]
#[cfg(test)]
mod locale_support;
#[cfg(feature = "metrics")]
#[cfg(test)]
mod metering;
#[cfg(test)]
mod mount;
#[cfg(all(
    feature = "openid-connect",
    any(feature = "ring", feature = "aws-lc-rs")
))]
#[cfg(test)]
mod oauth;
#[cfg(all(feature = "locale", feature = "templates"))]
#[cfg(test)]
mod pages;
#[cfg(feature = "passwords")]
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod rate_limits;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod routing;
#[cfg(feature = "security")]
#[cfg(test)]
mod security;
#[cfg(feature = "security")]
#[cfg(test)]
mod security_headers;
#[cfg(feature = "sessions")]
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod static_files;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod support;
#[cfg(all(
    feature = "test",
    feature = "multipart",
    feature = "security",
    feature = "sse",
    feature = "websocket"
))]
#[cfg(test)]
mod testkit;
#[cfg(all(feature = "self-signed", feature = "ring"))]
#[cfg(test)]
mod tls;
