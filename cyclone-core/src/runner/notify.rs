//! What the service manager is told (sd_notify(3)): that the program serves, reloads, stops, and is alive.
//!
//! The socket is connected once, at the start, so that it is still there after the root directory has changed.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::net::{SendFlags, send};
use rustix::process::Pid;
use sd_notify::NotifyState;

#[cfg(test)]
mod tests;

/// The variable with the address of the service manager's socket.
pub(crate) const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// The variable with the time, in microseconds, after which the service manager gives up on a silent program.
const WATCHDOG_VARIABLE: &str = "WATCHDOG_USEC";

/// The variable with the process that the service manager watches.
pub(crate) const WATCHDOG_PID_VARIABLE: &str = "WATCHDOG_PID";

/// How long a message that is said once waits for a service manager that is busy, at most: without `READY=1` it would
/// end the program.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits so long. What is said again and again does not.
const WAIT: SendFlags = SendFlags::empty();

/// The connection to the service manager; without one every message goes nowhere.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    manager: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// Connects to the service manager that started this process, if one did.
    pub(crate) fn from_environment() -> Self {
        let Some(address) = env::var_os(SOCKET_VARIABLE) else {
            return Self::default();
        };
        let watchdog = watchdog(
            env::var(WATCHDOG_VARIABLE).ok().as_deref(),
            env::var(WATCHDOG_PID_VARIABLE).ok().as_deref(),
        );
        match connect(address.as_bytes()) {
            Ok(manager) => Self {
                manager: Some(manager),
                watchdog,
            },
            Err(error) => {
                tracing::warn!(?address, %error, "cannot reach the service manager");
                Self::default()
            }
        }
    }

    /// How often [`alive`](Self::alive) has to be said: at half of what the service manager waits for.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Connections are accepted.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(status)], WAIT);
    }

    /// A reload begins; [`ready`](Self::ready) ends it.
    pub(crate) fn reloading(&self) {
        let Ok(now) = NotifyState::monotonic_usec_now() else {
            return;
        };
        self.send(&[NotifyState::Reloading, now], WAIT);
    }

    /// The shutdown begins.
    pub(crate) fn stopping(&self, status: &str) {
        self.send(&[NotifyState::Stopping, NotifyState::Status(status)], WAIT);
    }

    /// One line for people who ask the service manager.
    pub(crate) fn status(&self, status: &str) {
        self.send(&[NotifyState::Status(status)], SendFlags::DONTWAIT);
    }

    /// Another process is the program from now on. Only the one that was it before can say so.
    pub(crate) fn main_process(&self, pid: Pid) {
        let pid = pid.as_raw_pid().unsigned_abs();
        self.send(&[NotifyState::MainPid(pid)], WAIT);
    }

    /// The program makes progress.
    pub(crate) fn alive(&self) {
        self.send(&[NotifyState::Watchdog], SendFlags::DONTWAIT);
    }

    fn send(&self, states: &[NotifyState<'_>], flags: SendFlags) {
        let Some(manager) = &self.manager else {
            return;
        };
        let lines: Vec<String> = states
            .iter()
            // A line ends a value.
            .map(|state| state.to_string().replace('\n', "; "))
            .collect();
        let text = lines.join("\n");
        if let Err(error) = send(manager, text.as_bytes(), flags) {
            tracing::warn!(text, %error, "cannot reach the service manager");
        }
    }
}

fn connect(address: &[u8]) -> io::Result<UnixDatagram> {
    let address = match address.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(address))?,
    };
    let manager = UnixDatagram::unbound()?;
    manager.connect_addr(&address)?;
    manager.set_write_timeout(Some(PATIENCE))?;
    Ok(manager)
}

/// Half of the time in the variable, if the watchdog is for this process.
fn watchdog(microseconds: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let own = rustix::process::getpid().as_raw_pid().to_string();
    if pid.is_some_and(|pid| pid != own) {
        return None;
    }
    let whole = microseconds?.parse().ok().filter(|time| *time > 0)?;
    Some(Duration::from_micros(whole) / 2)
}
