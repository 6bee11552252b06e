//! What is generated from the definition: completions and the manual page.

use clap::{ArgMatches, Command};
use clap_complete::aot;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::choices::Shell;
use super::{OptionsError, Program};
use crate::runner::exit::{
    EXIT_CANNOT_CREATE, EXIT_CONFIG, EXIT_NO_PERMISSION, EXIT_OK, EXIT_OS, EXIT_RUNNING,
    EXIT_SOFTWARE, EXIT_UNAVAILABLE, EXIT_USAGE,
};

/// The end of the help.
pub(super) fn after(program: &Program) -> String {
    let prefix = program.prefix();
    format!(
        "Every setting can also come from the environment ({prefix}_LOG_LEVEL=debug) or from the file of --config \
         (log-level = \"debug\"). The command line is stronger than the environment, and that than the file."
    )
}

/// How else a missing option can be given.
pub(super) fn other_ways(program: &Program) -> String {
    format!(
        "\n\nIt can also be set in the environment ({}_OPTION) or in the file of --config.",
        program.prefix()
    )
}

/// The text that `--completions` or `--man` ask for.
pub(super) fn generated(
    seen: &ArgMatches,
    command: &Command,
    program: &Program,
) -> Result<Option<String>, OptionsError> {
    if let Some(shell) = seen.try_get_one::<Shell>("completions").ok().flatten() {
        return Ok(Some(completions(*shell, command.clone(), program.name())));
    }
    if seen.try_get_one::<bool>("man").ok().flatten() == Some(&true) {
        return man(command.clone(), program).map(Some);
    }
    Ok(None)
}

fn completions(shell: Shell, mut command: Command, name: &str) -> String {
    let mut script = Vec::new();
    match shell {
        Shell::Bash => aot::generate(aot::Bash, &mut command, name, &mut script),
        Shell::Zsh => aot::generate(aot::Zsh, &mut command, name, &mut script),
        Shell::Fish => aot::generate(aot::Fish, &mut command, name, &mut script),
    }
    String::from_utf8_lossy(&script).into_owned()
}

fn man(command: Command, program: &Program) -> Result<String, OptionsError> {
    let fail =
        |error: std::io::Error| OptionsError::new(format!("cannot write the manual page: {error}"));
    let mut page = Vec::new();
    let man = Man::new(command.after_help(""));
    man.render(&mut page).map_err(fail)?;
    sections(program).to_writer(&mut page).map_err(fail)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// What the definition does not know.
fn sections(program: &Program) -> Roff {
    let prefix = program.prefix();
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman(format!(
        "Each option that is a setting is read from the variable {prefix}_OPTION too, in capitals and with _ for -: \
         {prefix}_LOG_LEVEL for --log-level. A flag is on by 1, true, yes or on, and off by 0, false, no or off. \
         The values of a repeatable option stand between commas; a backslash before a comma keeps it. \
         An empty variable says nothing. RUST_LOG is read where {prefix}_LOG_LEVEL is not set."
    ))]);
    roff.control("SH", ["CONFIGURATION FILE"]);
    roff.text([roman(
        "The file of --config is TOML. A key is the name of an option without dashes in front. Tables only group: \
         level in [log] is log-level. A repeatable option has a list. An unknown key is an error. \
         --print-config prints a file with all that is set.",
    )]);
    roff.control("SH", ["SIGNALS"]);
    for (signal, meaning) in [
        (
            "SIGTERM, SIGINT",
            "Stop accepting, let connections end for --shutdown-timeout, cut the rest, and exit.",
        ),
        (
            "SIGHUP",
            "Read the configuration file and the certificates again.",
        ),
        (
            "SIGUSR1",
            "Open the log file again, after another program has set it aside.",
        ),
        (
            "SIGUSR2",
            "Start the program anew and hand the sockets to it; then go, as by SIGTERM.",
        ),
    ] {
        roff.control("TP", []);
        roff.text([bold(signal)]);
        roff.text([roman(meaning)]);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in [
        (EXIT_OK, "It ended as it was told, or the daemon listens."),
        (EXIT_USAGE, "The command line or the environment is wrong."),
        (
            EXIT_UNAVAILABLE,
            "An endpoint cannot be bound, a service did not start, or an upgrade failed.",
        ),
        (EXIT_SOFTWARE, "A mistake in the program."),
        (EXIT_OS, "The system refused something that should work."),
        (
            EXIT_CANNOT_CREATE,
            "A file cannot be written, the one of --pidfile for instance.",
        ),
        (EXIT_RUNNING, "It runs already."),
        (
            EXIT_NO_PERMISSION,
            "It could not become the user or the group that it should.",
        ),
        (EXIT_CONFIG, "The configuration is wrong."),
    ] {
        roff.control("TP", []);
        roff.text([bold(status.to_string())]);
        roff.text([roman(meaning)]);
    }
    roff
}
