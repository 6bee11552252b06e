//! Developer and CI commands. fn main
fn main() {}
