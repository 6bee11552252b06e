//! A request with all that may follow: further attempts, proofs of who asks, redirects.

use std::time::Duration;

use cyclone_core::BackoffPolicy;
use http::{HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use http_body::Body as _;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument as _, Span, field};
use url::{Position, Url};

use super::Inner;
use super::credentials::target;
use super::error::{ClientError, ClientErrorKind, ClientPhase, Outcome};
use super::exchange::{exchange, head_too_large};
use super::pool::Lease;
use super::redirect;
use super::request::{ClientRequest, Parts};
use super::response::ClientResponse;
use super::route::Route;
use super::settings::{MAX_CLIENT_FIELDS, MAX_STALE_CONNECTIONS, Settings};
use super::timeouts::after;
use super::upload::Upload;
use super::wire::Wire;
use crate::body::Body;
use crate::decompression::{Coding, tell_consumed};

/// Bytes of the body of a redirect or of a refusal that are read for its connection's sake.
const DRAINED: usize = 16 * 1024;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_millis(500);

pub(crate) async fn send(request: ClientRequest) -> Result<ClientResponse, ClientError> {
    let ClientRequest {
        client,
        parts,
        settings,
    } = request;
    let parts = parts?;
    let span = span(&parts);
    let url = parts.url.clone();
    let total = settings
        .timeouts
        .total
        .map(|limit| after(Instant::now(), limit));
    let sending = Sending {
        client: &client.inner,
        settings,
        total,
    };
    // Boxed, as it is large and the future of a handler is not.
    let sent = Box::pin(sending.run(parts)).instrument(span.clone()).await;
    match &sent {
        Ok(response) => {
            span.record("http.response.status_code", response.status().as_u16());
        }
        Err(error) => {
            span.record("error.type", field::debug(error.kind()));
            span.record("otel.status_code", "ERROR");
            span.in_scope(|| {
                tracing::debug!(target: "cyclone::client", %error, "request failed");
            });
        }
    }
    sent.map_err(|error| error.target(&url))
}

/// The span of a request, with the names of OpenTelemetry's conventions; without the query, which may have secrets.
fn span(parts: &Parts) -> Span {
    tracing::debug_span!(
        target: "cyclone::client",
        "client request",
        http.request.method = crate::request_span::known(&parts.method),
        server.address = parts.url.host_str(),
        server.port = parts.url.port_or_known_default(),
        url.scheme = parts.url.scheme(),
        url.path = parts.url.path(),
        http.response.status_code = field::Empty,
        http.request.resend_count = field::Empty,
        error.type = field::Empty,
        otel.kind = "client",
        otel.status_code = field::Empty,
    )
}

struct Sending<'a> {
    client: &'a Inner,
    settings: Settings,
    total: Option<Instant>,
}

