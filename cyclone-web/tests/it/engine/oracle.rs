//! The tests of this folder with hyper's HTTP/1 engine in the place of ours.

use std::process::Command;

use cyclone_web::Http1Engine;

/// Has the tests of this folder use hyper.
const VARIABLE: &str = "CYCLONE_TEST_HYPER_HTTP1";

/// What the tests of this folder serve with.
pub(super) fn chosen() -> Http1Engine {
    match std::env::var_os(VARIABLE) {
        Some(_) => Http1Engine::Hyper,
        None => Http1Engine::Cyclone,
    }
}

/// Tests of what our engine does and hyper's does not; `docs/http1-differences.md` says why.
const OURS_ALONE: &[&str] = &[
    "framing::every_line_of_a_head_ends_with_crlf",
    "head::empty_lines",
    "head::the_most_that_the_types_hold",
];

#[test]
fn hyper_passes_the_same_tests() {
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests
        .env(VARIABLE, "1")
        .args(["engine::", "--skip", "oracle::"]);
    for name in OURS_ALONE {
        tests.args(["--skip", name]);
    }
    let output = tests.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains(" 0 passed"), "{told}");
}
