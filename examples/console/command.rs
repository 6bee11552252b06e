//! The commands of a console, and what they are given and answer.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use cyclone_core::{Context, MissingResource, Resources, Session};

use super::standard;

type Running = Pin<Box<dyn Future<Output = Result<Answer, CommandError>> + Send>>;

/// One command: its name, what is said of it in the help, and what it does.
///
/// ```
/// use cyclone_examples::console::{Call, Command, CommandError};
///
/// let add = Command::new("add", "A B", "the sum of two numbers", |call: Call| async move {
///     let [a, b] = call.exactly()?;
///     let number = |text: &str| text.parse::<i64>().map_err(|e| CommandError::usage(e.to_string()));
///     Ok((number(a)? + number(b)?).to_string().into())
/// });
/// ```
pub struct Command {
    name: String,
    arguments: String,
    about: String,
    run: Box<dyn Fn(Call) -> Running + Send + Sync>,
}

impl Command {
    /// A command of this name, with its arguments and what it does in words.
    pub fn new<F, Fut>(
        name: impl Into<String>,
        arguments: impl Into<String>,
        about: impl Into<String>,
        run: F,
    ) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, CommandError>> + Send + 'static,
    {
        Self {
            name: name.into(),
            arguments: arguments.into(),
            about: about.into(),
            run: Box::new(move |call| Box::pin(run(call))),
        }
    }

    /// What has to be typed.
    fn usage(&self) -> String {
        format!("{} {}", self.name, self.arguments)
            .trim_end()
            .to_owned()
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.usage()).finish()
    }
}

/// The commands of a console; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    by_name: Arc<BTreeMap<String, Arc<Command>>>,
}

impl Commands {
    /// No command but `help`.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// `help`, `status`, `connections`, `close`, `services`, `pools`, `log`, `shutdown` and `quit`.
    #[must_use]
    pub fn standard() -> Self {
        standard::all().fold(Self::none(), Self::with)
    }

    /// Adds a command, in place of one of the same name.
    #[must_use]
    pub fn with(mut self, command: Command) -> Self {
        Arc::make_mut(&mut self.by_name).insert(command.name.clone(), Arc::new(command));
        self
    }

    /// Carries out one line: the name of a command and its arguments, between blanks.
    ///
    /// # Errors
    /// What the command answers when it fails, or that there is none of that name.
    ///
    /// # Cancel safety
    /// The command is dropped with the future.
    pub async fn run(
        &self,
        line: &str,
        operator: &str,
        session: &Session,
    ) -> Result<Answer, CommandError> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let Some(name) = words.next() else {
            return Ok(Answer::default());
        };
        let call = Call {
            arguments: words.collect(),
            operator: operator.to_owned(),
            session: session.clone(),
        };
        if name == "help" {
            return self.help(call.arguments.first());
        }
        let command = self.find(&name)?;
        (command.run)(call).await.map_err(|error| match error.kind {
            // The one who typed it wants to know what to type.
            Kind::Usage if error.message.is_empty() => {
                CommandError::usage(format!("usage: {}", command.usage()))
            }
            _ => error,
        })
    }

    fn find(&self, name: &str) -> Result<&Command, CommandError> {
        let found = self.by_name.get(name).map(Arc::as_ref);
        found.ok_or_else(|| CommandError {
            kind: Kind::Unknown,
            message: format!("there is no command `{name}`, try help"),
        })
    }

    fn help(&self, name: Option<&String>) -> Result<Answer, CommandError> {
        if let Some(name) = name {
            let command = self.find(name)?;
            return Ok(format!("{}\n  {}\n", command.usage(), command.about).into());
        }
        let mut text = String::new();
        for command in self.by_name.values() {
            text += &format!("{:<22} {}\n", command.usage(), command.about);
        }
        text += &format!("{:<22} {}\n", "help [COMMAND]", "this list, or one of it");
        Ok(text.into())
    }
}

/// What a command is called with; a [`Context`], so it reaches every resource of the server.
#[derive(Clone, Debug)]
pub struct Call {
    arguments: Vec<String>,
    operator: String,
    session: Session,
}

impl Call {
    /// The words after the name.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The words after the name, where there have to be just so many.
    ///
    /// # Errors
    /// The usage of the command, when there are more or fewer.
    pub fn exactly<const N: usize>(&self) -> Result<[&str; N], CommandError> {
        let words: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        words
            .try_into()
            .map_err(|_| CommandError::usage(String::new()))
    }

