use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::signed::{CookieSecrets, SIGNED_VALUE_AGE};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn one() -> CookieSecrets {
    CookieSecrets::new("It's a secret to everybody").unwrap()
}

fn open(secrets: &CookieSecrets, name: &str, text: &str) -> Option<Vec<u8>> {
    let value = secrets.decrypt_at(name, text, SIGNED_VALUE_AGE, now())?;
    Some(value.into_value())
}

#[test]
fn a_value_comes_back_and_cannot_be_read() {
    for value in [&b""[..], b"value", &[0xff; 2000]] {
        let text = one().encrypt_at("key", value, now()).unwrap();
        assert_eq!(open(&one(), "key", &text).as_deref(), Some(value));
        assert_eq!(text.len(), (value.len() * 4 + 76 * 3).div_ceil(3));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        let shows = bytes.windows(5).any(|window| value.starts_with(window));
        assert!(!shows);
    }
    let opened = one().encrypt("key", b"value").unwrap();
    let opened = one().decrypt("key", &opened).unwrap();
    assert_eq!((opened.value(), opened.key_version()), (&b"value"[..], 0));
    assert!(
        SystemTime::now()
            .duration_since(opened.encrypted_at())
            .is_ok()
    );
    assert!(!format!("{opened:?}").contains("118"));
}

/// The format does not change by accident: a text that Python's cryptography package made of it.
#[test]
fn what_was_encrypted_before_is_still_read() {
    let text =
        "AQAAAAAAAAAAa0nSAAABAgMEBQYHCAkKCwwNDg9kZWZnaGlqa2xtbm__chd4b_kM2Qdux6_T-bEvHZaEksM";
    assert_eq!(open(&one(), "key", text).as_deref(), Some(&b"value"[..]));
}

#[test]
fn equal_values_are_encrypted_differently() {
    let encrypt = || one().encrypt_at("key", b"value", now()).unwrap();
    let (first, second) = (encrypt(), encrypt());
    let bytes = |text| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (first, second) = (bytes(first), bytes(second));
    assert_eq!(first[..13], second[..13], "format, key, time");
    for place in [13..29, 29..41, 41..46, 46..62] {
        assert_ne!(first[place.clone()], second[place]);
    }
}

#[test]
fn no_change_passes() {
    let text = one().encrypt_at("key", b"value", now()).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(open(&one(), "key", &changed), None, "byte {at} bit {bit}");
        }
        let cut = URL_SAFE_NO_PAD.encode(&bytes[..at]);
        assert_eq!(open(&one(), "key", &cut), None, "cut at {at}");
    }
    for name in ["", "ke", "key ", "kez", "keyy"] {
        assert_eq!(open(&one(), name, &text), None, "{name}");
    }
    for odd in [
        format!("{text}="),
        format!("{text}A"),
        format!(" {text}"),
        "\u{e4}".to_owned(),
    ] {
        assert_eq!(open(&one(), "key", &odd), None, "{odd}");
    }
    let other = CookieSecrets::new("another secret of a site").unwrap();
    assert_eq!(open(&other, "key", &text), None);
}

/// A signed value is no private one, nor the other way round.
#[test]
fn kinds_are_not_confused() {
    let signed = one().sign_at("key", b"value", now());
    assert_eq!(open(&one(), "key", &signed), None);
    let private = one().encrypt_at("key", b"value", now()).unwrap();
    let verified = one().verify_at("key", &private, SIGNED_VALUE_AGE, now());
    assert!(verified.is_none());
}

#[test]
fn a_value_of_exactly_the_age_passes_and_an_older_one_does_not() {
    let text = one().encrypt_at("key", b"value", now()).unwrap();
    let passes = |now| one().decrypt_at("key", &text, DAY, now).is_some();
    assert!(passes(now() + DAY));
    assert!(!passes(now() + DAY + Duration::from_nanos(1)));
    assert!(passes(now() - DAY), "clocks differ");
}

#[test]
fn keys_change_without_a_break() {
    let secrets = |versions: &[u32], current| {
        let secrets = versions
            .iter()
            .map(|version| (*version, format!("the secret of version {version}")));
        CookieSecrets::with_versions(secrets, current).unwrap()
    };
    let old = secrets(&[1], 1).encrypt_at("key", b"old", now()).unwrap();
    let both = secrets(&[1, 0x0102_0304], 0x0102_0304);
    let new = both.encrypt_at("key", b"new", now()).unwrap();
    assert_eq!(open(&both, "key", &old).as_deref(), Some(&b"old"[..]));
    let opened = both.decrypt_at("key", &new, DAY, now()).unwrap();
    assert_eq!(opened.key_version(), 0x0102_0304);
    assert_eq!(open(&secrets(&[1], 1), "key", &new), None);
}
