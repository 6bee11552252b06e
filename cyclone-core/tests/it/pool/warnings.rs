//! What a pool logs as warnings.

use std::sync::{Arc, Mutex};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

use super::*;

/// Collects the messages of warnings, each with its fields.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Collects what this thread logs, until the guard is dropped.
    fn collect() -> (Self, DefaultGuard) {
        let warnings = Self::default();
        let guard = tracing::subscriber::set_default(warnings.clone());
        (warnings, guard)
    }

    fn with(&self, message: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter(|line| line.contains(message))
            .cloned()
            .collect()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn slow_checkouts_are_logged_but_not_each_of_them() {
    let (warnings, _guard) = Warnings::collect();
    let pool = lazy(&Fake::new())
        .name("database")
        .max_size(1)
        .slow_checkout(ms(100))
        .wait_timeout(ms(200))
        .build();
    let _held = pool.get().await.unwrap();
    for _ in 0..10 {
        pool.get().await.unwrap_err();
    }
    let lines = warnings.with("slow checkout");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for field in [
        "pool=database",
        "waited=200ms",
        "threshold=100ms",
        "in_use=1",
    ] {
        assert!(lines[0].contains(field), "{field} in {}", lines[0]);
    }
    assert_eq!(pool.statistics().slow, 10);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_logged_once() {
    let (warnings, _guard) = Warnings::collect();
    let fake = Fake::down();
    let pool = lazy(&fake).build();
    for _ in 0..100 {
        pool.get().await.unwrap_err();
        sleep(ms(500)).await;
    }
    assert!(fake.attempts() > 10);
    assert_eq!(warnings.with("pool cannot connect").len(), 1);
}
