//! The formats, and what must not pass. Tornado itself is asked in `tests/it/security`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CookieSecretError, CookieSecrets, SIGNED_VALUE_AGE, SignedVersion};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn one() -> CookieSecrets {
    CookieSecrets::new("It's a secret to everybody").unwrap()
}

/// The value, checked when it is new.
fn verify(secrets: &CookieSecrets, name: &str, text: &str) -> Option<Vec<u8>> {
    let now = at(1_300_000_000);
    let signed = secrets.verify_at(name, text, SIGNED_VALUE_AGE, now)?;
    Some(signed.into_value())
}

/// The known answers of Tornado's own tests (web_test.py, `SignedValueTest`).
#[test]
fn known_values_are_those_of_tornado() {
    let secrets = one();
    let (key, value) = ("key", b"value");
    let v1 = "dmFsdWU=|1300000000|31c934969f53e48164c50768b40cbd7e2daaaa4f";
    let v2 = "2|1:0|10:1300000000|3:key|8:dmFsdWU=|\
              3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152";
    let now = at(1_300_000_000);
    assert_eq!(secrets.sign_v1_at(key, value, now).unwrap(), v1);
    assert_eq!(secrets.sign_at(key, value, now), v2);
    for (text, version, key_version) in [
        (v1, SignedVersion::V1, None),
        (v2, SignedVersion::V2, Some(0)),
    ] {
        let signed = secrets.verify_at(key, text, DAY, now).unwrap();
        assert_eq!(signed.value(), value);
        assert_eq!(signed.version(), version);
        assert_eq!(signed.key_version(), key_version);
        assert_eq!(signed.signed_at(), now);
    }
}

#[test]
fn an_old_format_is_refused_where_it_is_not_wanted() {
    let secrets = one().min_version(SignedVersion::V2);
    let now = at(1_300_000_000);
    let v1 = secrets.sign_v1_at("key", b"value", now).unwrap();
    assert_eq!(verify(&secrets, "key", &v1), None);
    assert!(verify(&one(), "key", &v1).is_some());
    assert!(verify(&secrets, "key", &secrets.sign_at("key", b"value", now)).is_some());
}

#[test]
fn a_value_of_exactly_the_age_passes_and_an_older_one_does_not() {
    let secrets = one();
    let texts = [
        secrets.sign_at("key", b"value", at(1_300_000_000)),
        secrets
            .sign_v1_at("key", b"value", at(1_300_000_000))
            .unwrap(),
    ];
    for text in &texts {
        let age = |now| secrets.verify_at("key", text, DAY, now).is_some();
        let end = at(1_300_000_000) + DAY;
        assert!(age(end - Duration::from_nanos(1)));
        assert!(age(end));
        assert!(!age(end + Duration::from_nanos(1)));
        assert!(age(at(1_300_000_000) - DAY), "clocks differ");
        let never = secrets.verify_at("key", text, Duration::MAX, at(u32::MAX.into()));
        assert!(never.is_some());
    }
}

/// Tornado 1.0.1: data must not move between the value and the time. Version 1 has no boundaries, and is guarded by the
/// look of the time; version 2 has them.
#[test]
fn tornado_1_0_1_digits_do_not_move_between_fields() {
    let secrets = one();
    let now = at(1_300_000_000);
    // The base64 of these bytes is digits only.
    let value = b"\xd7\x6d\xf8\xe7\xae\xfc";
    let v1 = secrets.sign_v1_at("key", value, now).unwrap();
    assert!(v1.starts_with("12345678|1300000000|"), "{v1}");
    assert!(verify(&secrets, "key", &v1).is_some());
    let moved = v1.replace("12345678|1300000000|", "1234|56781300000000|");
    assert_eq!(
        verify(&secrets, "key", &moved),
        None,
        "a time in the future"
    );
    let nothing = secrets.sign_v1_at("key", b"\xd3\x4d\x34", now).unwrap();
    assert!(nothing.starts_with("0000|"), "{nothing}");
    let moved = nothing.replace("0000|1300000000|", "|00001300000000|");
    assert_eq!(verify(&secrets, "key", &moved), None, "a time with zeros");
    let v2 = secrets.sign_at("key", value, now);
    let moved = v2.replace(
        "10:1300000000|3:key|8:12345678",
        "14:13000000001234|3:key|4:5678",
    );
    assert_ne!(moved, v2);
    assert_eq!(verify(&secrets, "key", &moved), None);
}

/// A time of the first format may be 31 days ahead and no more.
#[test]
fn a_first_format_from_the_far_future_is_refused() {
    let secrets = one();
    let now = at(1_300_000_000);
    let ahead = |by: Duration| {
        let text = secrets.sign_v1_at("key", b"value", now + by).unwrap();
        verify(&secrets, "key", &text).is_some()
    };
    assert!(ahead(31 * DAY));
    assert!(!ahead(31 * DAY + Duration::from_secs(1)));
}

/// Tornado 3.2.1: a cookie whose name is a prefix of another's does not pass for it.
#[test]
fn tornado_3_2_1_a_name_is_not_part_of_the_value() {
    let secrets = one();
    let v2 = secrets.sign_at("user", b"ada", at(1_300_000_000));
    assert!(verify(&secrets, "user", &v2).is_some());
    for other in ["use", "user ", "userZ", "", "us"] {
        assert_eq!(verify(&secrets, other, &v2), None, "{other}");
    }
    // The base64 of the value begins where the name ends, so the boundary cannot move.
    let moved = v2.replace("4:user|4:YWRh", "3:use|5:rYWRh");
    assert_ne!(moved, v2);
    assert_eq!(verify(&secrets, "use", &moved), None);
}

