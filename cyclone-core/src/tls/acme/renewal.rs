//! The service that orders and renews a certificate.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use rustls_acme::{AccountCache, AcmeConfig, AcmeState, CertCache, EventError, EventOk};
use tokio::time::{sleep, timeout};

use super::{Acme, failed, kept};
use crate::backoff::BackoffPolicy;
use crate::health::Health;
use crate::lock::lock;
use crate::service::{Service, ServiceContext, ServiceError};
use crate::tls::error::TlsError;
use crate::tls::files::write_private;

/// How long after a failed attempt the next one comes at the earliest: a minute, doubled with each further failure.
/// Authorities count failures and turn those away who have many.
pub const ACME_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The longest pause between attempts: six hours.
pub const ACME_RETRY_MAX: Duration = Duration::from_secs(6 * 3600);

/// How long an attempt may take: 30 minutes. An authority that does not answer is given up then.
pub const ACME_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// A certificate is renewed when this part of its life is left.
const LAST_PART: u32 = 3;

/// A service that orders a certificate from an authority and renews it; see [`Acme`].
///
/// An authority that fails is asked again after [`ACME_RETRY_AFTER`], doubled up to [`ACME_RETRY_MAX`] and jittered;
/// meanwhile the certificate that is there stays in use.
#[derive(Debug)]
pub struct AcmeRenewal {
    acme: Acme,
    name: String,
}

impl AcmeRenewal {
    pub(super) fn new(acme: &Acme) -> Self {
        let first = acme.names().first().map_or("", String::as_str);
        Self {
            acme: acme.clone(),
            name: format!("acme {first}"),
        }
    }

    /// Orders and renews for ever.
    async fn work(&self) {
        let pause = BackoffPolicy::default()
            .base(ACME_RETRY_AFTER)
            .max(ACME_RETRY_MAX);
        let mut failures = 0;
        loop {
            let error = self.until_failure(&mut failures).await;
            let wait = pause.delay(failures, fastrand::f64()).max(ACME_RETRY_AFTER);
            failures = failures.saturating_add(1);
            tracing::warn!(
                service = self.name,
                %error,
                wait_s = wait.as_secs(),
                "the authority gave no certificate"
            );
            self.acme
                .shared
                .health
                .set(Health::Degraded(error.to_string()));
            sleep(wait).await;
        }
    }

    /// Orders and renews until something fails.
    async fn until_failure(&self, failures: &mut u32) -> TlsError {
        let shared = &self.acme.shared;
        let config =
            AcmeConfig::new_with_client_config(&shared.names, Arc::clone(shared.client.config()))
                .directory(&shared.directory)
                .contact(&shared.contact)
                .cache(Kept(self.acme.clone()));
        let mut state: AcmeState<TlsError, TlsError> = AcmeState::new(config);
        let provider = Arc::clone(shared.provider.crypto());
        let answer = state.challenge_rustls_config_with_provider(provider);
        *lock(&shared.challenge) = Some(answer);
        let _answering = Answering(&self.acme);
        loop {
            let limit = self.until_renewal() + ACME_ATTEMPT_TIMEOUT;
            let Ok(event) = timeout(limit, state.next()).await else {
                return failed("the authority did not answer", &"it took too long");
            };
            match event {
                Some(Ok(EventOk::DeployedNewCert)) => {
                    tracing::info!(service = self.name, "the authority gave a certificate");
                    shared.health.set(Health::Up);
                }
                Some(Ok(EventOk::CertCacheStore)) => *failures = 0,
                // One that is to be renewed says nothing: the last attempt may have failed.
                Some(Ok(EventOk::DeployedCachedCert)) if self.until_renewal().is_zero() => {}
                Some(Ok(EventOk::DeployedCachedCert)) => {
                    shared.health.set(Health::Up);
                }
                Some(Ok(_)) => {}
                Some(Err(EventError::Order(error))) => {
                    return failed("the authority gave no certificate", &error);
                }
                Some(Err(
                    EventError::CertCacheLoad(error)
                    | EventError::CertCacheStore(error)
                    | EventError::AccountCacheLoad(error)
                    | EventError::AccountCacheStore(error),
                )) => return error,
                Some(Err(error)) => return failed("a certificate cannot be used", &error),
                None => return failed("the order ended", &"without an error"),
            }
        }
    }

