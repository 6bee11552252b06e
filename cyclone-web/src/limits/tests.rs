use std::time::Duration;

use super::Limits;

#[test]
fn the_table_lists_every_limit_with_its_unit() {
    let table = Limits::default().to_string();
    for row in [
        "header_section 65536 bytes\n",
        "header_count 100 fields\n",
        "header_line 16384 bytes\n",
        "request_line 16384 bytes\n",
        "body 10485760 bytes\n",
        "header_timeout 15s\n",
        "keep_alive 60s\n",
        "body_timeout 60s\n",
        "body_rate 1024 bytes/s\n",
        "write_stall 60s\n",
        "connection_age 3600s\n",
        "shutdown_grace 250ms\n",
        "h2_streams 100 streams\n",
    ] {
        assert!(table.contains(row), "{row:?} is not in\n{table}");
    }
    assert_eq!(table.lines().count(), 23);
}

#[test]
fn a_setting_changes_only_its_own_limit() {
    let limits = Limits::new().body(1);
    assert_eq!(limits.body, 1);
    assert_eq!(
        Limits {
            body: Limits::new().body,
            ..limits
        },
        Limits::new()
    );
}

#[test]
fn the_body_allowance_grows_only_beyond_the_first_mebibyte() {
    let limits = Limits::new();
    let minute = Duration::from_secs(60);
    assert_eq!(limits.body_allowance(0), minute);
    assert_eq!(limits.body_allowance(1024 * 1024), minute);
    assert_eq!(limits.body_allowance(1024 * 1024 + 1023), minute);
    assert_eq!(
        limits.body_allowance(1024 * 1024 + 1024),
        minute + Duration::from_secs(1)
    );
    assert_eq!(
        Limits::new().body_rate(0).body_allowance(u64::MAX),
        minute.saturating_add(Duration::from_secs(u64::MAX - 1024 * 1024))
    );
}