/// RUSTSEC of several crates: nothing is cut by a length that the client declares, inside a character for instance.
#[test]
fn declared_lengths_are_not_believed() {
    let secrets = one();
    for text in [
        "",
        "|",
        "||",
        "|||",
        "2|",
        "2||",
        "2|1:0",
        "2|1:0|",
        "2|0:|0:|0:|0:|",
        "2|2:\u{e4}|1:1|1:a|1:b|c",
        "2|1:\u{e4}|1:1|1:a|1:b|c",
        "2|99999999999999999999:0|1:1|1:a|1:b|c",
        "2|18446744073709551615:0|1:1|1:a|1:b|c",
        "2|-1:0|1:1|1:a|1:b|c",
        "2|+1:0|1:1|1:a|1:b|c",
        "2|1 :0|1:1|1:a|1:b|c",
        "2|:0|1:1|1:a|1:b|c",
        "2|1:x|1:1|1:a|1:b|c",
        "3|1:0|1:1|1:a|1:b|c",
        "999|a|b",
        "1000|a|b",
        "02|a|b",
        "1|2|3",
        "a|99999999999999999999|c",
        "\u{1f980}|\u{1f980}|\u{1f980}",
    ] {
        assert_eq!(verify(&secrets, "a", text), None, "{text}");
    }
}

/// Every change of a single character is found out, and every cut.
#[test]
fn no_change_passes() {
    let secrets = one();
    let now = at(1_300_000_000);
    for text in [
        secrets.sign_at("key", b"value", now),
        secrets.sign_v1_at("key", b"value", now).unwrap(),
    ] {
        for at in 0..text.len() {
            assert_eq!(verify(&secrets, "key", &text[..at]), None);
            for other in ["0", "1", "a", "A", "|", ":", "=", ""] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                if changed != text {
                    assert_eq!(verify(&secrets, "key", &changed), None, "{changed}");
                }
            }
        }
        for longer in [format!("{text}0"), format!("{text}|"), format!(" {text}")] {
            assert_eq!(verify(&secrets, "key", &longer), None);
        }
        assert_eq!(verify(&secrets, "key", &text.to_uppercase()), None);
    }
}

#[test]
fn keys_change_without_a_break() {
    let now = at(1_300_000_000);
    let secrets = |versions: &[u32], current| {
        let secrets = versions
            .iter()
            .map(|v| (*v, format!("the secret of version {v}")));
        CookieSecrets::with_versions(secrets, current).unwrap()
    };
    let old = secrets(&[0], 0).sign_at("key", b"old", now);
    let new = secrets(&[0, 7], 7).sign_at("key", b"new", now);
    assert!(old.starts_with("2|1:0|"));
    assert!(new.starts_with("2|1:7|"));
    let both = secrets(&[0, 7], 7);
    assert_eq!(verify(&both, "key", &old).unwrap(), b"old");
    assert_eq!(verify(&both, "key", &new).unwrap(), b"new");
    let signed = both.verify_at("key", &new, DAY, now).unwrap();
    assert_eq!(signed.key_version(), Some(7));
    assert_eq!(
        verify(&secrets(&[7], 7), "key", &old),
        None,
        "the old is gone"
    );
    assert_eq!(
        verify(&secrets(&[0], 0), "key", &new),
        None,
        "the new is not known"
    );
    // The version is signed too.
    let relabelled = new.replace("2|1:7|", "2|1:0|");
    assert_eq!(verify(&both, "key", &relabelled), None);
    // A single secret takes any version, as with Tornado.
    let single = CookieSecrets::new("the secret of version 7").unwrap();
    assert_eq!(verify(&single, "key", &new).unwrap(), b"new");
}

/// Tornado answers 500 here: with several secrets a value of the first format fails an assertion.
#[test]
fn a_first_format_is_refused_where_keys_have_versions() {
    let several = CookieSecrets::with_versions([(1, "It's a secret to everybody")], 1).unwrap();
    let now = at(1_300_000_000);
    let v1 = one().sign_v1_at("key", b"value", now).unwrap();
    assert_eq!(verify(&several, "key", &v1), None);
    assert_eq!(
        several.sign_v1_at("key", b"value", now),
        Err(CookieSecretError::NoVersions)
    );
}

#[test]
fn secrets_that_protect_nothing_are_refused() {
    assert_eq!(
        CookieSecrets::new("").unwrap_err(),
        CookieSecretError::Empty
    );
    let versions = |list: &[(u32, &'static str)], current| {
        CookieSecrets::with_versions(list.iter().copied(), current).map(drop)
    };
    assert_eq!(
        versions(&[(1, "a"), (2, "")], 1),
        Err(CookieSecretError::Empty)
    );
    assert_eq!(
        versions(&[(1, "a"), (1, "b")], 1),
        Err(CookieSecretError::Twice(1))
    );
    assert_eq!(versions(&[(1, "a")], 2), Err(CookieSecretError::Missing(2)));
    assert_eq!(versions(&[], 0), Err(CookieSecretError::Missing(0)));
    let shown = format!("{:?}", CookieSecrets::new("hush").unwrap());
    assert!(!shown.contains("hush"), "{shown}");
}
