//! How the certificates of a server are, in time.

use std::time::{Duration, SystemTime};

use super::ServerTls;
use crate::health::Health;
use crate::tls::certificate::Certificate;

/// A certificate counts as about to expire in this part of its life at the earliest.
const LAST_PART: u32 = 3;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

impl ServerTls {
    pub(super) fn health_at(&self, now: SystemTime) -> Health {
        let active = self.active();
        let mut invalid = Vec::new();
        let mut reasons = Vec::new();
        for (certificate, place) in active.certificates.iter().zip(&active.places) {
            let expires = certificate.expires();
            if let Ok(early) = certificate.valid_from().duration_since(now)
                && !early.is_zero()
            {
                invalid.push(format!(
                    "{place} is not valid before {} from now",
                    rough(early)
                ));
                continue;
            }
            match expires.duration_since(now) {
                Ok(left) if left > self.warning(certificate) => {}
                Ok(left) if !left.is_zero() => {
                    reasons.push(format!("{place} expires in {}", rough(left)));
                }
                _ => {
                    let ago = now.duration_since(expires).unwrap_or_default();
                    invalid.push(format!("{place} expired {} ago", rough(ago)));
                }
            }
        }
        #[cfg_attr(not(feature = "acme"), expect(unused_mut, reason = "ACME adds some"))]
        let mut count = active.certificates.len();
        #[cfg(feature = "acme")]
        for acme in self.acme() {
            count += 1;
            match acme.health() {
                Health::Up | Health::Starting => {}
                Health::Degraded(reason) => reasons.push(reason),
                Health::Down(reason) => invalid.push(reason),
            }
        }
        let all_invalid = invalid.len() == count;
        let outdated = active.updates.iter().filter(|(update, _)| *update <= now);
        let outdated: Vec<_> = outdated
            .map(|(_, place)| {
                format!(
                    "the revocation list in {place} is out of date, so that its clients are refused"
                )
            })
            .collect();
        let all_outdated = !outdated.is_empty() && outdated.len() == active.updates.len();
        let none_is_checked = all_outdated && active.needs_lists;
        reasons.extend(outdated);
        if let Some(failure) = &self.shared.state.borrow().failure {
            reasons.push(format!("the certificates were not replaced: {failure}"));
        }
        reasons.splice(0..0, invalid);
        match reasons.is_empty() {
            true if self.certificates().is_empty() => Health::Starting,
            true => Health::Up,
            false if all_invalid || none_is_checked => Health::Down(reasons.join("; ")),
            false => Health::Degraded(reasons.join("; ")),
        }
    }

    /// How long before its end a certificate counts as about to expire.
    fn warning(&self, certificate: &Certificate) -> Duration {
        let life = certificate
            .expires()
            .duration_since(certificate.valid_from());
        let last_part = life.unwrap_or_default() / LAST_PART;
        self.shared.settings.expiry_warning.min(last_part)
    }
}

/// A time in days or hours, rounded down.
fn rough(time: Duration) -> String {
    let (count, unit) = match time.as_secs() {
        seconds if seconds >= 2 * DAY => (seconds / DAY, "days"),
        seconds if seconds >= 2 * HOUR => (seconds / HOUR, "hours"),
        seconds => (seconds / 60, "minutes"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests;
