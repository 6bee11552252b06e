//! Every developer and CI command of the workspace: `cargo xtask COMMAND`.
//!
//! A command is one file; what several share is in [`workspace`] (running cargo and other programs),
//! [`metadata`] (what cargo knows of the packages), [`provision`] (foreign programs for the tests) and
//! [`servers`] (starting and stopping our own binaries).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its user"
)]

mod api;
mod bench;
mod blackbox;
mod ci;
mod demo;
mod differential;
mod fuzz;
mod metadata;
mod package;
mod provision;
mod servers;
mod soak;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// One command: its name, its arguments as shown in the help, what it does, and the function.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

/// Every command. CONTRIBUTING.md must name each one; `cargo xtask tidy` checks it.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "[tour flags]",
        about: "build the tour in release mode and serve it until Ctrl-C",
        run: demo::run,
    },
    Command {
        name: "test",
        arguments: "[filter]",
        about: "fetch the foreign programs, then run every test and example",
        run: test::run,
    },
    Command {
        name: "ci",
        arguments: "[step..]",
        about: "everything CI runs, or some: fmt tidy deny clippy docs api features test package",
        run: ci::run,
    },
    Command {
        name: "tidy",
        arguments: "",
        about: "the invariants of the architecture, file sizes, links, licences",
        run: tidy::run,
    },
    Command {
        name: "api",
        arguments: "",
        about: "whose types the public interfaces name",
        run: api::run,
    },
    Command {
        name: "bench",
        arguments: "[PART] [flags]",
        about: "compare with the peers: http, idle, instructions, or all three",
        run: bench::run,
    },
    Command {
        name: "fuzz",
        arguments: "[TARGET] [--seconds N]",
        about: "libFuzzer on our parsers, each for a minute",
        run: fuzz::run,
    },
    Command {
        name: "differential",
        arguments: "[--requests N] [--seed S]",
        about: "our HTTP/1 engine and hyper's on the same bytes, a million times",
        run: differential::run,
    },
    Command {
        name: "soak",
        arguments: "[--seconds N] [--seed S]",
        about: "random load on the tour; then nothing may be left behind",
        run: soak::run,
    },
    Command {
        name: "package",
        arguments: "",
        about: "package and compile every crate as crates.io would see it",
        run: package::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", help());
        return Ok(());
    };
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        print!("{}", help());
        return Ok(());
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => bail!("no command `{name}`\n\n{}", help()),
    }
}

fn help() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND\n\n");
    for command in COMMANDS {
        let usage = format!("{} {}", command.name, command.arguments);
        text += &format!("  {usage:<20} {}\n", command.about);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_command_is_an_error_that_shows_the_known_ones() {
        let error = dispatch(&["tset".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no command `tset`"), "{error}");
        assert!(error.contains("test [filter]"), "{error}");
    }
}