impl Sending<'_> {
    async fn run(&self, mut parts: Parts) -> Result<ClientResponse, ClientError> {
        let mut redirects = Vec::new();
        let mut said_before = false;
        let mut authorization = self.first_word(&parts)?;
        loop {
            let response = self.attempts(&mut parts, authorization.take()).await?;
            if let Some(jar) = &self.client.jar {
                jar.set_all(&parts.url, response.headers());
            }
            if response.status() == StatusCode::UNAUTHORIZED
                && let Some(credentials) = &parts.credentials
                && parts.content.can_be_sent()
                && let Some(word) =
                    credentials.again(&parts.method, &parts.url, response.headers(), said_before)?
            {
                authorization = Some(word);
                // The second one is the last, unless a nonce became too old in between.
                if said_before {
                    parts.credentials = None;
                }
                said_before = true;
                drain(response).await;
                continue;
            }
            let next = redirect::next(&parts.url, &response)?;
            let Some(next) = next.filter(|_| self.settings.redirects > 0) else {
                return self.answer(response, parts.url, redirects, &parts.method);
            };
            if redirects.len() >= self.settings.redirects {
                let error = ClientError::new(ClientErrorKind::Redirect, Outcome::Answered);
                let limit = self.settings.redirects;
                return Err(error.text(format!("more than {limit}")).target(&parts.url));
            }
            let status = response.status();
            drain(response).await;
            let from = redirect::follow(&mut parts, status, next, self.settings.allow_downgrade)?;
            redirects.push(from);
            tracing::debug!(target: "cyclone::client", status = status.as_u16(), "redirected");
            Span::current().record("http.request.resend_count", redirects.len());
            said_before = false;
            authorization = self.first_word(&parts)?;
        }
    }

    /// What the request says of itself without being asked.
    fn first_word(&self, parts: &Parts) -> Result<Option<HeaderValue>, ClientError> {
        match &parts.credentials {
            Some(credentials) => credentials.first(&parts.method, &parts.url),
            None => Ok(None),
        }
    }

    /// One request to one server, sent again where that is safe.
    async fn attempts(
        &self,
        parts: &mut Parts,
        authorization: Option<HeaderValue>,
    ) -> Result<http::Response<Wire>, ClientError> {
        let client = self.client;
        let route = Route::to(&parts.url, &client.proxies, client.prior_knowledge)?;
        let (mut stale, mut failures) = (0, 0);
        loop {
            let (error, reused) = match self.attempt(parts, &route, authorization.as_ref()).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            if !parts.content.can_be_sent() || self.is_over() {
                return Err(error);
            }
            let is_safe = error.outcome() == Outcome::NotSent
                || (error.outcome() == Outcome::Unknown && parts.idempotent);
            // The server closed the connection while we took it; that happens (RFC 9112 section 9.5).
            let was_stale = reused && is_safe && error.kind() == ClientErrorKind::Closed;
            if was_stale && stale < MAX_STALE_CONNECTIONS {
                stale += 1;
                tracing::debug!(target: "cyclone::client", %error, "idle connection was closed");
                continue;
            }
            let may_help = is_passing(error.kind());
            if !(is_safe && parts.idempotent && may_help) || failures >= self.settings.retries {
                return Err(error);
            }
            failures += 1;
            let pause = BackoffPolicy::default().delay(failures, random());
            tracing::debug!(target: "cyclone::client", %error, attempt = failures + 1, "trying again");
            if self.within(Outcome::NotSent, sleep(pause)).await.is_err() {
                return Err(error);
            }
        }
    }

    async fn attempt(
        &self,
        parts: &mut Parts,
        route: &Route,
        authorization: Option<&HeaderValue>,
    ) -> Result<http::Response<Wire>, (ClientError, bool)> {
        let timeouts = &self.settings.timeouts;
        let open = || self.client.connector.open(route, timeouts);
        let leasing = self.client.pool.lease(route, timeouts.wait, open);
        let leased = self.within(Outcome::NotSent, leasing).await;
        let mut lease = leased
            .and_then(|leased| leased)
            .map_err(|error| (error, false))?;
        let reused = lease.is_reused();
        let waits = parts.expect_continue && !lease.is_http2();
        let content = parts.content.take();
        let content =
            content.ok_or_else(|| (ClientError::request("the body was sent already"), reused))?;
        let (upload, watch) = Upload::new(content, waits);
        let waits = waits && !watch.is_done();
        let request = self.head(parts, route, &lease, upload, authorization, waits);
        let request = request.map_err(|error| (error, reused))?;
        let head = self.client.connector.head;
        let sent = exchange(&mut lease, request, &watch, timeouts, self.total, head).await;
        let response = match sent {
            Ok(response) => response,
            Err(failed) => {
                if let Some(content) = failed.content {
                    parts.content = content;
                }
                return Err((failed.error, reused));
            }
        };
        check_head(&response, head).map_err(|error| (error, reused))?;
        let (head, incoming) = response.into_parts();
        let between = timeouts.between_bytes;
        let wire = Wire::new(incoming, lease, watch, between, self.total);
        Ok(http::Response::from_parts(head, wire))
    }

    /// The request as it is sent on this connection.
    fn head(
        &self,
        parts: &Parts,
        route: &Route,
        lease: &Lease,
        upload: Upload,
        authorization: Option<&HeaderValue>,
        waits: bool,
    ) -> Result<Request<Upload>, ClientError> {
        let url = &parts.url;
        let is_http2 = lease.is_http2();
        let mut headers = parts.headers.clone();
        let host = headers.remove(header::HOST);
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let uri = if is_http2 {
            let authority = host
                .as_ref()
                .and_then(|host| host.to_str().ok())
                .unwrap_or(authority);
            format!("{}://{authority}{}", url.scheme(), target(url))
        } else if route.forwarder().is_some() {
            url[..Position::AfterQuery].to_owned()
        } else {
            target(url).to_owned()
        };
        let uri = Uri::try_from(uri);
        let uri =
            uri.map_err(|error| ClientError::request("the URL cannot be sent").because(error))?;
        if !is_http2 {
            let ours = HeaderValue::from_str(authority);
            let ours = ours.map_err(|_| ClientError::request("the host cannot be sent"))?;
            headers.insert(header::HOST, host.unwrap_or(ours));
        }
        if let Some(word) = authorization {
            headers.insert(header::AUTHORIZATION, word.clone());
        }
        if let Some(proxy) = route.forwarder()
            && let Some(word) = &proxy.credentials
        {
            headers.insert(header::PROXY_AUTHORIZATION, word.clone());
        }
        if let Some(jar) = &self.client.jar
            && !headers.contains_key(header::COOKIE)
            && let Some(cookies) = jar.header(url)
            && let Ok(mut value) = HeaderValue::try_from(cookies)
        {
            value.set_sensitive(true);
            headers.insert(header::COOKIE, value);
        }
        if let Some(agent) = &self.settings.user_agent {
            headers.entry(header::USER_AGENT).or_insert(agent.clone());
        }
        if self.settings.decompress && !headers.contains_key(header::RANGE) {
            let codings = HeaderValue::from_static("gzip, deflate");
            headers.entry(header::ACCEPT_ENCODING).or_insert(codings);
        }
        headers
            .entry(header::ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        if waits {
            headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        // An empty body of these is said to be one (RFC 9110 section 8.6).
        let has_meaning = matches!(
            parts.method,
            Method::POST | Method::PUT | Method::PATCH | Method::QUERY
        );
        if has_meaning && upload.is_end_stream() {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(upload);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = if is_http2 {
            Version::HTTP_2
        } else {
            Version::HTTP_11
        };
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The response, with the limits of its body.
    fn answer(
        &self,
        response: http::Response<Wire>,
        url: Url,
        redirects: Vec<Url>,
        method: &Method,
    ) -> Result<ClientResponse, ClientError> {
        let (mut head, wire) = response.into_parts();
        let is_empty = wire.is_end_stream() || *method == Method::HEAD;
        if let Some(limit) = self.settings.body_limit
            && wire.size_hint().lower() > limit
        {
            let kind = ClientErrorKind::TooLarge { limit };
            return Err(ClientError::new(kind, Outcome::Answered).target(&url));
        }
        let mut body = Body::new(wire);
        if let Some(limit) = self.settings.body_limit {
            body.set_limit(limit);
        }
        // What we do not know, and did not ask for, stays as it is.
        if self.settings.decompress
            && !is_empty
            && head.status != StatusCode::PARTIAL_CONTENT
            && let Ok(Some(coding)) = Coding::of(&head.headers)
        {
            body = body.expanded(coding);
            tell_consumed(&mut head.headers);
        }
        Ok(ClientResponse {
            head,
            url,
            redirects,
            body,
        })
    }

    fn is_over(&self) -> bool {
        self.total.is_some_and(|at| at <= Instant::now())
    }

    /// Does something that the time for all of it bounds.
    async fn within<F: Future>(&self, outcome: Outcome, work: F) -> Result<F::Output, ClientError> {
        match self.total {
            None => Ok(work.await),
            Some(at) => timeout_at(at, work)
                .await
                .map_err(|_| ClientError::timeout(ClientPhase::Total, outcome)),
        }
    }
}

/// The limits of a head hold whatever the version.
fn check_head<B>(response: &http::Response<B>, limit: usize) -> Result<(), ClientError> {
    let headers = response.headers();
    if headers.len() > MAX_CLIENT_FIELDS {
        return Err(head_too_large(limit).text(format!("more than {MAX_CLIENT_FIELDS} fields")));
    }
    // As many bytes as HTTP/1 has: colon, blank, end of the line.
    let fields = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    if response.version() == Version::HTTP_2 && fields.sum::<usize>() > limit {
        return Err(head_too_large(limit));
    }
    Ok(())
}

/// Whether the same may go well a little later.
fn is_passing(kind: ClientErrorKind) -> bool {
    match kind {
        ClientErrorKind::Connect | ClientErrorKind::Closed => true,
        ClientErrorKind::Timeout(phase) => phase != ClientPhase::Total,
        _ => false,
    }
}

/// Reads the rest of a response that nobody wants, if it is small: its connection can be used again.
async fn drain(response: http::Response<Wire>) {
    let mut wire = response.into_body();
    let end = Instant::now() + DRAIN_TIME;
    let mut left = DRAINED;
    loop {
        let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut wire).poll_frame(cx));
        match timeout_at(end, next).await {
            Ok(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, bytes::Bytes::len);
                match left.checked_sub(length) {
                    Some(rest) => left = rest,
                    None => return,
                }
            }
            _ => return,
        }
    }
}

/// A number from 0 to below 1, to spread further attempts.
fn random() -> f64 {
    let bits = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