    /// How long nothing needs to be done.
    fn until_renewal(&self) -> Duration {
        let Some(certificate) = self.acme.certificate() else {
            return Duration::ZERO;
        };
        let expires = certificate.expires();
        let life = expires.duration_since(certificate.valid_from());
        let left = expires.duration_since(SystemTime::now());
        let last_part = life.unwrap_or_default() / LAST_PART;
        left.unwrap_or_default().saturating_sub(last_part)
    }
}

/// Without an order nobody is answered.
struct Answering<'a>(&'a Acme);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        *lock(&self.0.shared.challenge) = None;
    }
}

impl Service for AcmeRenewal {
    fn name(&self) -> &str {
        &self.name
    }

    /// Makes the folder, as the user that the process has now: the privileges of the start are gone.
    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        let folder = Kept(self.acme.clone());
        let made = folder.blocking(|acme| kept::make_folder(&acme.shared.folder));
        Ok(made.await?)
    }

    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        let working = async {
            // Of several services for the same certificate one works.
            let _turn = self.acme.shared.working.lock().await;
            self.work().await;
        };
        tokio::select! {
            biased;
            () = cx.stopping() => {}
            () = working => {}
        }
        Ok(())
    }

    fn health(&self) -> Health {
        self.acme.health()
    }
}

/// The folder, as the library that orders certificates wants it.
struct Kept(Acme);

/// What the `async fn`s of the library's traits are.
type Kindly<'a, T> = Pin<Box<dyn Future<Output = Result<T, TlsError>> + Send + 'a>>;

impl Kept {
    /// Works on files where that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Acme) -> Result<T, TlsError> + Send + 'static,
    ) -> Result<T, TlsError> {
        let acme = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&acme)).await;
        done.unwrap_or_else(|error| Err(failed("the files cannot be used", &error)))
    }
}

impl CertCache for Kept {
    type EC = TlsError;

    fn load_cert<'a, 'b, 'c, 'async_trait>(
        &'a self,
        _names: &'b [String],
        _directory: &'c str,
    ) -> Kindly<'async_trait, Option<Vec<u8>>>
    where
        'a: 'async_trait,
        'b: 'async_trait,
        'c: 'async_trait,
    {
        Box::pin(self.blocking(Acme::go_on))
    }

    fn store_cert<'a, 'b, 'c, 'd, 'async_trait>(
        &'a self,
        _names: &'b [String],
        _directory: &'c str,
        pem: &'d [u8],
    ) -> Kindly<'async_trait, ()>
    where
        'a: 'async_trait,
        'b: 'async_trait,
        'c: 'async_trait,
        'd: 'async_trait,
    {
        let pem = pem.to_vec();
        Box::pin(self.blocking(move |acme| acme.take(&pem)))
    }
}

impl AccountCache for Kept {
    type EA = TlsError;

    fn load_account<'a, 'b, 'c, 'async_trait>(
        &'a self,
        _contact: &'b [String],
        _directory: &'c str,
    ) -> Kindly<'async_trait, Option<Vec<u8>>>
    where
        'a: 'async_trait,
        'b: 'async_trait,
        'c: 'async_trait,
    {
        Box::pin(self.blocking(|acme| kept::read(&acme.account_path())))
    }

    fn store_account<'a, 'b, 'c, 'd, 'async_trait>(
        &'a self,
        _contact: &'b [String],
        _directory: &'c str,
        key: &'d [u8],
    ) -> Kindly<'async_trait, ()>
    where
        'a: 'async_trait,
        'b: 'async_trait,
        'c: 'async_trait,
        'd: 'async_trait,
    {
        let key = key.to_vec();
        Box::pin(self.blocking(move |acme| write_private(&acme.account_path(), &key)))
    }
}
