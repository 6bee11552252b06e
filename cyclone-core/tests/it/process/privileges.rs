//! `--uid`, `--gid` and `--chroot`, as the kernel sees them afterwards.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::BufRead;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;

use rustix::process::{Pid, Signal, getuid};

use super::harness::{Client, Program, children, status_of_threads};

/// A user and a group that are in no database.
const UID: &str = "4000001";
const GID: &str = "4000002";

/// Whether this test may change who it is; otherwise it looks that the program refuses to run on as it is.
fn is_root(program: &Program) -> bool {
    if getuid().is_root() {
        return true;
    }
    let uid = format!("--uid={UID}");
    let gid = format!("--gid={GID}");
    let (code, said) = program.run(&["--port=0", &uid, &gid]);
    assert_eq!(code, Some(77), "{said}");
    false
}

/// Asserts that all threads of the process are the user for good.
fn assert_dropped(pid: Pid, uid: &str, gid: &str, groups: &str) {
    for (key, wanted) in [
        ("Uid:", [uid; 4].join(" ")),
        ("Gid:", [gid; 4].join(" ")),
        ("Groups:", groups.to_owned()),
        // No capability is left, not even one to come back.
        ("CapEff:", "0000000000000000".to_owned()),
        ("CapPrm:", "0000000000000000".to_owned()),
    ] {
        let has = status_of_threads(pid, key);
        assert!(!has.is_empty());
        assert!(
            has.iter().all(|value| *value == wanted),
            "{key} {has:?} and not {wanted}"
        );
    }
}

#[test]
fn every_thread_is_the_user_after_the_sockets_are_bound() {
    let program = Program::new();
    if !is_root(&program) {
        return;
    }
    // A runtime with many threads, one with one, and several of those.
    for workers in ["--worker-mode=threads", "--workers=1", "--workers=3"] {
        let uid = format!("--uid={UID}");
        let gid = format!("--gid={GID}");
        let running = program.start(&["--port=0", &uid, &gid, "--pidfile=pid", workers]);
        assert_dropped(running.pid(), UID, GID, GID);
        Client::connect(running.address()).ping().unwrap();
        running.signal(Signal::TERM);
        assert_eq!(running.exit().0, Some(0));
        // The folder is not the user's: the file could not be removed, but it is nobody's any more.
        assert_eq!(program.read("pid"), "");
    }
}

#[test]
fn a_name_brings_its_groups() {
    let program = Program::new();
    if !is_root(&program) {
        return;
    }
    let running = program.start(&["--port=0", "--uid=nobody"]);
    let nobody = nix_groups("nobody");
    assert_dropped(running.pid(), &nobody.0, &nobody.1, &nobody.2);
    drop(running);
    // Another primary group, and the supplementary groups of the user all the same.
    let running = program.start(&["--port=0", "--uid=root", "--gid=4000002"]);
    let groups = status_of_threads(running.pid(), "Groups:");
    assert!(
        groups
            .iter()
            .all(|groups| groups.split(' ').any(|group| group == GID)),
        "{groups:?}"
    );
    assert!(
        status_of_threads(running.pid(), "Uid:")
            .iter()
            .all(|uid| uid == "0 0 0 0")
    );
}

