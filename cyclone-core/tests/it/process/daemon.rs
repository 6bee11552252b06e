//! `--daemonize`: the launcher returns when the program serves, or says why it does not.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rustix::process::{Pid, Signal, getsid};

use super::harness::{Client, Program, wait_for_end};

#[test]
fn the_launcher_returns_zero_when_the_port_answers_and_not_before() {
    let program = Program::new();
    let gate = UnixListener::bind(program.path("gate")).unwrap();
    let arguments = [
        "--daemonize",
        "--pidfile=pid",
        "--logfile=log",
        "--port=0",
        "--gate=gate",
    ];
    let mut launcher = program.command(&arguments).spawn().unwrap();

    // The daemon is just before its first connection, and stays there until this test lets it go.
    let (mut daemon, _) = gate.accept().unwrap();
    let mut pid = String::new();
    BufReader::new(daemon.try_clone().unwrap())
        .read_line(&mut pid)
        .unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert_ne!(pid, Pid::from_child(&launcher));
    assert!(
        launcher.try_wait().unwrap().is_none(),
        "the launcher returned too early"
    );

    daemon.write_all(b"x").unwrap();
    let output = launcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let log = program.read("log");
    let address = log
        .lines()
        .find_map(|line| line.split_once(" address="))
        .unwrap()
        .1;
    let address = address.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(Client::connect(address).pid, pid.as_raw_pid());
    assert_eq!(program.pid(), pid);

    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    wait_for_end(pid);
    assert!(!program.path("pid").exists());
}

#[test]
fn the_daemon_has_no_terminal_no_streams_and_a_session_of_its_own() {
    let program = Program::new();
    let daemon = program.daemonize(&["--port=0"]);
    let pid = daemon.pid();
    assert_eq!(getsid(Some(pid)).unwrap(), pid);
    for stream in 0..3 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{stream}")).unwrap();
        assert_eq!(target.to_str(), Some("/dev/null"), "stream {stream}");
    }
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(name, "program\n");
    // The log was made with the default umask of a daemon, and the pid file is for everyone to read.
    let mode = |name| {
        fs::metadata(program.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("log"), mode("pid")), (0o600, 0o644));
    daemon.stop();

    fs::remove_file(program.path("log")).unwrap();
    let daemon = program.daemonize(&["--port=0", "--umask=027"]);
    assert_eq!(mode("log"), 0o640);
    daemon.stop();
}

#[test]
fn a_daemon_that_does_not_serve_says_why_through_the_launcher() {
    let program = Program::new();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--port={}", other.local_addr().unwrap().port());
    let daemonize = |port: &str, argument: &str| {
        let arguments = [
            "--daemonize",
            "--pidfile=pid",
            "--logfile=log",
            port,
            argument,
        ];
        program.run(&arguments)
    };
    let (code, said) = daemonize(&port, "--workers=1");
    assert_eq!(code, Some(69), "{said}");
    assert!(
        said.contains("cannot listen on `tcp:") && said.contains("in use"),
        "{said}"
    );

    let (code, said) = daemonize("--port=0", "--trouble=exit");
    assert_eq!(code, Some(70), "{said}");
    assert!(
        said.contains("the daemon ended before it served: exit status: 7"),
        "{said}"
    );
    let (code, said) = daemonize("--port=0", "--trouble=error");
    assert_eq!(
        (code, said.as_str()),
        (Some(78), "program: the database has another format\n")
    );
    let (code, said) = daemonize("--port=0", "--trouble=panic");
    assert_eq!(code, Some(70), "{said}");
    assert!(said.contains("worker 0 panicked"), "{said}");
    let (code, said) = daemonize("--port=0", "--uid=no-such-user");
    assert_eq!(
        (code, said.as_str()),
        (Some(78), "program: there is no user no-such-user\n")
    );
    // What does not serve leaves nothing behind.
    assert!(!program.path("pid").exists() && !program.path("pid.control").exists());
}

#[test]
fn a_daemon_ends_when_its_launcher_is_killed_before_it_serves() {
    let program = Program::new();
    let gate = UnixListener::bind(program.path("gate")).unwrap();
    let arguments = [
        "--daemonize",
        "--pidfile=pid",
        "--logfile=log",
        "--port=0",
        "--gate=gate",
    ];
    let mut launcher = program.command(&arguments).spawn().unwrap();
    let (daemon, _) = gate.accept().unwrap();
    let pid = program.pid();
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    // The service still starts: it is not its end that ends the daemon.
    while !program.read("log").contains("did not wait for it") {
        std::thread::yield_now();
    }
    drop(daemon);
    wait_for_end(pid);
    assert!(!program.path("pid").exists());
}
