//! `cargo xtask bench http`: the same work done by us and by the peers, side by side.

mod http;
mod table;

use anyhow::{Result, bail};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((what, flags)) if what == "http" => http::run(flags),
        _ => bail!(
            "there is one benchmark: `cargo xtask bench http`\n{}",
            http::HELP
        ),
    }
}
