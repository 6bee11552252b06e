//! The examples, run as programs and driven by scripts in other languages.
//!
//! Each binary of `cyclone-examples` has an entry in [`EXAMPLES`]; `cargo xtask tidy` fails when one
//! has none. A script is CommonJS run by Node, or Python. It gets, beside the variables of
//! [`crate::provision`]: `CYCLONE_TEST_URL_<SCHEME>` for each `listening` line of the server,
//! `CYCLONE_TEST_PID`, `CYCLONE_TEST_BINARY`, `CYCLONE_TEST_DATA` (the data folder of this run) and
//! `CYCLONE_TEST_PICTURES` (a folder for screenshots that is kept).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::metadata::Metadata;
use crate::provision::Peers;
use crate::servers::{self, Server};
use crate::workspace;

/// How long one script may run.
const SCRIPT_LIMIT: Duration = Duration::from_secs(180);

/// How much of a server's log is shown when its script fails.
const LOG_LINES: usize = 60;

/// A binary of `cyclone-examples` and what is done to it.
pub(crate) struct Example {
    /// The name of the binary.
    pub(crate) binary: &'static str,
    /// Its arguments; `{data}` becomes an empty folder, `{root}` the root of the workspace.
    arguments: &'static [&'static str],
    /// How many `listening` lines to wait for.
    listeners: usize,
    /// Scripts, relative to the root of the workspace: `.py` or `.cjs`. Each gets a fresh server.
    scripts: &'static [&'static str],
}

/// Every example.
pub(crate) const EXAMPLES: &[Example] = &[
    Example {
        binary: "admin",
        arguments: &["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        listeners: 2,
        scripts: &[
            "examples/admin/tests/browser.cjs",
            "examples/admin/tests/metrics.py",
        ],
    },
    Example {
        binary: "balancer",
        arguments: &[
            "--balancer",
            "{root}/examples/balancer/tests/nobody.toml",
            "--port",
            "0",
        ],
        listeners: 3,
        scripts: &["examples/balancer/tests/foreign_http.py"],
    },
    Example {
        binary: "console",
        arguments: &[
            "--http",
            "127.0.0.1:0",
            "--ssh",
            "127.0.0.1:0",
            "--host-key",
            "{data}/host_key",
        ],
        listeners: 2,
        scripts: &["examples/console/tests/foreign_ssh.py"],
    },
    Example {
        binary: "freeswitch",
        arguments: &["--switch", "127.0.0.1:0", "--listen", "127.0.0.1:0"],
        listeners: 2,
        scripts: &[
            "examples/freeswitch/tests/foreign_esl.cjs",
            "examples/freeswitch/tests/foreign_esl.py",
        ],
    },
    Example {
        binary: "restart",
        arguments: &["--port", "0", "--log-level", "warn"],
        listeners: 1,
        scripts: &["examples/restart/tests/foreign.py"],
    },
    Example {
        binary: "tour",
        arguments: &[
            "--http",
            "127.0.0.1:0",
            "--console",
            "127.0.0.1:0",
            "--data",
            "{data}",
        ],
        listeners: 2,
        scripts: &[
            "examples/tour/tests/browser.cjs",
            "examples/tour/tests/foreign.cjs",
            "examples/tour/tests/foreign.py",
        ],
    },
];

/// Runs what the filter selects (a part of the binary's or the script's name) and returns what failed.
pub(crate) fn run(metadata: &Metadata, peers: &Peers, filter: Option<&str>) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    for (example, script) in selected(EXAMPLES, filter) {
        let name = script.map_or(example.binary, |script| file_name(script));
        let start = Instant::now();
        println!(
            "example {} {}",
            example.binary,
            script.unwrap_or("starts and stops")
        );
        match drive(metadata, peers, example, script) {
            Ok(()) => println!("example {name} ok in {:.1?}", start.elapsed()),
            Err(error) => {
                println!("example {name} FAILED: {error:#}");
                failures.push(format!("example {name}: {error:#}"));
            }
        }
    }
    Ok(failures)
}

/// The pairs to run; an example without a script is started and stopped.
fn selected<'a>(
    examples: &'a [Example],
    filter: Option<&str>,
) -> Vec<(&'a Example, Option<&'static str>)> {
    let mut pairs = Vec::new();
    for example in examples {
        if example.scripts.is_empty() {
            pairs.push((example, None));
        }
        pairs.extend(
            example
                .scripts
                .iter()
                .map(|script| (example, Some(*script))),
        );
    }
    if let Some(filter) = filter {
        pairs.retain(|(example, script)| {
            example.binary.contains(filter) || script.is_some_and(|script| script.contains(filter))
        });
    }
    pairs
}

