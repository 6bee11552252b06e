//! What a service manager hears (sd_notify(3)).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::harness::{Client, Program, Running, wait_for_end};

struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn of(program: &Program) -> Self {
        let socket = UnixDatagram::bind(program.path("notify")).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self { socket }
    }

    fn attach(program: &Program, command: &mut Command) {
        command.env("NOTIFY_SOCKET", program.path("notify"));
    }

    fn hear(&self) -> String {
        let mut bytes = [0; 4096];
        let read = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    }

    /// Hears until something begins like this.
    fn wait_for(&self, text: &str) -> String {
        loop {
            let heard = self.hear();
            if heard.starts_with(text) {
                return heard;
            }
        }
    }
}

#[test]
fn start_reload_upgrade_and_end_are_told() {
    let program = Program::new();
    let manager = Manager::of(&program);
    let mut command = program.command(&["--port=0", "--pidfile=pid", "--workers=2"]);
    Manager::attach(&program, &mut command);
    let running = Running::of(command);
    assert_eq!(manager.hear(), "READY=1\nSTATUS=serving with 2 workers");
    running.signal(Signal::HUP);
    let reloading = manager.hear();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(manager.hear(), "READY=1\nSTATUS=serving with 2 workers");

    let old = running.pid();
    let asked = program.run(&["--upgrade", "--pidfile=pid"]);
    assert_eq!(asked.0, Some(0), "{}", asked.1);
    let new = program.pid();
    assert_eq!(manager.hear(), format!("MAINPID={new}"));
    // The old process says nothing more: it is not the program any longer.
    assert_eq!(manager.hear(), "READY=1\nSTATUS=serving with 2 workers");
    wait_for_end(old);
    rustix::process::kill_process(new, Signal::TERM).unwrap();
    assert_eq!(manager.hear(), "STOPPING=1\nSTATUS=shutting down: SIGTERM");
    wait_for_end(new);
}

#[test]
fn a_failed_upgrade_and_a_lost_worker_are_in_the_status() {
    let program = Program::new();
    let manager = Manager::of(&program);
    std::fs::write(program.path("conf"), "").unwrap();
    let arguments = [
        "--port=0",
        "--config=conf",
        "--workers=2",
        "--worker-mode=processes",
    ];
    let mut command = program.command(&arguments);
    Manager::attach(&program, &mut command);
    let running = Running::of(command);
    manager.wait_for("READY=1");
    std::fs::write(program.path("conf"), "trouble = 'error'").unwrap();
    running.signal(Signal::USR2);
    let status = manager.wait_for("STATUS=");
    assert_eq!(
        status,
        "STATUS=serving with 2 workers; upgrade failed: the database has another format"
    );
    Client::connect(running.address()).say("abort");
    assert_eq!(manager.hear(), "STATUS=serving with 1 of 2 workers");
}

#[test]
fn the_watchdog_is_fed_while_the_workers_make_progress_and_not_after() {
    let program = Program::new();
    let manager = Manager::of(&program);
    let mut command = program.command(&["--port=0", "--workers=2"]);
    Manager::attach(&program, &mut command);
    command.env("WATCHDOG_USEC", "20000");
    let mut running = Running::of(command);
    manager.wait_for("READY=1");
    for _ in 0..5 {
        assert_eq!(manager.wait_for("WATCHDOG"), "WATCHDOG=1");
    }
    let mut client = Client::connect(running.address());
    client.say("block");
    assert_eq!(client.hear(), "blocking");
    // So often from now on: what was logged before is read until the answer to a signal.
    let mut no_progress = || {
        running.signal(Signal::USR1);
        running.wait_for("opened the log files again");
        for _ in 0..3 {
            running.wait_for("a worker makes no progress");
        }
    };
    no_progress();
    // What was sent before is heard; then there is silence, though the other worker is well.
    manager.socket.set_nonblocking(true).unwrap();
    while manager.socket.recv(&mut [0; 64]).is_ok() {}
    no_progress();
    let silence = manager.socket.recv(&mut [0; 64]).unwrap_err();
    assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
}
