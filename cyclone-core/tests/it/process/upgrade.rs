//! A new process takes over: no connection is lost, and one that fails changes nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, getuid, kill_process};

use super::harness::{
    Client, Daemon, Program, children, status_of_threads, wait_for_end, with_upgrade_limit,
};

/// Everybody who keeps the program busy while it changes.
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<std::thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn on(address: SocketAddr, path: &Path) -> Self {
        let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (stop, served, path) =
                    (Arc::clone(&stop), Arc::clone(&served), path.to_owned());
                std::thread::spawn(move || {
                    let mut failures = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let served_now = match client % 2 {
                            0 => Client::try_connect(address).and_then(visit),
                            _ => Client::connect_unix(&path).and_then(visit),
                        };
                        match served_now {
                            Ok(()) => drop(served.fetch_add(1, Ordering::Relaxed)),
                            Err(error) => failures.push(error.to_string()),
                        }
                    }
                    failures
                })
            })
            .collect();
        Self {
            stop,
            served,
            clients,
        }
    }

    /// Waits until so many more visits were served.
    fn wait_for(&self, visits: usize) {
        let before = self.served.load(Ordering::Relaxed);
        while self.served.load(Ordering::Relaxed) < before + visits {
            std::thread::yield_now();
        }
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            assert_eq!(client.join().unwrap(), Vec::<String>::new());
        }
        self.served.load(Ordering::Relaxed)
    }
}

