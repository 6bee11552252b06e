//! A program that starts anew when it was built anew: for development.

mod look;

use std::fmt;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cyclone_core::runner::Process;
use cyclone_core::{Context as _, Service, ServiceContext, ServiceError};

use self::look::Look;

pub use self::look::AUTORELOAD_MAX_FILES;

/// How often [`Autoreload`] looks at its files unless set: every 500 ms, as Tornado does.
pub const AUTORELOAD_INTERVAL: Duration = Duration::from_millis(500);

/// What was asked to be started last: each worker of a program has a watcher, and one is enough.
static ASKED: Mutex<Option<u64>> = Mutex::new(None);

/// Starts the program anew when its file has changed: Tornado's `autoreload`, as a
/// [`Service`] of the server. In builds without debug assertions (`--release`) it does nothing
/// unless [asked](Self::active).
///
/// Let `cargo watch -x build`, or an editor, build beside it. When the file of the program, or one of those that are
/// [watched](Self::watch), has another time or size, and has kept them for one more look, the program starts anew with
/// the same arguments and in the same directory:
///
/// - in a program that [`runner::main`](cyclone_core::runner::main()) runs, by an
///   [upgrade](cyclone_core::runner::Process::upgrade): no connection is lost, and a new one that fails changes nothing;
/// - in others by `exec`, as the same process: connections are cut. When that fails, the program goes on and logs why.
///
/// Templates and catalogues need no new start: with [`Application::debug`](crate::Application::debug) they are read anew
/// when they change, and static files always are.
///
/// | Tornado | here |
/// |---|---|
/// | `Application(autoreload=True)`, `autoreload.start()` | `server.service(Autoreload::new())` |
/// | `autoreload.watch(file)` | [`watch`](Self::watch), directories too |
/// | `autoreload.add_reload_hook(fn)` | [`on_reload`](Self::on_reload) |
/// | `python -m tornado.autoreload` | `cargo watch -x run` |
///
/// ```no_run
/// use cyclone_core::{Endpoint, Server};
/// use cyclone_web::{Application, Autoreload};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let app = Application::new().debug(cfg!(debug_assertions));
/// Server::new()
///     .listen(Endpoint::tcp(8888), app)
///     .service(Autoreload::new().watch("settings.toml"))
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it does nothing until it is a service of a server"]
pub struct Autoreload {
    program: Option<PathBuf>,
    watched: Vec<PathBuf>,
    interval: Duration,
    is_active: bool,
    hooks: Vec<Box<dyn Fn() + Send + Sync>>,
    restart: Option<Box<dyn Fn() -> io::Result<()> + Send + Sync>>,
    /// What the files looked like at the start.
    first: Mutex<Option<Look>>,
}

impl Autoreload {
    /// Watches the file of the program.
    pub fn new() -> Self {
        Self {
            program: std::env::current_exe().ok().map(without_mark),
            watched: Vec::new(),
            interval: AUTORELOAD_INTERVAL,
            is_active: cfg!(debug_assertions),
            hooks: Vec::new(),
            restart: None,
            first: Mutex::default(),
        }
    }

    /// Switches it on or off, whatever the build.
    pub fn active(mut self, yes: bool) -> Self {
        self.is_active = yes;
        self
    }

    /// Watches another file too, or all below a directory, up to [`AUTORELOAD_MAX_FILES`]. It need not be there yet.
    pub fn watch(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.watched.push(path);
        self
    }

    /// Sets how often it looks; [`AUTORELOAD_INTERVAL`] unless set, 1 ms at least.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Has a function run before each new start, to close what the next process opens.
    pub fn on_reload(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.push(Box::new(hook));
        self
    }

    /// Starts the program anew in another way: by telling a supervisor, or ending.
    pub fn restart_with(
        mut self,
        restart: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.restart = Some(Box::new(restart));
        self
    }

    async fn look(&self) -> Result<Look, ServiceError> {
        let paths: Arc<[PathBuf]> = self.program.iter().chain(&self.watched).cloned().collect();
        Ok(tokio::task::spawn_blocking(move || Look::at(&paths)).await?)
    }

    fn start_anew(&self, cx: &ServiceContext, look: &Look) {
        if self.restart.is_none() && !is_first_to_ask(look.fingerprint()) {
            return;
        }
        tracing::info!("files have changed, starting the program anew");
        for hook in &self.hooks {
            hook();
        }
        let started = match &self.restart {
            Some(restart) => restart(),
            None => match cx.resources().get::<Process>() {
                Ok(process) => {
                    process.upgrade();
                    Ok(())
                }
                Err(_without_runner) => Err(self.execute()),
            },
        };
        if let Err(error) = started {
            tracing::error!(%error, "cannot start the program anew");
        }
    }

    /// Becomes the new program; returns only when that fails.
    fn execute(&self) -> io::Error {
        let Some(program) = &self.program else {
            return io::ErrorKind::NotFound.into();
        };
        let mut arguments = std::env::args_os();
        let mut command = Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments).exec()
    }
}

impl Default for Autoreload {
    fn default() -> Self {
        Self::new()
    }
}

impl Service for Autoreload {
    fn name(&self) -> &str {
        "autoreload"
    }

    async fn start(&self, _cx: &ServiceContext) -> Result<(), ServiceError> {
        if self.is_active {
            let look = self.look().await?;
            *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        }
        Ok(())
    }

    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        if !self.is_active {
            return Ok(());
        }
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut known = match first {
            Some(look) => look,
            None => self.look().await?,
        };
        // What changed is written for a while yet: it has to look the same twice.
        let mut changed = None;
        loop {
            tokio::select! {
                () = cx.stopping() => return Ok(()),
                () = tokio::time::sleep(self.interval) => {}
            }
            let look = self.look().await?;
            if look == known {
                changed = None;
            } else if changed.as_ref() == Some(&look) {
                self.start_anew(cx, &look);
                (known, changed) = (look, None);
            } else {
                changed = Some(look);
            }
        }
    }
}

impl fmt::Debug for Autoreload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Autoreload")
            .field("program", &self.program)
            .field("watched", &self.watched)
            .field("interval", &self.interval)
            .field("is_active", &self.is_active)
            .finish_non_exhaustive()
    }
}

fn is_first_to_ask(fingerprint: u64) -> bool {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    asked.replace(fingerprint) != Some(fingerprint)
}

/// The path of the program, when the file that runs was replaced already (proc(5)).
fn without_mark(path: PathBuf) -> PathBuf {
    let text = path.to_string_lossy();
    match text.strip_suffix(" (deleted)") {
        Some(real) if !path.exists() => PathBuf::from(real),
        _ => path,
    }
}
