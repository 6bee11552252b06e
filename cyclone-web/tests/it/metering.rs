//! Requests counted, and in spans: right after known traffic.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use axum::Router;
use cyclone_core::{Endpoint, Server, ServerHandle};
use cyclone_web::{Application, Http, RequestContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{exchange, listen};

/// The samples of HTTP that are not 0, as Prometheus reads them.
fn samples(server: &ServerHandle) -> Vec<String> {
    let text = server.snapshot().to_prometheus();
    let samples = text
        .lines()
        .filter(|line| line.starts_with("cyclone_http_"));
    samples
        .filter(|line| !line.contains("_seconds") && !line.ends_with(" 0"))
        .map(|line| line.trim_start_matches("cyclone_http_").to_owned())
        .collect()
}

fn app() -> Application {
    Application::new()
        .get("/", async |cx: &mut RequestContext| cx.text("hello"))
        .get("/user/{id}", async |cx: &mut RequestContext| cx.text("ada"))
        .get("/wait", async |cx: &mut RequestContext| {
            cx.write("first");
            cx.flush().await?;
            std::future::pending().await
        })
        .mount(
            "/inner",
            Application::new().get("/", async |cx: &mut RequestContext| cx.text("in")),
        )
}

async fn settle(server: &ServerHandle) {
    while !server.registry().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_asked_is_counted_by_method_and_status() {
    let (server, address) = listen(app()).await;
    let requests = "GET / HTTP/1.1\r\nhost: x\r\n\r\n\
        HEAD / HTTP/1.1\r\nhost: x\r\n\r\n\
        GET /user/1 HTTP/1.1\r\nhost: x\r\n\r\n\
        GET /user/2 HTTP/1.1\r\nhost: x\r\n\r\n\
        GET /inner/ HTTP/1.1\r\nhost: x\r\n\r\n\
        BREW / HTTP/1.1\r\nhost: x\r\n\r\n\
        GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    exchange(address, requests.as_bytes()).await;
    exchange(address, b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n").await;
    settle(server.handle()).await;
    let seen = samples(server.handle());
    let expected = [
        "refused_total{status=\"400\"} 1",
        "requests_total{method=\"GET\",status=\"200\"} 4",
        "requests_total{method=\"GET\",status=\"404\"} 1",
        "requests_total{method=\"HEAD\",status=\"200\"} 1",
        "requests_total{method=\"OTHER\",status=\"405\"} 1",
    ];
    for sample in expected {
        assert!(seen.contains(&sample.to_owned()), "{sample} in {seen:#?}");
    }
    let total = seen
        .iter()
        .filter(|line| line.starts_with("requests_total"));
    assert_eq!(total.count(), 4, "{seen:#?}");
    let text = server.handle().snapshot().to_prometheus();
    assert!(text.contains("cyclone_http_request_duration_seconds_count 7\n"));
    assert!(text.contains("cyclone_http_request_duration_seconds_bucket{le=\"+Inf\"} 7\n"));
}

#[tokio::test]
async fn a_request_in_progress_and_one_whose_client_left_are_told_apart() {
    let (server, address) = listen(app()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"first\r\n") {
        client.read_buf(&mut seen).await.unwrap();
    }
    assert_eq!(samples(server.handle()), ["requests_in_progress 1"]);
    assert!(server.registry().close(1.into()));
    settle(server.handle()).await;
    assert_eq!(
        samples(server.handle()),
        [
            "requests_total{method=\"GET\",status=\"200\"} 1",
            "response_body_bytes_total 5",
            "responses_broken_total{ending=\"disconnected\"} 1",
        ]
    );
}

#[tokio::test]
async fn the_requests_of_all_listeners_of_a_server_are_counted_and_no_others() {
    let router = Router::new().route("/", axum::routing::get(async || "axum"));
    let server = Server::new()
        .listen(Endpoint::loopback(0), Http::new(router))
        .listen(Endpoint::loopback(0), app());
    let server = server.start().await.unwrap();
    let (other, other_address) = listen(app()).await;
    let close = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for listener in 0..2 {
        let address = server.local_addresses()[listener].socket_addr().unwrap();
        exchange(address, close).await;
    }
    exchange(other_address, close).await;
    settle(server.handle()).await;
    settle(other.handle()).await;
    let seen = samples(server.handle());
    assert_eq!(seen[0], "requests_total{method=\"GET\",status=\"200\"} 2");
    let seen = samples(other.handle());
    assert_eq!(seen[0], "requests_total{method=\"GET\",status=\"200\"} 1");
}

/// Keeps the fields of every span, and which span was outside of each.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    spans: Vec<Vec<(String, String)>>,
    entered: Vec<u64>,
    events: Vec<Vec<u64>>,
}

struct Fields<'a>(&'a mut Vec<(String, String)>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let targets = ["cyclone::connection", "cyclone::request", "test"];
        targets.contains(&metadata.target())
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let name = ("span".to_owned(), span.metadata().name().to_owned());
        let mut fields = vec![name];
        span.record(&mut Fields(&mut fields));
        let mut kept = self.0.lock().unwrap();
        kept.spans.push(fields);
        Id::from_u64(kept.spans.len() as u64)
    }
    fn record(&self, span: &Id, values: &Record<'_>) {
        let at = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut Fields(&mut self.0.lock().unwrap().spans[at]));
    }
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, _event: &Event<'_>) {
        let mut kept = self.0.lock().unwrap();
        let entered = kept.entered.clone();
        kept.events.push(entered);
    }
    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(span.into_u64());
    }
    fn exit(&self, span: &Id) {
        assert_eq!(self.0.lock().unwrap().entered.pop(), Some(span.into_u64()));
    }
}

