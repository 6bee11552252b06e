//! What the signals do, in one process.

use std::fs;
use std::io::Write;

use rustix::process::Signal;

use super::harness::{Client, Program};

#[test]
fn the_first_signal_drains_the_second_cuts_and_the_third_does_not_wait() {
    let program = Program::new();
    let mut running = program.start(&["--port=0", "--workers=1"]);
    let mut client = Client::connect(running.address());
    running.signal(Signal::TERM);
    assert_eq!(client.hear(), "bye");
    running.wait_for("] draining");
    running.signal(Signal::INT);
    let (code, said) = running.exit();
    assert_eq!(code, Some(0));
    assert!(
        said.contains("cutting what is still open why=\"SIGINT\""),
        "{said}"
    );
    assert!(said.contains("] cut connection="), "{said}");
    assert!(said.contains("drained=0 cut=1"), "{said}");

    // A handler that blocks the runtime of its worker keeps it from ending, but not the program.
    let mut running = program.start(&["--port=0", "--workers=1"]);
    let mut client = Client::connect(running.address());
    client.say("block");
    running.signal(Signal::TERM);
    running.wait_for("] shutting down");
    running.signal(Signal::TERM);
    running.wait_for("cutting what is still open");
    running.signal(Signal::TERM);
    let (code, said) = running.exit();
    assert_eq!(code, Some(69));
    assert!(said.contains("ended at once by a third signal"), "{said}");
}

#[test]
fn a_hang_up_reloads_in_every_worker_with_the_new_settings() {
    for mode in ["--worker-mode=threads", "--worker-mode=processes"] {
        let program = Program::new();
        fs::write(program.path("conf"), "version-name = 'before'\n").unwrap();
        let arguments = [
            "--port=0",
            "--config=conf",
            "--reloads=reloads",
            "--workers=2",
            mode,
        ];
        let mut running = program.start(&arguments);
        fs::write(
            program.path("conf"),
            "version-name = 'after'\nlog-level = 'warn'\n",
        )
        .unwrap();
        running.signal(Signal::HUP);
        // In the order of their registration, and one that fails keeps nobody from going on.
        for _ in 0..2 {
            running.wait_for("broken: no such key");
        }
        let noted = program.read("reloads");
        let mut noted: Vec<&str> = noted.lines().collect();
        noted.sort_unstable();
        assert_eq!(noted, ["worker 0: after", "worker 1: after"], "{mode}");

        // What is wrong changes nothing, and the level is the new one: the reload itself is not told any more.
        fs::write(program.path("conf"), "version-name = \n").unwrap();
        running.signal(Signal::HUP);
        running.wait_for("the configuration is wrong, the old one stays in use");
        assert_eq!(program.read("reloads").lines().count(), 2);
        Client::connect(running.address()).ping().unwrap();
        running.signal(Signal::TERM);
        let (code, said) = running.exit();
        assert_eq!((code, said.as_str()), (Some(0), ""), "{mode}");
    }
}

#[test]
fn a_reload_says_what_it_does_not_apply() {
    let program = Program::new();
    fs::write(program.path("conf"), "log-backups = 1\n").unwrap();
    let mut running = program.start(&["--port=0", "--config=conf"]);
    fs::write(
        program.path("conf"),
        "log-backups = 2\nversion-name = 'two'\n",
    )
    .unwrap();
    running.signal(Signal::HUP);
    let said = running.wait_for("version-name: ");
    assert!(said.contains("[I ") && !said.contains("restart"), "{said}");
    let said = running.wait_for("log-backups: 1 -> 2");
    assert!(
        said.contains("[W ") && said.contains("takes an upgrade or a restart"),
        "{said}"
    );
}

#[test]
fn a_hang_up_during_a_reload_is_not_lost() {
    for mode in ["--worker-mode=threads", "--worker-mode=processes"] {
        let program = Program::new();
        let gate = std::os::unix::net::UnixListener::bind(program.path("gate")).unwrap();
        fs::write(program.path("conf"), "version-name = 'one'\n").unwrap();
        let arguments = [
            "--port=0",
            "--config=conf",
            "--reload-gate=gate",
            "--reloads=reloads",
            mode,
        ];
        let mut running = program.start(&arguments);
        running.signal(Signal::HUP);
        let (mut first, _) = gate.accept().unwrap();
        fs::write(program.path("conf"), "version-name = 'two'\n").unwrap();
        running.signal(Signal::HUP);
        running.wait_for("a reload is still going on");
        first.write_all(b"x").unwrap();
        let (mut second, _) = gate.accept().unwrap();
        second.write_all(b"x").unwrap();
        running.wait_for("] reloaded");
        running.wait_for("] reloaded");
        let noted = program.read("reloads");
        assert_eq!(noted.lines().last(), Some("worker 0: two"), "{mode}");
    }
}

#[test]
fn a_part_of_the_program_reloads_as_a_signal_does() {
    let program = Program::new();
    let mut running = program.start(&["--port=0", "--reloads=reloads", "--workers=2"]);
    let mut client = Client::connect(running.address());
    client.say("servers");
    assert_eq!(client.hear(), "2");
    client.say("reload");
    running.wait_for("] reloaded");
    assert_eq!(program.read("reloads").lines().count(), 2);
}

#[test]
fn the_log_is_opened_again_on_request() {
    for mode in ["--worker-mode=threads", "--worker-mode=processes"] {
        let program = Program::new();
        let daemon = program.daemonize(&["--port=0", "--workers=2", mode]);
        let address = daemon.address();
        fs::rename(program.path("log"), program.path("log.old")).unwrap();
        daemon.signal(Signal::USR1);
        // It says so in the new one, after which there is one.
        while !fs::read_to_string(program.path("log"))
            .is_ok_and(|log| log.contains("opened the log"))
        {
            Client::connect(address).ping().unwrap();
        }
        assert!(program.read("log.old").contains("] serving"));
        daemon.stop();
        assert!(program.read("log").contains("] ended"), "{mode}");
    }
}

#[test]
fn a_signal_before_it_serves_ends_the_start() {
    let program = Program::new();
    let gate = std::os::unix::net::UnixListener::bind(program.path("gate")).unwrap();
    let starting = program
        .command(&["--port=0", "--gate=gate", "--pidfile=pid"])
        .spawn()
        .unwrap();
    let (gate, _) = gate.accept().unwrap();
    let pid = rustix::process::Pid::from_child(&starting);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    drop(gate);
    let output = starting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("SIGTERM came before the program served") || said.contains("gate"),
        "{said}"
    );
    assert!(!program.path("pid").exists());
}
