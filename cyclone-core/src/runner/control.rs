//! Leads a program from its start to its end: workers, signals, requests, the service manager and the successor.

use std::future::pending;
use std::time::Duration;

use rustix::process::getpid;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::channel::{Channel, Message};
use super::executable::Executable;
use super::exit::{EXIT_UNAVAILABLE, Exit};
use super::logging::LogHandle;
use super::notify::Notify;
use super::pidfile::PidFile;
use super::privileges::Privileges;
use super::process::Ask;
use super::report::Report;
use super::requests::{Request, Requests};
use super::sets::SocketFiles;
use super::signals::{Signal, Signals};
use super::worker::{Order, Set};
use super::workers::{News, Workers};
use handover::Handover;

mod handover;

/// Who started the program, and waits to hear that it serves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parent<'a> {
    /// Nobody who waits.
    None,
    /// The launcher of a daemon.
    Launcher(&'a Channel),
    /// The process from which this one takes over.
    Predecessor(&'a Channel),
}

/// A program and all that it has to do with.
pub(crate) struct Control<'a> {
    pub(crate) workers: Workers,
    pub(crate) parent: Parent<'a>,
    pub(crate) signals: Signals,
    pub(crate) asked: mpsc::Receiver<Ask>,
    pub(crate) executable: &'a Executable,
    /// What this process gives up; nothing where the workers have processes of their own.
    pub(crate) privileges: Option<&'a Privileges>,
    pub(crate) log: &'a LogHandle,
    pub(crate) notify: Notify,
    pub(crate) pid_file: Option<PidFile>,
    pub(crate) requests: Option<Requests>,
    /// Reads the configuration again; returns what is wrong with it.
    pub(crate) reload: &'a dyn Fn() -> Vec<String>,
    pub(crate) upgrade_timeout: Duration,
}

/// What changes while a program serves.
#[derive(Default)]
struct Progress {
    files: SocketFiles,
    /// How often it was told to end.
    ends: u32,
    handover: Handover,
    /// Why a worker was lost.
    lost: Option<Exit>,
    /// Whether a reload was asked for while another one went on, which may have read what was there before.
    reload_again: bool,
}

