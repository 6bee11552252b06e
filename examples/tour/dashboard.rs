//! The dashboard: counters of the process, once a second, to every page that looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cyclone_core::{Context, EventLoopDelay, LoopingCall, Registry, Service, ServiceError, Tick};
use cyclone_web::sqlite::SqliteContext;
use cyclone_web::sse::{Event, SseChannel};
use serde::Serialize;

/// How often the counters are sent.
const INTERVAL: Duration = Duration::from_secs(1);

/// Requests that were answered, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    requests: Arc<AtomicU64>,
    started: Instant,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            requests: Arc::default(),
            started: Instant::now(),
        }
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// What the dashboard and the console show.
#[derive(Debug, Serialize)]
pub(crate) struct Counters {
    pub(crate) uptime_s: u64,
    /// Open connections by protocol.
    pub(crate) connections: BTreeMap<&'static str, usize>,
    pub(crate) accepted: u64,
    pub(crate) requests: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) guests: usize,
    pub(crate) database: Database,
    pub(crate) event_loop_delay_ms: Delay,
}

/// The health of the database and what it does.
#[derive(Debug, Serialize)]
pub(crate) struct Database {
    pub(crate) health: String,
    pub(crate) reads_waiting: usize,
    pub(crate) writes_waiting: usize,
    pub(crate) committed: u64,
}

/// By how much the runtime is late.
#[derive(Debug, Serialize)]
pub(crate) struct Delay {
    pub(crate) mean: f64,
    pub(crate) worst: f64,
}

impl Counters {
    /// Reads the counters; the rate is over the time since the process started.
    pub(crate) fn read(cx: &impl Context) -> Result<Self, ServiceError> {
        let resources = cx.resources();
        let meter = resources.get::<Meter>()?;
        let registry = resources.get::<Registry>()?;
        let delay = resources.get::<EventLoopDelay>()?;
        let guests = resources.get::<crate::chat::Chat>()?.guests().len();
        let sqlite = cx.sqlite()?;
        let statistics = sqlite.statistics();
        let uptime = meter.started.elapsed();
        Ok(Self {
            uptime_s: uptime.as_secs(),
            connections: registry.counts(),
            accepted: registry.accepted(),
            requests: meter.requests(),
            requests_per_s: rate(meter.requests(), uptime),
            guests,
            database: Database {
                health: sqlite.health().current().to_string(),
                reads_waiting: statistics.read_queue,
                writes_waiting: statistics.write_queue,
                committed: statistics.committed,
            },
            event_loop_delay_ms: Delay {
                mean: milliseconds(delay.mean()),
                worst: milliseconds(delay.worst()),
            },
        })
    }
}

/// The service that publishes the counters.
pub(crate) fn publisher(channel: SseChannel) -> impl Service {
    let last = Arc::new(AtomicU64::new(0));
    LoopingCall::new("dashboard", INTERVAL, move |tick| {
        let (channel, last) = (channel.clone(), Arc::clone(&last));
        async move { publish(&channel, &last, &tick).await }
    })
    .now()
}

async fn publish(channel: &SseChannel, last: &AtomicU64, tick: &Tick) -> Result<(), ServiceError> {
    let mut counters = Counters::read(&tick.context)?;
    let new = counters.requests - last.swap(counters.requests, Ordering::Relaxed);
    counters.requests_per_s = rate(new, INTERVAL);
    channel
        .publish(&Event::text(serde_json::to_string(&counters)?))
        .await?;
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate to look at, not to reckon with"
)]
fn rate(count: u64, time: Duration) -> f64 {
    (count as f64 / time.as_secs_f64().max(0.001) * 10.0).round() / 10.0
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
