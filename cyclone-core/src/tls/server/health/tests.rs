#![cfg(all(feature = "self-signed", feature = "ring"))]

use std::time::Duration;

use super::{DAY, rough};
use crate::health::Health;
use crate::tls::{DEFAULT_EXPIRY_WARNING, SelfSigned, ServerTls};

const SECOND: Duration = Duration::from_secs(1);

fn server(warning: Duration) -> ServerTls {
    let made = SelfSigned::new(["localhost"]).unwrap();
    let builder = ServerTls::builder().identity(made.identity());
    builder.expiry_warning(warning).build().unwrap()
}

#[test]
fn certificate_is_bad_health_some_time_before_it_expires() {
    let tls = server(DEFAULT_EXPIRY_WARNING);
    let expires = tls.expires().unwrap();
    let warning = expires - DEFAULT_EXPIRY_WARNING;
    assert_eq!(tls.health_at(warning - SECOND), Health::Up);
    for (now, text) in [
        (warning, "expires in 14 days"),
        (warning + SECOND, "expires in 13 days"),
        (expires - 3 * 3600 * SECOND, "expires in 3 hours"),
        (expires - 90 * SECOND, "expires in 1 minutes"),
    ] {
        let Health::Degraded(reason) = tls.health_at(now) else {
            panic!("{}", tls.health_at(now));
        };
        assert!(reason.contains(text), "{reason}");
    }
    for now in [expires, expires + SECOND, expires + 400 * 86_400 * SECOND] {
        assert!(tls.health_at(now).is_down());
    }
    let ago = tls.health_at(expires + 2 * 86_400 * SECOND);
    assert!(
        ago.reason().unwrap().contains("expired 2 days ago"),
        "{ago}"
    );
}

/// Clients refuse it as one that has expired.
#[test]
fn certificate_is_bad_health_before_it_is_valid() {
    let tls = server(DEFAULT_EXPIRY_WARNING);
    // It is valid for 365 days and one before.
    let valid_from = tls.expires().unwrap() - Duration::from_secs(366 * DAY);
    assert_eq!(tls.health_at(valid_from), Health::Up);
    let early = tls.health_at(valid_from - 3 * 3600 * SECOND);
    assert!(early.is_down(), "{early}");
    assert!(
        early
            .reason()
            .unwrap()
            .contains("not valid before 3 hours from now"),
        "{early}"
    );
}

/// Certificates of a few days would be bad health all their life.
#[test]
fn warning_comes_in_the_last_third_of_the_life() {
    let tls = server(Duration::from_secs(10 * 365 * DAY));
    let life = Duration::from_secs(366 * DAY);
    let third = tls.expires().unwrap() - life / 3;
    assert!(tls.health_at(third - SECOND).is_up());
    assert!(!tls.health_at(third).is_up());
}

#[test]
fn one_expired_certificate_of_two_is_no_outage() {
    let made = SelfSigned::new(["localhost"]).unwrap();
    let mut params = rcgen::CertificateParams::new(["lasting.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2126, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let lasting = params.self_signed(&key).unwrap().pem();
    let lasting = crate::tls::Identity::pem(lasting, key.serialize_pem());
    let tls = ServerTls::builder()
        .identity(lasting)
        .identity(made.identity());
    let tls = tls.build().unwrap();
    let health = tls.health_at(tls.expires().unwrap() + SECOND);
    assert!(matches!(health, Health::Degraded(_)), "{health}");
}

#[test]
fn times_are_told_roughly() {
    for (seconds, text) in [
        (0, "0 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (2 * DAY - 1, "47 hours"),
        (2 * DAY, "2 days"),
    ] {
        assert_eq!(rough(Duration::from_secs(seconds)), text);
    }
}