/// Says three things and hears them again; a good-bye in between is an orderly end too.
fn visit<S: Read + Write>(mut client: Client<S>) -> std::io::Result<()> {
    for _ in 0..3 {
        match client.ping() {
            Ok(()) => {}
            Err(error) if error.to_string() == "it said `bye`" => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn upgrade(program: &Program) -> (Option<i32>, String) {
    program.run(&["--upgrade", "--pidfile=pid"])
}

/// Writes the configuration: a port, a Unix domain socket, and more.
fn configure(program: &Program, more: &str) {
    let endpoints = format!(
        "'tcp:0:interface=127.0.0.1', 'unix:{}'",
        program.text("socket")
    );
    configure_for(program, &endpoints, more);
}

fn configure_for(program: &Program, endpoints: &str, more: &str) {
    let text = format!("endpoint = [{endpoints}]\n{more}\n");
    fs::write(program.path("conf"), text).unwrap();
}

fn daemon<'a>(program: &'a Program, more: &[&str]) -> Daemon<'a> {
    let mut arguments = vec!["--config=conf"];
    arguments.extend(more);
    program.daemonize(&arguments)
}

#[test]
fn three_upgrades_under_load_lose_nobody() {
    let program = Program::new();
    configure(&program, "version-name = 'v0'");
    let daemon = daemon(&program, &[]);
    let (address, first) = (daemon.address(), daemon.pid());
    let file = fs::metadata(program.path("socket")).unwrap().ino();
    let load = Load::on(address, &program.path("socket"));
    load.wait_for(50);
    let mut old = first;
    // More workers than before, and fewer: the sockets of those that are no more have connections too.
    for (version, workers) in [("v1", 3), ("v2", 2), ("v3", 1)] {
        let mut idle = Client::connect(address);
        let mut idle_unix = Client::connect_unix(&program.path("socket")).unwrap();
        configure(
            &program,
            &format!("version-name = '{version}'\nworkers = {workers}"),
        );
        let (code, said) = upgrade(&program);
        assert_eq!((code, said.as_str()), (Some(0), ""));
        let new = daemon.pid();
        assert_ne!(new, old);
        // Who stayed was told to go, and the old process is gone then.
        assert_eq!(
            (idle.hear(), idle.hear()),
            ("bye".to_owned(), String::new())
        );
        assert_eq!(idle_unix.hear(), "bye");
        drop((idle, idle_unix));
        wait_for_end(old);
        let client = Client::connect(address);
        assert_eq!(
            (client.pid, client.version.as_str()),
            (new.as_raw_pid(), version)
        );
        load.wait_for(50);
        old = new;
    }
    assert!(load.end() > 200);
    assert_eq!(fs::metadata(program.path("socket")).unwrap().ino(), file);
    daemon.stop();
    for left in ["socket", "pid", "pid.control"] {
        assert!(!program.path(left).exists(), "{left}");
    }
}

#[test]
fn a_signal_upgrades_and_so_does_the_program_itself() {
    let program = Program::new();
    let mut running = program.start(&["--port=0", "--pidfile=pid"]);
    let (address, first) = (running.address(), running.pid());
    running.signal(Signal::USR2);
    running.wait_for("] ended");
    // The new process has the same standard output: it goes on.
    assert_eq!(running.code(), Some(0));
    let second = program.pid();
    assert_ne!(second, first);
    let mut client = Client::connect(address);
    assert_eq!(client.pid, second.as_raw_pid());
    client.say("upgrade");
    assert_eq!(client.hear(), "bye");
    drop(client);
    wait_for_end(second);
    let third = program.pid();
    assert_eq!(Client::connect(address).pid, third.as_raw_pid());
    kill_process(third, Signal::TERM).unwrap();
    wait_for_end(third);
}

#[test]
fn the_directory_of_the_start_may_be_gone() {
    let program = Program::new();
    let release = program.path("release");
    fs::create_dir(&release).unwrap();
    let pid_file = format!("--pidfile={}", program.text("pid"));
    let mut command = program.command(&["--port=0", &pid_file]);
    command.current_dir(&release);
    let mut running = super::harness::Running::of(command);
    let address = running.address();
    fs::remove_dir(&release).unwrap();
    let answer = ask(&program);
    assert!(answer.starts_with("ok "), "{answer}");
    assert_eq!(running.code(), Some(0));
    let new = program.pid();
    assert_eq!(Client::connect(address).pid, new.as_raw_pid());
    kill_process(new, Signal::TERM).unwrap();
    wait_for_end(new);
}

#[test]
fn a_new_process_that_fails_leaves_the_old_one_serving() {
    let program = Program::new();
    configure(&program, "");
    let daemon = daemon(&program, &[]);
    let (pid, address) = (daemon.pid(), daemon.address());
    let mut idle = Client::connect(address);
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port();
    let mut refused = |what: &str, reason: &str| {
        let (code, said) = upgrade(&program);
        assert_eq!(code, Some(69), "{what}: {said}");
        assert!(said.contains(reason), "{what}: {said}");
        assert_eq!(daemon.pid(), pid, "{what}");
        idle.ping().unwrap();
        assert_eq!(Client::connect(address).pid, pid.as_raw_pid(), "{what}");
        let unix = Client::connect_unix(&program.path("socket")).unwrap();
        assert_eq!(unix.pid, pid.as_raw_pid(), "{what}");
        assert!(
            program
                .read("log")
                .contains("the new process failed, this one goes on")
        );
        assert_eq!(children(pid), [], "{what}: it is gone");
    };
    configure(&program, "trouble = 'error'");
    refused("its build fails", "the database has another format");
    configure(&program, "trouble = 'exit'");
    refused("it ends", "it ended: exit status: 7");
    configure(&program, "trouble = 'panic'");
    refused("it panics", "worker 0 panicked");
    let endpoints = format!(
        "'unix:{}', 'tcp:{port}:interface=127.0.0.1'",
        program.text("other")
    );
    configure_for(&program, &endpoints, "");
    refused("it cannot listen", "cannot listen");
    configure(&program, "no such thing");
    refused("its configuration is wrong", "conf");
    configure(&program, "");
    program.replace("#!/bin/sh\nexit 3\n");
    // The program that asks is not the one at the path.
    drop(idle);
    let answer = ask(&program);
    assert!(answer.contains("it ended: exit status: 3"), "{answer}");
    fs::remove_file(program.path("program")).unwrap();
    let answer = ask(&program);
    assert!(answer.starts_with("failed cannot start "), "{answer}");
    assert_eq!(Client::connect(address).pid, pid.as_raw_pid());

    program.install();
    let (code, said) = upgrade(&program);
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(daemon.pid(), pid);
    wait_for_end(pid);
    assert_eq!(Client::connect(address).pid, daemon.pid().as_raw_pid());
    daemon.stop();
}

/// Asks for an upgrade as `--upgrade` does, without the program.
fn ask(program: &Program) -> String {
    let mut stream = UnixStream::connect(program.path("pid.control")).unwrap();
    stream.write_all(b"upgrade\n").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer
}

#[test]
fn a_new_process_that_says_nothing_is_killed_after_the_limit() {
    let program = Program::new();
    let mut command: Command = program.command(&["--port=0", "--pidfile=pid"]);
    with_upgrade_limit(&mut command, Duration::from_millis(300));
    let mut running = super::harness::Running::of(command);
    program.replace("#!/bin/sh\necho $$ > new\nexec sleep 1000\n");
    let answer = ask(&program);
    assert_eq!(
        answer,
        "failed it did not serve within 0.3 s, and was killed\n"
    );
    running.wait_for("the new process failed");
    let new = program.read("new").trim().parse().unwrap();
    assert!(rustix::process::test_kill_process(Pid::from_raw(new).unwrap()).is_err());
    assert_eq!(
        Client::connect(running.address()).pid,
        running.pid().as_raw_pid()
    );
}

/// A daemon that has begun an upgrade, which goes on when the gate opens.
struct Half<'a> {
    daemon: Daemon<'a>,
    asker: std::process::Child,
    new: Pid,
    gate: UnixStream,
}

