//! The service that looks whether backends are well.

use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{Health, Service, ServiceContext, ServiceError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::config::{CheckConfig, MAX_EXPECT_BYTES};
use super::director::Balancer;
use super::group::{Group, Mode};
use super::statistics::count;
use super::upstream::{NotConnected, Upstream};

/// The checks of all backends of a balancer, each at its interval: what fails is taken out, what is well comes back.
///
/// Its own health is that of the groups: degraded while a backend is out, down while a group that serves a listener has
/// none.
#[derive(Debug)]
pub struct HealthChecks {
    balancer: Balancer,
}

impl HealthChecks {
    pub(super) fn new(balancer: Balancer) -> Self {
        Self { balancer }
    }
}

impl Service for HealthChecks {
    fn name(&self) -> &str {
        "health-checks"
    }

    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        let mut checking = JoinSet::new();
        for group in self.balancer.all_groups() {
            for index in 0..group.backends.len() {
                checking.spawn(check_for_ever(Arc::clone(group), index));
            }
        }
        tokio::select! {
            () = cx.stopping() => Ok(()),
            // None of them ends, but a panic would end it.
            Some(ended) = checking.join_next() => ended.map_err(ServiceError::from),
        }
    }

    fn health(&self) -> Health {
        let mut out = Vec::new();
        for group in self.balancer.all_groups() {
            let backends = group.info();
            let serves = |one: &super::BackendInfo| {
                one.down.is_none() && one.mode == Mode::Enabled && one.weight > 0
            };
            if !backends.iter().any(serves) && self.balancer.has_listener(group) {
                return Health::Down(format!("no backend of {} serves", group.name));
            }
            let down = backends.into_iter().filter(|one| one.down.is_some());
            out.extend(down.map(|one| one.name));
        }
        if out.is_empty() {
            Health::Up
        } else {
            Health::Degraded(format!("down: {}", out.join(", ")))
        }
    }
}

async fn check_for_ever(group: Arc<Group>, index: usize) {
    let config = &group.config.check;
    // Not all at once.
    let mut due = Instant::now() + config.interval_s.mul_f64(fastrand::f64());
    loop {
        sleep_until(due).await;
        match check(&group, index).await {
            Ok(()) => group.passed(index),
            Err(Failed::Backend(reason)) => {
                count(&group.backends[index].counts.failed_checks);
                group.failed(index, &reason);
            }
            Err(Failed::Ours(error)) => {
                let backend = group.full_name(index);
                tracing::warn!(backend, %error, "cannot check a backend");
            }
        }
        due = (due + config.interval_s).max(Instant::now());
    }
}

/// Why a check did not pass.
enum Failed {
    /// The backend is not as it should be, and how.
    Backend(String),
    /// Nothing was learned of the backend.
    Ours(NotConnected),
}

/// One check; the reason when it fails.
async fn check(group: &Group, index: usize) -> Result<(), Failed> {
    let config = &group.config.check;
    let header = group.config.proxy.of_check();
    let address = &group.backends[index].config.address;
    let limit = config.timeout_s;
    let checking = async {
        let upstream = match Upstream::connect(address, &header, limit).await {
            Ok(upstream) => upstream,
            Err(error @ NotConnected::Ours(_)) => return Err(Failed::Ours(error)),
            Err(error) => return Err(Failed::Backend(error.to_string())),
        };
        ask(upstream, config).await.map_err(Failed::Backend)
    };
    timeout(limit, checking)
        .await
        .unwrap_or_else(|_| Err(Failed::Backend(slow(limit))))
}

fn slow(limit: Duration) -> String {
    format!("no answer in {} s", limit.as_secs_f64())
}

/// Says what is to be said, and waits for what is expected.
async fn ask(mut upstream: Upstream, config: &CheckConfig) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("check failed: {error}");
    if let Some(text) = &config.send {
        upstream.write_all(text.as_bytes()).await.map_err(failed)?;
    }
    let Some(expected) = config.expect.as_ref().map(String::as_bytes) else {
        return Ok(());
    };
    let mut answer = Vec::new();
    let mut upstream = upstream.take(MAX_EXPECT_BYTES as u64);
    loop {
        // Where it may begin that was not looked at yet.
        let from = answer.len().saturating_sub(expected.len() - 1);
        let read = upstream.read_buf(&mut answer).await.map_err(failed)?;
        if contains(&answer[from..], expected) {
            return Ok(());
        }
        if read == 0 {
            return Err("the answer is not what is expected".to_owned());
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