fn drive(
    metadata: &Metadata,
    peers: &Peers,
    example: &Example,
    script: Option<&str>,
) -> Result<()> {
    let folder = metadata.target_directory.join("xtask/blackbox");
    let name = script.map_or(example.binary, file_name);
    let data = folder.join(name);
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    std::fs::create_dir_all(&data)?;
    let mut command = Command::new(metadata.target_directory.join("debug").join(example.binary));
    let place = data.to_string_lossy();
    let root = workspace::root();
    let root = root.to_string_lossy();
    for argument in example.arguments {
        command.arg(argument.replace("{data}", &place).replace("{root}", &root));
    }
    // What the server has to say is only of interest when something fails.
    let log = folder.join(format!("{name}.log"));
    command.env("NO_COLOR", "1").stderr(File::create(&log)?);
    let outcome = converse(peers, example, script, &mut command, &data);
    if outcome.is_err() {
        println!("{}", end_of(&log)?);
    }
    outcome
}

fn converse(
    peers: &Peers,
    example: &Example,
    script: Option<&str>,
    command: &mut Command,
    data: &Path,
) -> Result<()> {
    let server = Server::start(example.binary, command, example.listeners)?;
    if let Some(script) = script {
        let mut script = interpreter(peers, script)?;
        peers.tell(&mut script);
        for url in server.listening() {
            let scheme = url.split(':').next().unwrap_or_default();
            script.env(format!("CYCLONE_TEST_URL_{}", scheme.to_uppercase()), url);
        }
        script
            .env("CYCLONE_TEST_PID", server.id().to_string())
            .env("CYCLONE_TEST_BINARY", command.get_program())
            .env("CYCLONE_TEST_DATA", data)
            .env("CYCLONE_TEST_PICTURES", pictures(data)?);
        run_script(&mut script, SCRIPT_LIMIT)?;
    }
    let status = server.stop()?;
    if !status.success() {
        bail!("the server did not end well: {status}");
    }
    Ok(())
}

/// The last lines of a log.
fn end_of(log: &Path) -> Result<String> {
    let text = std::fs::read_to_string(log)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
}

/// Beside the data of the runs, which is emptied.
fn pictures(data: &Path) -> Result<PathBuf> {
    let pictures = data.with_file_name("pictures");
    std::fs::create_dir_all(&pictures)?;
    Ok(pictures)
}

/// The command that runs a script by the language of its name.
fn interpreter(peers: &Peers, script: &str) -> Result<Command> {
    let mut command = if script.ends_with(".py") {
        Command::new(peers.python().context("no Python")?)
    } else if script.ends_with(".cjs") {
        let node = peers.get("CYCLONE_TEST_NODE").context("no Node")?;
        let mut command = Command::new(node);
        command.env("NODE_PATH", peers.node_modules().context("no packages")?);
        command
    } else {
        bail!("no interpreter for {script}");
    };
    command.arg(workspace::root().join(script));
    Ok(command)
}

fn run_script(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command.spawn().context("cannot start the script")?;
    let Some(status) = servers::wait(&mut child, limit)? else {
        child.kill()?;
        child.wait()?;
        bail!("the script took more than {limit:?}");
    };
    if !status.success() {
        bail!("the script failed: {status}");
    }
    Ok(())
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[Example] = &[
        Example {
            binary: "hello",
            arguments: &[],
            listeners: 1,
            scripts: &[],
        },
        Example {
            binary: "tour",
            arguments: &[],
            listeners: 2,
            scripts: &["examples/tour/chat.cjs", "examples/tour/events.py"],
        },
    ];

    fn names(filter: Option<&str>) -> Vec<&'static str> {
        let pairs = selected(SAMPLE, filter);
        pairs
            .iter()
            .map(|(e, s)| s.map_or(e.binary, file_name))
            .collect()
    }

    #[test]
    fn filter_selects_by_binary_and_by_script() {
        assert_eq!(names(None), ["hello", "chat.cjs", "events.py"]);
        assert_eq!(names(Some("tour")), ["chat.cjs", "events.py"]);
        assert_eq!(names(Some("events")), ["events.py"]);
        assert_eq!(names(Some("nothing")), [""; 0]);
    }

    #[test]
    fn only_the_end_of_a_log_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let shown = |lines: usize| {
            std::fs::write(&log, "x\n".repeat(lines)).unwrap();
            end_of(&log).unwrap().lines().count()
        };
        assert_eq!(shown(LOG_LINES - 1), LOG_LINES - 1);
        assert_eq!(shown(LOG_LINES), LOG_LINES);
        assert_eq!(shown(LOG_LINES + 1), LOG_LINES);
    }

    #[test]
    fn script_that_fails_or_hangs_is_an_error() {
        let shell = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            command
        };
        run_script(&mut shell("exit 0"), SCRIPT_LIMIT).unwrap();
        let error = run_script(&mut shell("exit 4"), SCRIPT_LIMIT).unwrap_err();
        assert_eq!(error.to_string(), "the script failed: exit status: 4");
        let error = run_script(&mut shell("exec sleep 30"), Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("took more than"), "{error}");
    }
}
