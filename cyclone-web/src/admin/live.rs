//! `/events`: what the live page shows, once a second.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cyclone_core::{ServerHandle, Snapshot};
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::connections::{self, ConnectionJson};
use super::endpoint::unavailable;
use super::status::StatusJson;
use crate::context::RequestContext;
use crate::error::{Error, Result};

/// How many may look at the live page at once; others get 503.
pub const MAX_ADMIN_VIEWERS: usize = 32;

/// The time between two events.
const INTERVAL: Duration = Duration::from_secs(1);

/// A snapshot that is younger serves the next viewer too: however many look, it is taken once a second.
const FRESH: Duration = Duration::from_millis(900);

/// Seconds of history that the charts have when the page is opened.
const HISTORY: usize = 300;

/// Connections in an event, the newest ones.
const SHOWN_CONNECTIONS: usize = 200;

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// The servers that one set of admin pages can show, each to its own viewers; of more, the one that was shown first
/// begins anew.
const SHOWN_SERVERS: usize = 256;

/// What all viewers share.
#[derive(Clone, Default)]
pub(super) struct Hub {
    /// By server: one application may be that of several.
    shown: Arc<Mutex<Vec<(ServerHandle, Shown)>>>,
    viewers: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Shown {
    taken_at: Option<Instant>,
    /// The newest event.
    event: Bytes,
    history: VecDeque<Point>,
}

/// What the charts show of a second.
#[derive(Clone, Copy, Debug, Serialize)]
struct Point {
    /// Seconds since the server started.
    at_s: f64,
    open: usize,
    /// Since the start.
    requests: f64,
    cpu_s: f64,
    resident_bytes: u64,
    /// The worst delay of the event loop.
    delay_s: Option<f64>,
}

#[derive(Serialize)]
struct Event<'a> {
    status: &'a StatusJson,
    connections: Vec<ConnectionJson>,
    point: Point,
    read_only: bool,
}

impl Hub {
    /// The newest event, taken now unless it is fresh.
    fn event(&self, servers: &[ServerHandle], read_only: bool) -> Result<Bytes> {
        let mut all = self.lock();
        let shown = of_server(&mut all, servers)?;
        if shown.taken_at.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(shown.event.clone());
        }
        let snapshots: Vec<_> = servers.iter().map(ServerHandle::snapshot).collect();
        let point = Point::of(&snapshots);
        let event = Event {
            status: &StatusJson::of(&snapshots),
            connections: connections::newest(servers, SHOWN_CONNECTIONS, None),
            point,
            read_only,
        };
        let json = serde_json::to_string(&event)
            .map_err(|error| Error::internal("the status cannot be written").because(error))?;
        shown.taken_at = Some(Instant::now());
        shown.event = format!("event: status\ndata: {json}\n\n").into();
        if shown.history.len() == HISTORY {
            shown.history.pop_front();
        }
        shown.history.push_back(point);
        Ok(shown.event.clone())
    }

    /// What was before, for the charts.
    fn history(&self, servers: &[ServerHandle]) -> Result<String> {
        let mut all = self.lock();
        let shown = of_server(&mut all, servers)?;
        let points: Vec<_> = shown.history.iter().collect();
        let json = serde_json::to_string(&points)
            .map_err(|error| Error::internal("the history cannot be written").because(error))?;
        Ok(format!("retry: 2000\nevent: history\ndata: {json}\n\n"))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(ServerHandle, Shown)>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Result<Viewer> {
        let entered = self
            .viewers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |viewers| {
                (viewers < MAX_ADMIN_VIEWERS).then_some(viewers + 1)
            });
        match entered {
            Ok(_) => Ok(Viewer(Arc::clone(&self.viewers))),
            Err(_) => Err(unavailable("as many look at the live page as may")),
        }
    }
}

/// What is shown of these servers: they are known by the first.
fn of_server<'a>(
    all: &'a mut Vec<(ServerHandle, Shown)>,
    servers: &[ServerHandle],
) -> Result<&'a mut Shown> {
    let Some(server) = servers.first() else {
        return Err(Error::internal("there is no server to look at"));
    };
    let at = all.iter().position(|(other, _)| other.is_same(server));
    let at = at.unwrap_or_else(|| {
        if all.len() == SHOWN_SERVERS {
            all.remove(0);
        }
        all.push((server.clone(), Shown::default()));
        all.len() - 1
    });
    Ok(&mut all[at].1)
}

/// Somebody who looks at the live page.
struct Viewer(Arc<AtomicUsize>);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Point {
    fn of(snapshots: &[Snapshot]) -> Self {
        let numbers = |kind: &'static str, name: &'static str| {
            let sources = snapshots.iter().flat_map(|snapshot| &snapshot.sources);
            let of_kind = sources.filter(move |source| source.kind == kind);
            let metrics = of_kind.flat_map(|source| &source.metrics);
            let named = metrics.filter(move |metric| metric.name == name);
            named.map(|metric| metric.value.as_f64())
        };
        let process = snapshots.first().map(|first| &first.process);
        let uptime = snapshots.iter().map(|snapshot| snapshot.uptime).max();
        let cpu_time = process.and_then(|process| process.cpu_time);
        Self {
            at_s: uptime.unwrap_or_default().as_secs_f64(),
            open: snapshots
                .iter()
                .map(|snapshot| snapshot.connections.open)
                .sum(),
            requests: numbers("http", "requests_total").sum(),
            cpu_s: cpu_time.unwrap_or_default().as_secs_f64(),
            resident_bytes: process
                .and_then(|process| process.resident_bytes)
                .unwrap_or(0),
            delay_s: numbers("event_loop", "delay_worst_seconds").reduce(f64::max),
        }
    }
}

/// Sends events until the viewer goes or the server drains.
pub(super) async fn stream(shared: &Shared, cx: &mut RequestContext) -> Result {
    let mut servers = shared.servers(cx)?;
    let _viewer = shared.hub.enter()?;
    let headers = cx.response_headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    // For nginx, which collects otherwise.
    let buffering = HeaderName::from_static("x-accel-buffering");
    headers.insert(buffering, HeaderValue::from_static("no"));
    if *cx.method() == Method::HEAD {
        return cx.finish();
    }
    let session = cx.session().clone();
    let mut draining = session.draining();
    cx.write(shared.hub.history(&servers)?);
    let mut due = Instant::now();
    loop {
        cx.write(shared.hub.event(&servers, shared.is_read_only)?);
        cx.flush().await?;
        due = (due + INTERVAL).max(Instant::now());
        tokio::select! {
            () = sleep_until(due) => {}
            () = &mut draining => return cx.finish(),
        }
        // Workers come and go.
        servers = shared.servers(cx)?;
    }
}
