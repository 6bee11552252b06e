//! Sockets that were open when the process started: those of systemd (sd_listen_fds(3)), and others by number.

use std::env;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The number of the first socket of systemd (`SD_LISTEN_FDS_START`).
const FIRST_NUMBER: u32 = 3;

/// The sockets that systemd made for this process.
#[derive(Debug)]
struct Activation {
    sockets: u32,
    /// The names of the first ones; systemd gives one to each.
    names: Vec<String>,
}

pub(super) fn by_index(index: u32) -> io::Result<OwnedFd> {
    by_number(Activation::of_process()?.number_at(index)?)
}

pub(super) fn by_name(name: &str) -> io::Result<OwnedFd> {
    by_number(Activation::of_process()?.number_of(name)?)
}

impl Activation {
    fn of_process() -> io::Result<Self> {
        let text = |name: &str| env::var(name).ok();
        Self::new(text, std::process::id())
    }

    /// Reads the environment, which is left as it is: changing it is not safe while there are threads.
    fn new(variable: impl Fn(&str) -> Option<String>, process: u32) -> io::Result<Self> {
        let number = |name| variable(name).and_then(|text| text.parse::<u32>().ok());
        let sockets = number("LISTEN_FDS").filter(|sockets| *sockets > 0);
        let (Some(sockets), Some(meant)) = (sockets, number("LISTEN_PID")) else {
            return not_found(
                "no sockets came with this process (LISTEN_FDS, LISTEN_PID): it is to be started by a socket unit \
                 of systemd, or with systemd-socket-activate",
            );
        };
        #[cfg(all(feature = "runner", target_os = "linux"))]
        let ours = meant == process || crate::runner::is_activated(meant);
        #[cfg(not(all(feature = "runner", target_os = "linux")))]
        let ours = meant == process;
        if !ours {
            return not_found(&format!(
                "the sockets are meant for process {meant} and this is {process}: a program between it and systemd \
                 has to exec it"
            ));
        }
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').map(str::to_owned).collect();
        Ok(Self { sockets, names })
    }

    fn number_at(&self, index: u32) -> io::Result<u32> {
        match index.checked_add(FIRST_NUMBER) {
            Some(number) if index < self.sockets => Ok(number),
            _ => {
                let sockets = self.sockets;
                not_found(&format!(
                    "there is no socket {index}, systemd gave {sockets}, from 0"
                ))
            }
        }
    }

    fn number_of(&self, name: &str) -> io::Result<u32> {
        let names = (0..self.sockets).zip(&self.names);
        let indices: Vec<u32> = names
            .filter(|(_, it)| *it == name)
            .map(|(index, _)| index)
            .collect();
        match *indices {
            [index] => self.number_at(index),
            [] => not_found(&format!(
                "systemd gave no socket named `{name}`, but {:?}",
                self.names
            )),
            _ => not_found(&format!(
                "systemd gave several sockets named `{name}`: use their indices, {indices:?}"
            )),
        }
    }
}

/// A duplicate, closed on exec, of a descriptor of this process.
///
/// The number itself stays open: nothing safe can close what it may not own.
pub(super) fn by_number(number: u32) -> io::Result<OwnedFd> {
    if number == 0 {
        return rustix::stdio::stdin().as_fd().try_clone_to_owned();
    }
    duplicate(number)
}

#[cfg(target_os = "linux")]
fn duplicate(number: u32) -> io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let wanted = i32::try_from(number).unwrap_or(i32::MAX);
    pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|process| pidfd_getfd(process, wanted, PidfdGetfdFlags::empty()))
        .map_err(|error| refused(number, error))
}

/// Why a descriptor cannot be had, with what may help.
#[cfg(target_os = "linux")]
fn refused(number: u32, error: rustix::io::Errno) -> io::Error {
    use rustix::io::Errno;
    match error {
        Errno::BADF => {
            let reason = format!("descriptor {number} is not open in this process");
            io::Error::new(io::ErrorKind::NotFound, reason)
        }
        Errno::PERM | Errno::NOSYS => {
            let reason = "the system refuses pidfd_getfd: allow it in the seccomp profile of the container (Linux \
                          5.6 has it), or pass the socket as standard input and use `fd:0`";
            io::Error::new(io::Error::from(error).kind(), reason)
        }
        error => error.into(),
    }
}

#[cfg(not(target_os = "linux"))]
fn duplicate(number: u32) -> io::Result<OwnedFd> {
    let reason = format!(
        "descriptor {number} cannot be taken over on this system: pass the socket as standard input and use `fd:0`"
    );
    Err(io::Error::new(io::ErrorKind::Unsupported, reason))
}

fn not_found<T>(reason: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::NotFound, reason))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Activation, by_number};

    fn activation(fds: &str, pid: &str, names: Option<&str>) -> io::Result<Activation> {
        let variable = |name: &str| match name {
            "LISTEN_FDS" => Some(fds.to_owned()),
            "LISTEN_PID" => Some(pid.to_owned()),
            "LISTEN_FDNAMES" => names.map(str::to_owned),
            _ => None,
        };
        Activation::new(variable, 42)
    }

    #[test]
    fn sockets_are_found_by_index_and_by_name() {
        let sockets = activation("3", "42", Some("web:admin:unknown")).unwrap();
        assert_eq!(sockets.number_at(0).unwrap(), 3);
        assert_eq!(sockets.number_at(2).unwrap(), 5);
        assert_eq!(sockets.number_of("web").unwrap(), 3);
        assert_eq!(sockets.number_of("unknown").unwrap(), 5);
        let nameless = activation("1", "42", None).unwrap();
        assert_eq!(nameless.number_at(0).unwrap(), 3);
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let table = [
            (activation("", "42", None), "no sockets came"),
            (activation("0", "42", None), "no sockets came"),
            (activation("x", "42", None), "no sockets came"),
            (activation("1", "", None), "no sockets came"),
            (
                activation("1", "41", None),
                "meant for process 41 and this is 42",
            ),
        ];
        for (found, message) in table {
            let error = found.unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let sockets = activation("2", "42", Some("web:web:more")).unwrap();
        let table = [
            (sockets.number_at(2), "no socket 2, systemd gave 2"),
            (sockets.number_at(u32::MAX), "no socket 4294967295"),
            (sockets.number_of("admin"), r#"["web", "web", "more"]"#),
            (sockets.number_of("web"), "indices, [0, 1]"),
            (sockets.number_of("more"), "no socket named `more`"),
        ];
        for (found, message) in table {
            let error = found.unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    /// Containers refuse the call with either.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_system_that_refuses_is_told_how_to_allow_it() {
        use rustix::io::Errno;
        for (error, kind) in [
            (Errno::PERM, io::ErrorKind::PermissionDenied),
            (Errno::NOSYS, io::ErrorKind::Unsupported),
        ] {
            let error = super::refused(3, error);
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains("seccomp") && error.to_string().contains("`fd:0`"));
        }
    }

    #[test]
    fn a_number_that_is_not_open_is_an_error() {
        for number in [1_000_000, u32::MAX] {
            let error = by_number(number).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        }
    }
}
