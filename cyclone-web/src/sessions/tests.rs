use std::time::Duration;

use cyclone_core::SharedStore;

use super::{Record, Sessions};

#[test]
fn a_session_ends_when_it_is_idle_or_old() {
    let seconds = Duration::from_secs;
    let sessions = Sessions::in_store(SharedStore::memory());
    let sessions = sessions.idle(seconds(10)).life(seconds(25));
    let left = |begun, seen, now| {
        let record = Record {
            begun,
            seen,
            ..Record::default()
        };
        sessions.left(&record, now).map(|left| left.as_secs())
    };
    assert_eq!(left(100, 100, 100), Some(10));
    assert_eq!(left(100, 100, 109), Some(1));
    assert_eq!(left(100, 100, 110), None);
    assert_eq!(left(100, 120, 121), Some(4), "the life ends first");
    assert_eq!(left(100, 124, 125), None);
    // A clock that is ahead gives nobody a longer session.
    assert_eq!(left(1_000, 1_000, 100), Some(10));
    assert_eq!(left(u64::MAX, u64::MAX, 0), Some(10));
    let record = |seen| Record {
        seen,
        ..Record::default()
    };
    assert!(!sessions.wants_touch(&record(100), 101));
    assert!(sessions.wants_touch(&record(100), 102));
}
