//! The command line, configuration and logs of a whole process, as `twistd` gives them.

pub use clap;

pub mod logging;
pub mod options;
