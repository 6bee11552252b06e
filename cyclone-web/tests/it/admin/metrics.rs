//! Metrics after known traffic.

use cyclone_core::{Endpoint, Server};
use cyclone_web::Application;
use cyclone_web::admin::Admin;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::{address, ask, hello};

#[tokio::test]
async fn metrics_are_right_after_known_traffic_without_a_recorder() {
    let server = Server::new()
        .listen(Endpoint::loopback(0), Application::new().get("/", hello))
        .listen(Endpoint::loopback(0), Admin::new().application())
        .start()
        .await
        .unwrap();
    for target in ["/", "/", "/", "/none"] {
        ask(address(&server, 0), target).await;
    }
    while !server.registry().is_empty() {
        tokio::task::yield_now().await;
    }
    let (head, text) = ask(address(&server, 1), "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    for sample in [
        "cyclone_http_requests_total{method=\"GET\",status=\"200\"} 3",
        "cyclone_http_requests_total{method=\"GET\",status=\"404\"} 1",
        "cyclone_http_request_duration_seconds_count 4",
        // This one.
        "cyclone_http_requests_in_progress 1",
        "cyclone_connections_open{protocol=\"http\"} 1",
        "cyclone_connections_accepted_total 5",
        "cyclone_ready 1",
    ] {
        assert!(
            text.lines().any(|line| line == sample),
            "{sample} in {text}"
        );
    }
    assert!(text.ends_with('\n'));
}

#[tokio::test]
async fn metrics_of_a_recorder_have_those_of_the_program_too() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let rendered = recorder.handle();
    // The thread's own, as other tests count too.
    let recorder: &'static _ = Box::leak(Box::new(recorder));
    let _local = metrics::set_default_local_recorder(recorder);
    metrics::counter!("shop_orders_total").increment(7);
    let admin = Admin::new().metrics_from(move || rendered.render());
    let server = Server::new()
        .listen(Endpoint::loopback(0), Application::new().get("/", hello))
        .listen(Endpoint::loopback(0), admin.application())
        .start()
        .await
        .unwrap();
    for _ in 0..3 {
        ask(address(&server, 0), "/").await;
    }
    while !server.registry().is_empty() {
        tokio::task::yield_now().await;
    }
    let (head, text) = ask(address(&server, 1), "/metrics").await;
    assert!(
        head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    for sample in [
        "shop_orders_total 7",
        "cyclone_http_requests_total{method=\"GET\",status=\"200\"} 3",
        "cyclone_http_request_duration_seconds_count 3",
        "cyclone_connections_accepted_total 4",
        "cyclone_connections_open{protocol=\"http\"} 1",
    ] {
        assert!(
            text.lines().any(|line| line == sample),
            "{sample} in {text}"
        );
    }
}
