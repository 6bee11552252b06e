//! The programs of `xtask/bench/http`: built, pinned to one CPU, and started.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::options::Options;
use super::plan::{FILE, FILE_LENGTH, Peer};
use crate::metadata::Metadata;
use crate::servers::Server;
use crate::workspace;

/// The programs beside the servers.
const LOADS: &[&str] = &["load", "idle", "large", WORKERS];

/// The server with several workers.
const WORKERS: &str = "workers";

/// Where everything is.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    taskset: PathBuf,
    cpu: String,
    /// The folder with the static file; gone at the end.
    files: TempDir,
}

impl Programs {
    /// Builds what is asked for, and makes the file that the servers serve.
    pub(super) fn build(options: &Options) -> Result<Self> {
        let taskset = workspace::which("taskset").context("no taskset: install util-linux")?;
        let target = Metadata::load()?.target_directory.join("bench");
        let mut command = workspace::cargo(["build", "--release"]);
        command.current_dir(workspace::root().join("xtask/bench/http"));
        command.arg("--target-dir").arg(&target);
        for program in options
            .peers
            .iter()
            .map(|peer| peer.name)
            .chain(LOADS.iter().copied())
        {
            command.args(["--bin", program]);
        }
        workspace::run(&mut command)?;
        Ok(Self {
            folder: target.join("release"),
            taskset,
            cpu: options.cpu.to_string(),
            files: files()?,
        })
    }

    /// The command of a server; `wrapper` is what runs it, or empty.
    pub(super) fn server(&self, peer: &Peer, wrapper: &[String]) -> Command {
        let mut command = self.pinned();
        command.args(wrapper).arg(self.folder.join(peer.name));
        command.arg(self.files.path());
        command
    }

    /// Starts a server.
    pub(super) fn start(&self, peer: &Peer) -> Result<Server> {
        Server::start(peer.name, &mut self.server(peer, &[]), 1)
    }

    /// Starts a server with a worker on each of these CPUs.
    pub(super) fn start_workers(&self, cpus: &[usize]) -> Result<Server> {
        let list: Vec<String> = cpus.iter().map(usize::to_string).collect();
        let list = list.join(",");
        let mut command = self.pinned_to(&list);
        command.arg(self.folder.join(WORKERS));
        command.args(["--port=0", "--listen=127.0.0.1", "--log-level=warn"]);
        command.arg(format!("--workers={}", cpus.len()));
        command.arg(format!("--affinity={list}"));
        Server::start(WORKERS, &mut command, 1)
    }

    /// The command of a load on a server, on the same CPU.
    pub(super) fn load(&self, program: &str, server: &Server) -> Command {
        self.load_by(self.pinned(), program, server)
    }

    /// The command of a load on a server, on a CPU.
    pub(super) fn load_on(&self, program: &str, server: &Server, cpu: usize) -> Command {
        self.load_by(self.pinned_to(&cpu.to_string()), program, server)
    }

    fn load_by(&self, mut command: Command, program: &str, server: &Server) -> Command {
        let address = server.listening()[0].trim_start_matches("http://");
        command.arg(self.folder.join(program));
        command.args(["--address", address, "--pid", &server.id().to_string()]);
        command.arg("--files").arg(self.files.path());
        command
    }

    fn pinned(&self) -> Command {
        self.pinned_to(&self.cpu)
    }

    fn pinned_to(&self, cpus: &str) -> Command {
        let mut command = Command::new(&self.taskset);
        command.args(["--cpu-list", cpus]);
        command
    }
}

/// A folder with the static file.
fn files() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(FILE.trim_start_matches('/'));
    std::fs::create_dir_all(file.parent().context("the file has no folder")?)?;
    std::fs::write(&file, text(FILE_LENGTH))?;
    Ok(folder)
}

/// So many bytes of text. No line is like another, so that an answer with a part twice is found.
fn text(length: usize) -> String {
    let mut text = String::with_capacity(length + 64);
    let mut line = 0;
    while text.len() < length {
        text += &format!("let line{line} = \"not the same as the one before\";\n");
        line += 1;
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_where_it_is_asked_for() {
        let folder = files().unwrap();
        let bytes = std::fs::read(folder.path().join("static/bundle.js")).unwrap();
        assert_eq!(bytes.len(), FILE_LENGTH);
    }

    #[test]
    fn text_has_the_length_and_no_line_twice() {
        for length in [0, 1, 100, 102_400] {
            let text = text(length);
            assert_eq!(text.len(), length);
            let mut lines: Vec<&str> = text.lines().collect();
            let count = lines.len();
            lines.sort_unstable();
            lines.dedup();
            assert_eq!(lines.len(), count);
        }
    }
}
