//! What clients bring back: signed and private values, targets of redirects.

use std::time::{Duration, UNIX_EPOCH};

use cyclone_web::{CookieSecrets, safe_next};

use crate::pieces;

/// A text that claims to be signed or encrypted passes only if it is what we made; what we make passes.
pub(crate) fn signed_values(data: &[u8]) {
    let secrets = CookieSecrets::new("a secret of the fuzzer").expect("it is not empty");
    let (now, age) = (
        UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        Duration::MAX,
    );
    let mut pieces = pieces(data).map(String::from_utf8_lossy);
    let name = pieces.next().unwrap_or_default();
    let text = pieces.next().unwrap_or_default();
    if let Some(signed) = secrets.verify_at(&name, &text, age, now) {
        let (value, at) = (signed.value(), signed.signed_at());
        let v1 = secrets.sign_v1_at(&name, value, at);
        assert!(v1.is_ok_and(|v1| v1 == text) || text.starts_with("2|"));
    }
    let _ = secrets.decrypt_at(&name, &text, age, now);
    let signed = secrets.sign_at(&name, text.as_bytes(), now);
    let read = secrets.verify_at(&name, &signed, Duration::ZERO, now);
    assert_eq!(
        read.map(|signed| signed.into_value()),
        Some(text.as_bytes().to_vec())
    );
    let private = secrets
        .encrypt_at(&name, text.as_bytes(), now)
        .expect("random bytes");
    let read = secrets.decrypt_at(&name, &private, Duration::ZERO, now);
    assert_eq!(
        read.map(|value| value.into_value()),
        Some(text.as_bytes().to_vec())
    );
}

/// What passes is a path or an URL of the host, by the word of another parser.
pub(crate) fn safe_next_target(data: &[u8]) {
    let target = String::from_utf8_lossy(data);
    let Some(safe) = safe_next(&target, Some("site.example:8888")) else {
        return;
    };
    assert_eq!(safe, target);
    assert!(!safe.contains(['\\', '\r', '\n', '\t', '\0']));
    if !safe.starts_with('/') {
        let ascii: String = safe.chars().filter(char::is_ascii).collect();
        let end = ascii.find('#').unwrap_or(ascii.len());
        if let Ok(uri) = ascii[..end].parse::<http::Uri>() {
            let authority = uri
                .authority()
                .map(|authority| authority.as_str().to_lowercase());
            assert_eq!(authority.as_deref(), Some("site.example:8888"));
        }
    } else {
        assert!(!safe.starts_with("//"));
    }
}
