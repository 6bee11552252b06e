//! A program that the runner runs is upgraded.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cyclone_core::runner::options::Program;
use cyclone_core::runner::{BuildError, Process, Runner, Start};
use cyclone_core::{Context as _, Server, Service, ServiceContext, ServiceError, ServiceOptions};
use cyclone_web::{Application, Autoreload};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Where the program finds the files that it watches.
const PROGRAM: &str = "CYCLONE_TEST_AUTORELOAD_PROGRAM";

/// The new process serves before the old one ends, and both are the program with its arguments.
#[tokio::test]
async fn a_program_of_the_runner_is_upgraded() {
    let directory = tempfile::tempdir().unwrap();
    let mut old = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "autoreload::upgrade::program", "--nocapture"])
        .env(PROGRAM, directory.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let process = old.id().unwrap();
    let mut lines = BufReader::new(old.stdout.take().unwrap()).lines();
    let mut serving = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let Some((_, who)) = line.split_once("serving as ") else {
            continue;
        };
        serving.push(who.parse::<u32>().unwrap());
        if serving.len() == 1 {
            fs::write(directory.path().join("upgrade"), "").unwrap();
        } else {
            assert!(old.wait().await.unwrap().success());
            fs::write(directory.path().join("end"), "").unwrap();
        }
    }
    assert_eq!(serving.len(), 2, "{serving:?}");
    assert_eq!(serving[0], process);
    assert_ne!(serving[1], process);
}

/// The `main` of the program of the test before; nothing when it is not called by that.
#[test]
fn program() {
    let Some(directory) = std::env::var_os(PROGRAM) else {
        return;
    };
    let socket = format!("unix:{}/socket", directory.display());
    let program =
        Runner::new(Program::new("program")).arguments(["program", "--endpoint", &socket]);
    let code = program.main(build);
    let has_ended_well = format!("{code:?}") == format!("{:?}", std::process::ExitCode::SUCCESS);
    // The harness has exit codes of its own.
    std::process::exit(if has_ended_well { 0 } else { 1 });
}

async fn build(start: Start) -> Result<Server, BuildError> {
    let directory = std::env::var_os(PROGRAM).unwrap_or_default();
    let upgrade = Path::new(&directory).join("upgrade");
    let autoreload = Autoreload::new()
        .active(true)
        .interval(Duration::from_millis(10))
        .watch(upgrade);
    let serving = ServiceOptions::new().needs("autoreload");
    Ok(Server::new()
        .listen_all(start.endpoints(), Application::new())
        .service(autoreload)
        .service_with(Serving, serving))
}

/// Says who serves, once the files are watched, and ends the program with the second file.
struct Serving;

impl Service for Serving {
    fn name(&self) -> &str {
        "serving"
    }

    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        let mut out = io::stdout();
        writeln!(out, "serving as {}", std::process::id())?;
        Ok(out.flush()?)
    }

    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        let directory = std::env::var_os(PROGRAM).unwrap_or_default();
        let end = Path::new(&directory).join("end");
        let process: &Process = cx.resources().get()?;
        while !end.exists() {
            tokio::select! {
                () = cx.stopping() => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        process.shutdown();
        Ok(())
    }
}