#[tokio::test]
async fn a_request_has_a_span_inside_that_of_its_connection() {
    let keeper = Keeper::default();
    // With one dispatcher alone, tracing takes that of whichever thread comes first for that of all.
    let _another = tracing::Dispatch::new(Keeper::default());
    let _default = tracing::subscriber::set_default(keeper.clone());
    let app = Application::new()
        .get("/user/{id}", async |_: &mut RequestContext| {
            tracing::info!(target: "test", "in the handler");
            tokio::task::yield_now().await;
            tracing::info!(target: "test", "still");
            Err(cyclone_web::Error::new(http::StatusCode::BAD_GATEWAY))
        })
        .log_request(|_, _| {});
    let (server, address) = listen(app).await;
    let requests = "GET /user/7?secret=1 HTTP/1.1\r\nhost: x\r\n\r\n\
        BREW /none HTTP/1.0\r\n\r\n";
    exchange(address, requests.as_bytes()).await;
    settle(server.handle()).await;
    let kept = keeper.0.lock().unwrap();
    let fields = |at: usize| -> Vec<(&str, &str)> {
        let fields = kept.spans[at].iter();
        fields
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    };
    assert_eq!(kept.spans.len(), 3);
    assert_eq!(fields(0)[0], ("span", "connection"));
    assert_eq!(
        fields(1),
        [
            ("span", "request"),
            ("http.request.method", "GET"),
            ("url.path", "/user/7"),
            ("http.route", "/user/{id}"),
            ("network.protocol.version", "1.1"),
            ("otel.kind", "server"),
            ("otel.name", "GET /user/{id}"),
            ("http.response.status_code", "502"),
            ("otel.status_code", "ERROR"),
        ]
    );
    assert_eq!(
        fields(2),
        [
            ("span", "request"),
            ("http.request.method", "_OTHER"),
            ("url.path", "/none"),
            ("network.protocol.version", "1.0"),
            ("otel.kind", "server"),
            ("otel.name", "_OTHER"),
            ("http.response.status_code", "404"),
        ]
    );
    assert_eq!(kept.events, [[1, 2], [1, 2]]);
    assert!(kept.entered.is_empty());
}

#[cfg(feature = "opentelemetry")]
#[tokio::test]
async fn an_sdk_is_told_how_long_requests_took() {
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .build();
    opentelemetry::global::set_meter_provider(provider.clone());
    // A status that no other test of this process has.
    let app = Application::new().get("/", async |cx: &mut RequestContext| {
        cx.set_status(http::StatusCode::IM_USED);
        cx.text("hello")
    });
    let (server, address) = listen(app).await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for _ in 0..3 {
        exchange(address, request).await;
    }
    settle(server.handle()).await;
    provider.force_flush().unwrap();
    let exported = exporter.get_finished_metrics().unwrap();
    let scopes = exported.last().unwrap().scope_metrics();
    let durations = scopes
        .flat_map(ScopeMetrics::metrics)
        .find(|metric| metric.name() == "http.server.request.duration")
        .unwrap();
    let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = durations.data() else {
        panic!("{durations:?}");
    };
    let ours = histogram.data_points().find(|point| {
        let labels = point.attributes().map(|one| one.value.to_string());
        let mut labels: Vec<_> = labels.collect();
        labels.sort();
        labels == ["226", "GET"]
    });
    assert_eq!(ours.unwrap().count(), 3);
}
