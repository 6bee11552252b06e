//! The command line, the environment and the configuration file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod application;
mod built_in;
mod effective;
mod errors;
mod generated;
mod listening;
mod precedence;
mod reload;
mod values;

use std::path::{Path, PathBuf};

use cyclone_core::runner::clap;
use cyclone_core::runner::options::{OptionsError, Parsed, Program, Settings};

/// Somebody's program, called `my-app`, whose directory is its own.
struct Told {
    directory: tempfile::TempDir,
    program: Program,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Told {
    fn nothing() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            program: Program::new("my-app").version("1.2.3").about("Does things"),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    fn on_line(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    fn in_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn in_file(self, text: &str) -> Self {
        std::fs::write(self.file(), text).unwrap();
        self
    }

    fn program(mut self, change: impl FnOnce(Program) -> Program) -> Self {
        self.program = change(self.program);
        self
    }

    fn file(&self) -> PathBuf {
        self.path("app.toml")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn parse<A: clap::Args>(&self) -> Result<Parsed<A>, OptionsError> {
        let mut arguments = vec!["my-app".to_owned()];
        if self.file().exists() {
            arguments.push(format!("--config={}", self.file().display()));
        }
        arguments.extend(self.arguments.iter().cloned());
        self.program.parse_from(arguments, self.environment.clone())
    }

    fn settings<A: clap::Args>(&self) -> Settings<A> {
        match self.parse() {
            Ok(Parsed::Run(settings)) => *settings,
            Ok(Parsed::Print(text)) => panic!("printed: {text}"),
            Err(error) => panic!("{error}"),
        }
    }

    fn printed<A: clap::Args>(&self) -> String {
        match self.parse::<A>() {
            Ok(Parsed::Print(text)) => text,
            Ok(Parsed::Run(_)) => panic!("nothing was printed"),
            Err(error) => panic!("{error}"),
        }
    }

    fn error<A: clap::Args>(&self) -> OptionsError {
        match self.parse::<A>() {
            Err(error) => error,
            Ok(_) => panic!("there was nothing wrong"),
        }
    }

    /// The text of an error, with the directory of the test left out.
    fn complaint<A: clap::Args>(&self) -> String {
        without(&self.error::<A>().to_string(), self.directory.path())
    }
}

fn without(text: &str, directory: &Path) -> String {
    text.replace(&format!("{}/", directory.display()), "")
}

/// The line of the effective configuration with this option.
fn effective<A>(settings: &Settings<A>, option: &str) -> String {
    let text = settings.effective();
    let is_it = |line: &&str| {
        line.trim_start_matches("# ")
            .starts_with(&format!("{option} ="))
    };
    text.lines()
        .find(is_it)
        .unwrap_or_else(|| panic!("no {option} in {text}"))
        .to_owned()
}