    /// The word after the name, where there may be one.
    ///
    /// # Errors
    /// The usage of the command, when there are more.
    pub fn at_most_one(&self) -> Result<Option<&str>, CommandError> {
        match self.arguments.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(CommandError::usage(String::new())),
        }
    }

    /// Who called it, as the log names him.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// The connection of the console.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl Context for Call {
    fn resources(&self) -> &Resources {
        self.session.resources()
    }
}

/// What a command has to say: text of any number of lines, made from a string.
#[derive(Default)]
pub struct Answer {
    pub(super) text: String,
    pub(super) ends: bool,
    pub(super) after: Option<Afterwards>,
}

impl Answer {
    /// Ends the conversation after this.
    #[must_use]
    pub fn and_quit(mut self) -> Self {
        self.ends = true;
        self
    }

    /// Ends the conversation after this, and does something once the operator has read it, or is gone.
    #[must_use]
    pub fn and_then(mut self, after: impl FnOnce() + Send + Sync + 'static) -> Self {
        self.ends = true;
        self.after = Some(Afterwards(Some(Box::new(after))));
        self
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("text", &self.text)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// Something that is done when it is dropped: also when the one who asked for it does not wait for the answer.
pub(super) struct Afterwards(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for Afterwards {
    fn drop(&mut self) {
        if let Some(after) = self.0.take() {
            after();
        }
    }
}

/// Why a command did nothing, or not all; its text is for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    kind: Kind,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
    Unknown,
}

impl CommandError {
    /// It could not be done; the message says what happened.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Failed,
            message: message.into(),
        }
    }

    /// It was called wrongly and did nothing; an empty message is replaced by the usage of the command.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            message: message.into(),
        }
    }

    /// The exit status, as shells have it: 1 failed, 2 called wrongly, 127 no such command.
    #[must_use]
    pub fn status(&self) -> u32 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Unknown => 127,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CommandError {}

impl From<MissingResource> for CommandError {
    fn from(missing: MissingResource) -> Self {
        Self::failed(missing.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn echo() -> Command {
        Command::new("echo", "A B", "says both", |call: Call| async move {
            let [a, b] = call.exactly()?;
            Ok(format!("{b} {a} for {}", call.operator()).into())
        })
    }

    async fn run(line: &str) -> Result<String, (u32, String)> {
        let commands = Commands::none().with(echo());
        let answer = commands.run(line, "me", &Session::detached()).await;
        answer
            .map(|answer| answer.text)
            .map_err(|error| (error.status(), error.to_string()))
    }

    #[tokio::test]
    async fn a_line_is_a_name_and_its_arguments() {
        assert_eq!(run("echo 1 2").await, Ok("2 1 for me".into()));
        assert_eq!(run("  echo\t1   2 ").await, Ok("2 1 for me".into()));
        for empty in ["", "   "] {
            assert_eq!(run(empty).await, Ok(String::new()));
        }
    }

    #[tokio::test]
    async fn errors_have_the_status_that_shells_give_them() {
        let usage = (2, "usage: echo A B".to_owned());
        assert_eq!(run("echo 1").await, Err(usage.clone()));
        assert_eq!(run("echo 1 2 3").await, Err(usage));
        let unknown = (127, "there is no command `ecko`, try help".to_owned());
        assert_eq!(run("ecko").await, Err(unknown.clone()));
        assert_eq!(run("help ecko").await, Err(unknown));
    }

    #[tokio::test]
    async fn help_shows_each_or_one() {
        let all = run("help").await.unwrap();
        assert!(all.contains("echo A B               says both\n"), "{all}");
        assert!(all.contains("help [COMMAND]"), "{all}");
        assert_eq!(
            run("help echo").await,
            Ok("echo A B\n  says both\n".to_owned())
        );
    }

    #[test]
    fn what_comes_afterwards_comes_also_when_nobody_waits() {
        let done = Arc::new(AtomicBool::new(false));
        let answer = Answer::from("bye").and_then({
            let done = Arc::clone(&done);
            move || done.store(true, Ordering::SeqCst)
        });
        assert!(answer.ends && !done.load(Ordering::SeqCst));
        drop(answer);
        assert!(done.load(Ordering::SeqCst));
    }
}
