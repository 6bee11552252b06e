//! What is decided and prepared before anything of the program is built.

use std::os::fd::OwnedFd;

use rustix::fs::Mode;
use rustix::process::umask;

use crate::runner::affinity;
use crate::runner::daemon::{self, DEFAULT_DAEMON_UMASK};
use crate::runner::exit::{EXIT_CONFIG, Exit};
use crate::runner::options::{ProcessOptions, Settings, Workers};
use crate::runner::pidfile::PidFile;
use crate::runner::requests::Requests;
use crate::runner::role::Part;

#[cfg(test)]
#[cfg(all(feature = "self-signed", feature = "ring"))]
mod tests;

/// How many workers there are to be.
pub(super) fn worker_count(
    options: &ProcessOptions,
    processors: Option<&[usize]>,
) -> Result<usize, Exit> {
    match (options.workers, processors) {
        (Workers::Count(count), _) => Ok(count.get()),
        (Workers::PerCore, Some(processors)) => Ok(processors.len()),
        (Workers::PerCore, None) => {
            let allowed = affinity::allowed();
            let allowed = allowed.map_err(|error| Exit::os("cannot count the processors", &error));
            Ok(allowed?.len())
        }
    }
}

/// Session, permissions of new files, and working directory.
pub(super) fn enter(options: &ProcessOptions, part: Option<Part>) -> Result<(), Exit> {
    if part == Some(Part::Daemon) {
        daemon::detach()?;
    }
    let default = options.daemonize.then_some(DEFAULT_DAEMON_UMASK);
    if let Some(bits) = options.umask.or(default) {
        umask(Mode::from_bits_truncate(bits));
    }
    if let Some(directory) = &options.rundir {
        std::env::set_current_dir(directory).map_err(|error| {
            Exit::new(
                EXIT_CONFIG,
                format!("run directory {}: {error}", directory.display()),
            )
        })?;
    }
    Ok(())
}

/// Reads the certificates of the endpoints once, so that the workers of this process share them, and their sessions. What
/// cannot be read is told by the server that binds.
#[cfg(feature = "tls")]
pub(super) fn share_tls<A>(settings: &mut Settings<A>) {
    let tls_endpoints = settings.tls_endpoints.iter_mut();
    for endpoint in settings.endpoints.iter_mut().chain(tls_endpoints) {
        if let Ok(loaded) = endpoint.clone().load_tls() {
            *endpoint = loaded;
        }
    }
}

#[cfg(not(feature = "tls"))]
pub(super) fn share_tls<A>(_settings: &mut Settings<A>) {}

/// The pid file and the socket beside it: the predecessor's if they are the same, and otherwise new ones.
pub(super) fn claim(
    options: &ProcessOptions,
    pid_file: Option<OwnedFd>,
    requests: Option<OwnedFd>,
) -> Result<(Option<PidFile>, Option<Requests>), Exit> {
    let Some(path) = &options.pidfile else {
        return Ok((None, None));
    };
    let inherited = match pid_file {
        Some(file) => PidFile::inherit(path, file).map_err(|error| error.exit(path))?,
        None => None,
    };
    let (file, requests) = match (inherited, requests) {
        (Some(file), Some(socket)) => (file, Ok(Requests::inherit(path, socket))),
        (Some(file), None) => (file, Requests::bind(path)),
        (None, _) => {
            let file = PidFile::create(path).map_err(|error| error.exit(path))?;
            (file, Requests::bind(path))
        }
    };
    if let Err(error) = &requests {
        tracing::warn!(%error, "`--upgrade` will not work, SIGUSR2 does");
    }
    Ok((Some(file), requests.ok()))
}
