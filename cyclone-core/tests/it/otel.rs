//! Metrics through the API of OpenTelemetry, as an SDK exports them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use cyclone_core::{Connection, Endpoint, Server, export_metrics, protocol_fn};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{greeted, tcp_address, within};

/// The last values of a metric with its attributes, as text.
fn values(exported: &[ResourceMetrics], name: &str) -> Vec<String> {
    let last = exported.last().unwrap();
    let scopes = last.scope_metrics();
    let metrics = scopes.flat_map(ScopeMetrics::metrics);
    let mut seen = Vec::new();
    for metric in metrics.filter(|metric| metric.name() == name) {
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                assert!(sum.is_monotonic());
                seen.extend(sum.data_points().map(|point| {
                    let labels = point.attributes().map(|one| one.value.to_string());
                    format!("{:?} {}", labels.collect::<Vec<_>>(), point.value())
                }));
            }
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                seen.extend(gauge.data_points().map(|point| {
                    let labels = point.attributes().map(|one| one.value.to_string());
                    format!("{:?} {}", labels.collect::<Vec<_>>(), point.value())
                }));
            }
            other => panic!("{name} is {other:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn an_sdk_exports_the_sums_of_all_servers_and_none_of_those_that_ended() {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .build();
    export_metrics(provider.meter("cyclone"));
    // Other tests have servers too: here the protocol has a name of its own.
    let start = || {
        let protocol = protocol_fn("otel", |mut connection: Connection| async move {
            connection.write_all(b"hi").await?;
            connection.read_u8().await.map(drop)
        });
        Server::new()
            .listen(Endpoint::loopback(0), protocol)
            .start()
    };
    let (one, two) = (start().await.unwrap(), start().await.unwrap());
    // They are among those that are exported once they have run for a moment.
    tokio::task::yield_now().await;
    let mut peers = Vec::new();
    for server in [&one, &one, &two] {
        peers.push(greeted(tcp_address(server, 0)).await);
    }
    let export = || {
        two.handle().publish_metrics();
        provider.force_flush().unwrap();
        exporter.get_finished_metrics().unwrap()
    };
    let exported = export();
    let of_ours = |name| {
        let all = values(&exported, name);
        all.into_iter()
            .find(|value| value.starts_with("[\"otel\"]"))
    };
    assert_eq!(
        of_ours("cyclone_connections_open").as_deref(),
        Some("[\"otel\"] 3")
    );
    assert_eq!(
        of_ours("cyclone_connections_begun_total").as_deref(),
        Some("[\"otel\"] 3")
    );
    one.handle().shutdown_now();
    within(one.wait()).await;
    tokio::task::yield_now().await;
    let exported = export();
    let of_ours = |name| {
        let all = values(&exported, name);
        all.into_iter()
            .find(|value| value.starts_with("[\"otel\"]"))
    };
    assert_eq!(
        of_ours("cyclone_connections_open").as_deref(),
        Some("[\"otel\"] 1")
    );
    provider.shutdown().unwrap();
}
