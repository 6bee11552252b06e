//! Becoming another user, in a smaller file system: after the sockets are bound and before anyone connects.
//!
//! All or nothing: what was asked for is done and then looked at again, and a process that has anything else does not
//! run on. Names are looked up before the root directory changes, because they are not known after.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::{
    Gid, Group, Uid, User, getgrouplist, getgroups, getresgid, getresuid, setgid, setgroups,
    setresgid, setresuid, setuid,
};

use super::exit::{EXIT_CONFIG, EXIT_NO_PERMISSION, Exit};
use super::logging::LogHandle;
use super::options::{Identity, ProcessOptions};

#[cfg(test)]
mod tests;

/// Who the process becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Privileges {
    uid: Option<Uid>,
    gid: Option<Gid>,
    /// The supplementary groups; `None` with neither user nor group.
    groups: Option<Vec<Gid>>,
    chroot: Option<PathBuf>,
}

impl Privileges {
    /// Looks up the names in the options.
    pub(crate) fn resolve(options: &ProcessOptions) -> Result<Self, Exit> {
        let user = options.uid.as_ref().map(user).transpose()?;
        let gid = options.gid.as_ref().map(group).transpose()?;
        let gid = match (&user, gid) {
            (_, Some(gid)) => Some(gid),
            (Some(Account::Known(user)), None) => Some(user.gid),
            (Some(Account::Number(uid)), None) => {
                let reason = format!("user {uid} is in no database, so its group is not known");
                return Err(Exit::new(EXIT_CONFIG, format!("{reason}: add `--gid`")));
            }
            (None, None) => None,
        };
        let groups = match (&user, gid) {
            (Some(Account::Known(user)), Some(gid)) => Some(groups_of(user, gid)?),
            (_, gid) => gid.map(|gid| vec![gid]),
        };
        Ok(Self {
            uid: user.map(|user| user.uid()),
            gid,
            groups,
            chroot: options.chroot.clone(),
        })
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.uid.is_none() && self.gid.is_none() && self.chroot.is_none()
    }

    /// Gives the log file to the one who this process becomes: he has to open it again, after a rotation or in a
    /// successor. Without the right to do so it stays as it is.
    pub(crate) fn give(&self, log: &LogHandle) {
        let Some(uid) = self.uid else {
            return;
        };
        if let Err(error) = log.change_owner(Some(uid.as_raw()), self.gid.map(Gid::as_raw)) {
            tracing::debug!(%error, "the log file stays as it is");
        }
    }

    /// Changes root directory, groups and user of all threads of the process, and verifies it.
    ///
    /// A `successor` was started by a process that has done so already: it may find everything as it should be,
    /// and does not go into the root directory once more. So may a program that a service manager started as the user.
    ///
    /// # Errors
    /// The process may be anywhere in between then, and has to end.
    pub(crate) fn drop(&self, successor: bool) -> Result<(), Exit> {
        if self.is_empty() {
            return Ok(());
        }
        let is_somebody = self.uid.is_some() || self.gid.is_some();
        let mine = successor || (self.chroot.is_none() && !Uid::effective().is_root());
        if mine && is_somebody && self.verify().is_ok() {
            return Ok(());
        }
        if let Some(root) = &self.chroot {
            let changed = rustix::process::chroot(root).map_err(io::Error::from);
            changed
                .and_then(|()| std::env::set_current_dir("/"))
                .map_err(|error| {
                    refused(&format!("cannot make {} the root", root.display()), error)
                })?;
        }
        // Groups first: who has given up the user may not change them any more.
        if let Some(groups) = &self.groups {
            setgroups(groups).map_err(|error| refused("cannot set the groups", error))?;
        }
        if let Some(gid) = self.gid {
            setresgid(gid, gid, gid)
                .map_err(|error| refused(&format!("cannot become group {gid}"), error))?;
        }
        if let Some(uid) = self.uid {
            setresuid(uid, uid, uid)
                .map_err(|error| refused(&format!("cannot become user {uid}"), error))?;
        }
        self.verify()?;
        tracing::info!(
            uid = self.uid.map(Uid::as_raw),
            gid = self.gid.map(Gid::as_raw),
            chroot = self.chroot.as_ref().map(|path| path.display().to_string()),
            "privileges dropped"
        );
        Ok(())
    }

