//! Queries and forms.

use std::collections::HashMap;

use cyclone_web::Arguments;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only read by Debug")]
struct Everything {
    a: Option<String>,
    b: Option<Vec<u8>>,
    c: Option<bool>,
    d: Option<f64>,
    e: Option<char>,
    #[serde(default)]
    f: Vec<String>,
}

/// `form_urlencoded` is the oracle: it takes everything, and what we take too must mean the same.
pub(crate) fn arguments(data: &[u8]) {
    let Ok(arguments) = Arguments::parse(data) else {
        return;
    };
    assert!(arguments.len() <= cyclone_web::MAX_ARGUMENTS);
    let mut count = 0;
    for ((name, value), (other, oracle)) in arguments.iter().zip(form_urlencoded::parse(data)) {
        assert_eq!(name, other);
        // Control characters of a value become spaces.
        let cleaned = oracle.chars().map(|c| if c < ' ' { ' ' } else { c });
        let value = value.chars().map(|c| if c < ' ' { ' ' } else { c });
        assert!(cleaned.eq(value), "{oracle:?}");
        assert!(arguments.contains(name));
        assert!(arguments.get(name).is_some());
        count += 1;
    }
    assert_eq!(arguments.len(), count);
    assert_eq!(form_urlencoded::parse(data).count(), count);

    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(arguments.iter());
    let again = Arguments::parse(encoded.finish()).expect("what was encoded parses");
    assert!(again.iter().eq(arguments.iter()));

    // Whether they fit is all one; the errors must be printable.
    let _ = arguments.deserialize::<HashMap<String, String>>();
    if let Err(error) = arguments.deserialize::<Everything>() {
        assert!(!error.to_string().is_empty());
    }
}
