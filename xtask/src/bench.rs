//! `cargo xtask bench http`: the same work done by us and by the peers, side by side.

use anyhow::{Result, bail};

pub(crate) fn run(_: &[String]) -> Result<()> {
    bail!("not yet")
}
