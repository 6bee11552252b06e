//! The in-process ports pass the same checks as the drivers.

use cyclone_core::{
    BusLimits, LocalBus, LogLimits, MemoryLog, MemoryStore, SharedBus, SharedLog, SharedStore,
    StoreLimits, SubscriptionLimits, conformance,
};

#[tokio::test]
async fn local_bus() {
    conformance::bus(&LocalBus::new()).await;
    conformance::bus(&SharedBus::local()).await;
}

#[tokio::test]
async fn local_bus_overflow() {
    conformance::bus_overflow(&SharedBus::local(), 256).await;
    for queue in [1, 2, 10] {
        let limits = BusLimits::new().queue(SubscriptionLimits::from(queue));
        conformance::bus_overflow(&LocalBus::with_limits(limits), queue).await;
    }
}

#[tokio::test]
async fn memory_log() {
    conformance::log(&MemoryLog::new()).await;
    conformance::log(&SharedLog::memory()).await;
}

#[tokio::test]
async fn memory_log_retention() {
    conformance::log_retention(&SharedLog::memory(), 1025).await;
    for keep in [1, 2, 10] {
        for more in [1, 2, 10] {
            let log = MemoryLog::with_limits(LogLimits::new().stream_entries(keep));
            conformance::log_retention(&log, keep + more).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn memory_store() {
    conformance::store(&MemoryStore::new()).await;
    conformance::store(&SharedStore::memory()).await;
}

#[tokio::test]
async fn memory_store_full() {
    for entries in [1, 2, 10] {
        let store = MemoryStore::with_limits(StoreLimits::new().entries(entries));
        conformance::store_full(&store, entries).await;
    }
}

#[tokio::test]
#[should_panic(expected = "retention is bounded")]
async fn a_broken_promise_panics() {
    conformance::log_retention(&MemoryLog::new(), 2).await;
}