/// User, group and all groups of a user, as `id` prints them.
fn nix_groups(user: &str) -> (String, String, String) {
    let id = |option: &str| {
        let output = std::process::Command::new("id")
            .args([option, user])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let mut groups: Vec<u32> = id("-G")
        .split(' ')
        .map(|group| group.parse().unwrap())
        .collect();
    groups.sort_unstable();
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    (id("-u"), id("-g"), groups.join(" "))
}

#[test]
fn worker_processes_drop_and_the_one_that_leads_them_serves_nobody() {
    let program = Program::new();
    if !is_root(&program) {
        return;
    }
    let uid = format!("--uid={UID}");
    let gid = format!("--gid={GID}");
    let arguments = [
        "--port=0",
        &uid,
        &gid,
        "--workers=2",
        "--worker-mode=processes",
    ];
    let running = program.start(&arguments);
    let workers = children(running.pid());
    assert_eq!(workers.len(), 2);
    for worker in &workers {
        assert_dropped(*worker, UID, GID, GID);
    }
    let served = Client::connect(running.address()).pid;
    assert!(workers.iter().any(|worker| worker.as_raw_pid() == served));
    running.signal(Signal::TERM);
    assert_eq!(running.exit().0, Some(0));
}

#[test]
fn a_log_that_is_no_file_is_not_given_away() {
    let program = Program::new();
    if !is_root(&program) {
        return;
    }
    // As `/dev/null`, with which the machine would have to live.
    let pipe = program.path("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    // Who opens both ends waits for nobody.
    let both = fs::File::options().read(true).write(true).open(&pipe);
    let mut lines = std::io::BufReader::new(both.unwrap()).lines();
    let uid = format!("--uid={UID}");
    let gid = format!("--gid={GID}");
    let mut running = program
        .command(&["--port=0", &uid, &gid, "--logfile=pipe"])
        .spawn()
        .unwrap();
    assert!(lines.any(|line| line.unwrap().contains("] serving")));
    assert_eq!(fs::metadata(&pipe).unwrap().uid(), 0);
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn workers_go_on_writing_to_the_log_that_was_opened_again() {
    let program = Program::new();
    if !is_root(&program) {
        return;
    }
    let uid = format!("--uid={UID}");
    let gid = format!("--gid={GID}");
    let daemon = program.daemonize(&["--port=0", "--worker-mode=processes", &uid, &gid]);
    let address = daemon.address();
    fs::rename(program.path("log"), program.path("log.old")).unwrap();
    daemon.signal(Signal::USR1);
    // The one that leads opens it first, and its worker writes to it.
    while !fs::read_to_string(program.path("log")).is_ok_and(|log| log.contains("opened the log")) {
        Client::connect(address).ping().unwrap();
    }
    let log = fs::metadata(program.path("log")).unwrap();
    assert_eq!(
        (log.uid().to_string(), log.gid().to_string()),
        (UID.to_owned(), GID.to_owned())
    );
    daemon.stop();
}

#[test]
fn who_is_the_user_already_goes_on() {
    let program = Program::new();
    if !is_root(&program) {
        return;
    }
    let uid = format!("--uid={UID}");
    let gid = format!("--gid={GID}");
    // As by `User=` of systemd, with the same name in the configuration.
    let mut command = program.command(&["--port=0", &uid, &gid]);
    command.uid(UID.parse().unwrap()).gid(GID.parse().unwrap());
    let running = super::harness::Running::of(command);
    assert_dropped(running.pid(), UID, GID, "");
    drop(running);
    // Who is somebody else cannot become it.
    let mut command = program.command(&["--port=0", &uid, &gid]);
    let output = command.uid(4_000_003).gid(4_000_003).output().unwrap();
    assert_eq!(output.status.code(), Some(77));
}

#[test]
fn the_root_directory_changes_and_names_of_users_are_still_found() {
    let program = Program::new();
    if !is_root(&program) {
        return;
    }
    fs::create_dir(program.path("jail")).unwrap();
    let running = program.start(&["--port=0", "--chroot=jail", "--uid=nobody", "--pidfile=pid"]);
    let root = fs::metadata(format!("/proc/{}/{}/", running.pid(), "root")).unwrap();
    let jail = fs::metadata(program.path("jail")).unwrap();
    assert_eq!((root.dev(), root.ino()), (jail.dev(), jail.ino()));
    let directory = fs::metadata(format!("/proc/{}/cwd/", running.pid())).unwrap();
    assert_eq!((directory.dev(), directory.ino()), (jail.dev(), jail.ino()));
    Client::connect(running.address()).ping().unwrap();
    running.signal(Signal::TERM);
    assert_eq!(running.exit().0, Some(0));
    // It is out of reach, but it is nobody's any more.
    assert_eq!(program.read("pid"), "");
}

#[test]
fn what_cannot_be_dropped_keeps_the_program_from_serving() {
    let program = Program::new();
    if !is_root(&program) {
        return;
    }
    let (code, said) = program.run(&["--port=0", "--chroot=no-such-folder"]);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains("no-such-folder the root"), "{said}");
}