    /// Looks whether the process is who it should be, for good.
    fn verify(&self) -> Result<(), Exit> {
        if let Some(wanted) = self.uid {
            let has = getresuid().map_err(|error| refused("cannot verify the user", error))?;
            if [has.real, has.effective, has.saved] != [wanted; 3] {
                return Err(not_dropped(&format!("the process is {has:?}")));
            }
            if !wanted.is_root() && setuid(Uid::from_raw(0)).is_ok() {
                return Err(not_dropped("it can become root again"));
            }
        }
        if let Some(wanted) = self.gid {
            let has = getresgid().map_err(|error| refused("cannot verify the group", error))?;
            if [has.real, has.effective, has.saved] != [wanted; 3] {
                return Err(not_dropped(&format!("the process is {has:?}")));
            }
            let is_root = self.uid.is_none_or(Uid::is_root);
            if !is_root && wanted.as_raw() != 0 && setgid(Gid::from_raw(0)).is_ok() {
                return Err(not_dropped("it can become group 0 again"));
            }
        }
        if let Some(wanted) = &self.groups {
            let has = getgroups().map_err(|error| refused("cannot verify the groups", error))?;
            let set = |groups: &[Gid]| groups.iter().map(|gid| gid.as_raw()).collect();
            // Whether the primary group is among them is left to the system.
            let (mut has, mut wanted): (BTreeSet<u32>, BTreeSet<u32>) = (set(&has), set(wanted));
            for set in [&mut has, &mut wanted] {
                set.extend(self.gid.map(Gid::as_raw));
            }
            if has != wanted {
                return Err(not_dropped(&format!("it is in the groups {has:?}")));
            }
        }
        self.verify_threads()
    }

    /// Looks at each thread by itself, where there is a `/proc`: the system keeps identities by thread, and it is
    /// the C library that changes them all.
    fn verify_threads(&self) -> Result<(), Exit> {
        let Ok(threads) = fs::read_dir("/proc/self/task") else {
            return Ok(());
        };
        for thread in threads.flatten() {
            // A thread may end meanwhile.
            let Ok(status) = fs::read_to_string(thread.path().join("status")) else {
                continue;
            };
            let of = |key: &str| -> Vec<u32> {
                let line = status.lines().find_map(|line| line.strip_prefix(key));
                let numbers = line.unwrap_or_default().split_ascii_whitespace();
                numbers.filter_map(|number| number.parse().ok()).collect()
            };
            let same = |key: &str, wanted: Option<u32>| wanted.is_none_or(|id| of(key) == [id; 4]);
            if !same("Uid:", self.uid.map(Uid::as_raw)) || !same("Gid:", self.gid.map(Gid::as_raw))
            {
                return Err(not_dropped("a thread is still someone else"));
            }
        }
        Ok(())
    }
}

/// A user who may be in no database.
enum Account {
    Known(User),
    Number(Uid),
}

impl Account {
    fn uid(&self) -> Uid {
        match self {
            Self::Known(user) => user.uid,
            Self::Number(uid) => *uid,
        }
    }
}

fn user(identity: &Identity) -> Result<Account, Exit> {
    let found = match identity {
        Identity::Name(name) => User::from_name(name),
        Identity::Number(uid) => User::from_uid(Uid::from_raw(*uid)),
    };
    let found =
        found.map_err(|error| refused(&format!("cannot look up user {identity}"), error))?;
    match (found, identity) {
        (Some(user), _) => Ok(Account::Known(user)),
        (None, Identity::Number(uid)) => Ok(Account::Number(Uid::from_raw(*uid))),
        (None, _) => Err(Exit::new(
            EXIT_CONFIG,
            format!("there is no user {identity}"),
        )),
    }
}

fn group(identity: &Identity) -> Result<Gid, Exit> {
    let name = match identity {
        Identity::Number(gid) => return Ok(Gid::from_raw(*gid)),
        Identity::Name(name) => name,
    };
    let found = Group::from_name(name);
    let found = found.map_err(|error| refused(&format!("cannot look up group {name}"), error))?;
    let group = found.ok_or_else(|| Exit::new(EXIT_CONFIG, format!("there is no group {name}")))?;
    Ok(group.gid)
}

fn groups_of(user: &User, gid: Gid) -> Result<Vec<Gid>, Exit> {
    let what = format!("cannot look up the groups of {}", user.name);
    let name = CString::new(user.name.as_str()).map_err(|error| Exit::of(EXIT_CONFIG, &error))?;
    getgrouplist(&name, gid).map_err(|error| refused(&what, error))
}

fn refused(what: &str, error: impl Into<io::Error>) -> Exit {
    Exit::new(EXIT_NO_PERMISSION, format!("{what}: {}", error.into()))
}

fn not_dropped(what: &str) -> Exit {
    let reason = format!("privileges are not dropped as they should be: {what}");
    Exit::new(EXIT_NO_PERMISSION, reason)
}