impl Control<'_> {
    /// Starts, serves and ends.
    pub(crate) async fn run(mut self, inherited: Vec<Set>) -> Result<Report, Exit> {
        let mut progress = Progress::default();
        for set in &inherited {
            progress.files.note(set, true);
        }
        if let Err(exit) = self.start(&mut progress.files, inherited).await {
            tracing::warn!(
                reason = exit.reason(),
                "the start failed, ending what has begun"
            );
            self.workers.abandon().await;
            // What belongs to a predecessor is left to it, if it lives.
            let own = match self.parent {
                Parent::Predecessor(channel) => is_gone(channel).await,
                Parent::None | Parent::Launcher(_) => true,
            };
            progress.files.remove(own);
            if own {
                self.remove_files();
            }
            return Err(exit);
        }
        self.announce().await;
        self.serve(&mut progress).await
    }

    /// Starts the workers and gives up privileges in between.
    async fn start(&mut self, files: &mut SocketFiles, inherited: Vec<Set>) -> Result<(), Exit> {
        let Self {
            workers,
            parent,
            signals,
            privileges,
            ..
        } = self;
        let successor = matches!(parent, Parent::Predecessor(_));
        let starting = async {
            workers.bind(inherited).await?;
            for set in workers.sets() {
                files.note(set, false);
            }
            if let Some(privileges) = privileges {
                privileges.drop(successor)?;
            }
            workers.accept().await
        };
        tokio::select! {
            started = starting => started,
            name = told_to_end(signals) => {
                Err(Exit::new(EXIT_UNAVAILABLE, format!("{name} came before the program served")))
            }
            () = launcher_is_gone(*parent) => {
                Err(Exit::new(EXIT_UNAVAILABLE, "whoever started the daemon did not wait for it"))
            }
        }
    }

    /// Tells those who wait that the program serves.
    async fn announce(&mut self) {
        match self.parent {
            Parent::None => self.take_over(),
            Parent::Launcher(channel) => {
                // First the rest: who waits for the launcher may look at the pid file next.
                self.take_over();
                if let Err(error) = channel.send(&Message::Ready).await {
                    tracing::warn!(%error, "whoever started the daemon is gone");
                }
                super::daemon::close_streams();
                self.parent = Parent::None;
            }
            Parent::Predecessor(channel) => {
                tracing::info!("serving beside the old process");
                if let Err(error) = channel.send(&Message::Ready).await {
                    tracing::debug!(%error, "the old process is gone");
                }
            }
        }
    }

    /// From now on this process is the program.
    fn take_over(&mut self) {
        if let Some(pid_file) = &self.pid_file
            && let Err(error) = pid_file.write(getpid())
        {
            tracing::error!(path = %pid_file.path().display(), %error, "cannot write the pid file");
        }
        if let Some(requests) = &mut self.requests
            && let Err(error) = requests.listen()
        {
            tracing::warn!(%error, "`--upgrade` will not work, SIGUSR2 does");
        }
        let status = self.status();
        tracing::info!(pid = %getpid(), "{status}");
        self.notify.ready(&status);
    }

    fn status(&self) -> String {
        match self.workers.serving() {
            (1, 1) => "serving".to_owned(),
            (ready, all) if ready == all => format!("serving with {all} workers"),
            (ready, all) => format!("serving with {ready} of {all} workers"),
        }
    }

    async fn serve(mut self, progress: &mut Progress) -> Result<Report, Exit> {
        let mut watchdog = self.notify.watchdog().map(|period| {
            let mut ticks = interval_at(Instant::now(), period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        loop {
            tokio::select! {
                news = self.workers.next() => match news {
                    News::Ended => break,
                    news => self.hear(news, progress).await,
                },
                signal = self.signals.next() => {
                    if self.obey(signal, progress).await {
                        let reason = "ended at once by a third signal";
                        return Err(Exit::new(EXIT_UNAVAILABLE, reason));
                    }
                }
                Some(ask) = self.asked.recv() => self.asked_for(ask, progress).await,
                Some(request) = next_request(&mut self.requests) => {
                    self.upgrade(Some(request), progress).await;
                }
                outcome = progress.handover.outcome() => self.upgraded(outcome, progress).await,
                () = told_to_go(self.parent) => {
                    self.parent = Parent::None;
                    self.take_over();
                }
                () = tick(&mut watchdog) => {
                    if self.workers.are_alive() {
                        self.notify.alive();
                    } else {
                        tracing::error!("a worker makes no progress, the watchdog is not told otherwise");
                    }
                }
            }
        }
        if !progress.handover.is_done() {
            self.remove_files();
        }
        let report = self.workers.take_report();
        match progress.lost.take() {
            Some(exit) => Err(exit),
            None => Ok(report),
        }
    }

    async fn hear(&mut self, news: News, progress: &mut Progress) {
        match news {
            News::Changed if progress.ends == 0 => self.notify.status(&self.status()),
            News::Changed | News::Ended => {}
            News::Reloaded(failed) => {
                for reason in &failed {
                    tracing::error!(reason, "a part of the reload failed");
                }
                let status = match failed.len() {
                    0 => self.status(),
                    _ => format!("{}; reload failed: {}", self.status(), failed.join("; ")),
                };
                tracing::info!("reloaded");
                if std::mem::take(&mut progress.reload_again) && progress.ends == 0 {
                    self.workers.reload();
                } else {
                    self.notify.ready(&status);
                }
            }
            News::Asked(ask) => self.asked_for(ask, progress).await,
            News::Lost(exit) => {
                if let Some(exit) = &exit {
                    tracing::error!(reason = exit.reason(), "a worker is lost, shutting down");
                }
                progress.lost = progress.lost.take().or(exit);
                self.drain("a worker has ended", progress);
            }
        }
    }

    /// Does what a signal asks for; true when it is to end without waiting for anything.
    async fn obey(&mut self, signal: Signal, progress: &mut Progress) -> bool {
        match signal {
            Signal::End(_) if progress.ends >= 2 => return true,
            Signal::End(name) if progress.ends == 1 => self.cut(name, progress),
            Signal::End(name) => self.drain(name, progress),
            Signal::Reload => self.reload(progress),
            Signal::ReopenLogs => self.reopen_logs(),
            Signal::Upgrade => self.upgrade(None, progress).await,
        }
        false
    }

    async fn asked_for(&mut self, ask: Ask, progress: &mut Progress) {
        match ask {
            Ask::Shutdown if progress.ends > 0 => {}
            Ask::Shutdown => self.drain("the application", progress),
            Ask::ShutdownNow => {
                if progress.ends == 0 {
                    self.drain("the application", progress);
                }
                self.cut("the application", progress);
            }
            Ask::Reload => super::signals::raise_reload(),
            Ask::ReopenLogs => self.reopen_logs(),
            Ask::Upgrade => self.upgrade(None, progress).await,
        }
    }

    /// Lets the connections end.
    fn drain(&mut self, why: &str, progress: &mut Progress) {
        if progress.ends > 0 {
            return;
        }
        tracing::info!(why, "shutting down");
        progress.ends = 1;
        // A successor that is not ready yet is killed.
        progress.handover.cancel();
        if !progress.handover.is_done() {
            self.notify.stopping(&format!("shutting down: {why}"));
            // Without them nobody connects any more.
            progress.files.remove(true);
        }
        self.workers.drain();
    }

    fn cut(&mut self, why: &str, progress: &mut Progress) {
        tracing::warn!(why, "cutting what is still open");
        progress.ends = 2;
        self.workers.order(Order::Cut);
    }

    fn reload(&mut self, progress: &mut Progress) {
        if progress.ends > 0 {
            return;
        }
        tracing::info!("reloading");
        self.notify.reloading();
        let failed = (self.reload)();
        if !failed.is_empty() {
            let reason = failed.join("; ");
            tracing::error!(
                reason,
                "the configuration is wrong, the old one stays in use"
            );
            let status = format!("{}; reload failed: {reason}", self.status());
            self.notify.ready(&status);
        } else if !self.workers.reload() {
            tracing::info!("a reload is still going on, another one follows");
            progress.reload_again = true;
        }
    }

    fn reopen_logs(&self) {
        super::reopen(self.log);
        self.workers.order(Order::Reopen);
    }

    fn remove_files(&mut self) {
        if let Some(requests) = self.requests.take() {
            requests.remove();
        }
        if let Some(pid_file) = self.pid_file.take() {
            pid_file.remove();
        }
    }
}

async fn next_request(requests: &mut Option<Requests>) -> Option<Request> {
    match requests {
        Some(requests) => requests.next().await,
        None => pending().await,
    }
}

async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(watchdog) => drop(watchdog.tick().await),
        None => pending().await,
    }
}

/// The signal that ends a program which does not serve yet; the others have nothing to do.
async fn told_to_end(signals: &mut Signals) -> &'static str {
    loop {
        if let Signal::End(name) = signals.next().await {
            return name;
        }
    }
}

/// Resolves when the predecessor lets go, or is gone.
async fn told_to_go(parent: Parent<'_>) {
    let Parent::Predecessor(channel) = parent else {
        return pending().await;
    };
    while !matches!(
        channel.receive().await,
        Ok(Some(Message::Go)) | Ok(None) | Err(_)
    ) {}
}

/// Whether nobody is at the other end any more.
async fn is_gone(channel: &Channel) -> bool {
    let last = timeout(Duration::ZERO, async {
        while let Ok(Some(_)) = channel.receive().await {}
    });
    last.await.is_ok()
}

async fn launcher_is_gone(parent: Parent<'_>) {
    let Parent::Launcher(channel) = parent else {
        return pending().await;
    };
    while matches!(channel.receive().await, Ok(Some(_))) {}
}
