//! The program that libFuzzer drives; `cargo xtask fuzz TARGET` builds and starts it.
#![no_main]

use std::sync::OnceLock;

use cyclone_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

/// Names the target to run.
const VARIABLE: &str = "CYCLONE_FUZZ_TARGET";

fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&'static Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var(VARIABLE).unwrap_or_default();
        let target = TARGETS.iter().find(|target| target.name == name);
        target.unwrap_or_else(|| panic!("{VARIABLE} names no target: {name:?}"))
    })
}

fuzz_target!(init: chosen(), |data: &[u8]| (chosen().run)(data));
