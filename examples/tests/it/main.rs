//! The examples as whole processes.

mod history;
mod kill;
mod terminate;
mod tour;
