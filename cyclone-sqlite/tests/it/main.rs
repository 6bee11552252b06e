//! Integration tests.

mod basics;
mod cancel;
mod close;
mod durability;
mod group;
mod limits;
mod migrations;
mod neighbours;
mod panics;
mod support;