fn half(program: &Program) -> Half<'_> {
    configure(program, "");
    let daemon = daemon(program, &[]);
    let gate = UnixListener::bind(program.path("gate")).unwrap();
    configure(program, &format!("gate = '{}'", program.text("gate")));
    let asker = program
        .command(&["--upgrade", "--pidfile=pid"])
        .spawn()
        .unwrap();
    let (gate, _) = gate.accept().unwrap();
    let mut pid = String::new();
    BufReader::new(gate.try_clone().unwrap())
        .read_line(&mut pid)
        .unwrap();
    let new = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    Half {
        daemon,
        asker,
        new,
        gate,
    }
}

#[test]
fn two_upgrades_at_once_are_refused() {
    let program = Program::new();
    let mut half = half(&program);
    let old = half.daemon.pid();
    assert_ne!(half.new, old);
    let (code, said) = upgrade(&program);
    assert_eq!(
        (code, said.as_str()),
        (Some(69), "program: an upgrade is already going on\n")
    );
    assert!(half.asker.try_wait().unwrap().is_none());
    half.gate.write_all(b"x").unwrap();
    assert_eq!(half.asker.wait().unwrap().code(), Some(0));
    wait_for_end(old);
    assert_eq!(half.daemon.pid(), half.new);
    half.daemon.stop();
}

#[test]
fn a_program_that_is_told_to_end_gives_an_upgrade_up() {
    let program = Program::new();
    let mut half = half(&program);
    let (old, new) = (half.daemon.pid(), half.new);
    half.daemon.stop();
    wait_for_end(old);
    wait_for_end(new);
    assert_eq!(half.asker.wait().unwrap().code(), Some(69));
    for left in ["socket", "pid", "pid.control"] {
        assert!(!program.path(left).exists(), "{left}");
    }
}

#[test]
fn when_the_old_process_dies_the_new_one_takes_over_all_the_same() {
    let program = Program::new();
    let mut half = half(&program);
    let (old, address) = (half.daemon.pid(), half.daemon.address());
    half.daemon.signal(Signal::KILL);
    wait_for_end(old);
    // The port is still open: who connects now waits in the queue for the new process.
    let waiting = std::thread::spawn(move || Client::connect(address).pid);
    half.gate.write_all(b"x").unwrap();
    assert_eq!(waiting.join().unwrap(), half.new.as_raw_pid());
    assert_eq!(half.asker.wait().unwrap().code(), Some(69));
    let (code, said) = program.run(&["--pidfile=pid", "--port=0"]);
    assert_eq!(code, Some(75), "{said}");
    kill_process(half.new, Signal::TERM).unwrap();
    wait_for_end(half.new);
    for left in ["socket", "pid", "pid.control"] {
        assert!(!program.path(left).exists(), "{left}");
    }
}

#[test]
fn who_has_dropped_privileges_keeps_them_dropped() {
    if !getuid().is_root() {
        // `privileges.rs` says what happens without them.
        return;
    }
    let program = Program::new();
    configure(&program, "workers = 2");
    let daemon = daemon(&program, &["--uid=4000001", "--gid=4000002"]);
    let (old, address) = (daemon.pid(), daemon.address());
    // One worker more: its socket cannot be one of its own, since the others are root's.
    configure(&program, "workers = 3");
    let (code, said) = upgrade(&program);
    assert_eq!(code, Some(0), "{said}");
    wait_for_end(old);
    assert!(
        program
            .read("log")
            .contains("workers share one listening socket")
    );
    let uids = status_of_threads(daemon.pid(), "Uid:");
    assert!(
        uids.iter().all(|uid| *uid == ["4000001"; 4].join(" ")),
        "{uids:?}"
    );
    let mut workers: Vec<usize> = (0..200).map(|_| Client::connect(address).worker).collect();
    workers.sort_unstable();
    workers.dedup();
    assert!(workers.len() > 1, "{workers:?}");
    daemon.stop();
}

#[test]
fn worker_processes_are_replaced_with_the_one_that_leads_them() {
    let program = Program::new();
    configure(&program, "version-name = 'v0'\nworkers = 2");
    let daemon = daemon(&program, &["--worker-mode=processes"]);
    let (old, address) = (daemon.pid(), daemon.address());
    let old_workers = children(old);
    assert_eq!(old_workers.len(), 2);
    let load = Load::on(address, &program.path("socket"));
    load.wait_for(50);
    configure(&program, "version-name = 'v1'\nworkers = 1");
    let (code, said) = upgrade(&program);
    assert_eq!(code, Some(0), "{said}");
    wait_for_end(old);
    for worker in old_workers {
        wait_for_end(worker);
    }
    let new_workers = children(daemon.pid());
    assert_eq!(new_workers.len(), 1);
    let client = Client::connect(address);
    assert_eq!(
        (client.pid, client.version.as_str()),
        (new_workers[0].as_raw_pid(), "v1")
    );
    drop(client);
    load.wait_for(50);
    load.end();
    daemon.stop();
}
