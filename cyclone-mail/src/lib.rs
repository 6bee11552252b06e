//! Supervised SMTP delivery for cyclone servers.
//!
//! **Nothing is implemented yet.** The name is reserved and this page says what will be here, so that the
//! other crates can be designed around it. Depend on it once a release says otherwise.
//!
//! A request should not wait for a mail server, and a mail should not be lost because one was away for a
//! minute.
//!
//! What will be here:
//!
//! - SMTP with STARTTLS or implicit TLS and authentication, on the `lettre` crate, with a time limit on
//!   every step.
//! - A bounded outbox as a `cyclone_core` service: retries with backoff where the answer was temporary,
//!   a report where it was final, a place on disk for what must survive a restart.
//! - `MailContext`: `cx.mail()` in every context.
//!
//! What will not: anything of HTTP, and no receiving of mail. Of the cyclone crates it needs only
//! `cyclone-core`.
