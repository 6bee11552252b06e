//! The system log, played by a socket of the test.

use std::fs;
use std::os::unix::net::UnixDatagram;

use tracing::{debug, error, info, trace, warn};

use super::Logs;
use crate::runner::logging::{LogOutput, MAX_SYSLOG_BYTES};

struct System {
    socket: Option<UnixDatagram>,
    logs: Logs,
}

impl System {
    fn start(identifier: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        let logs = Logs::start_in(directory, |options| {
            options.output = LogOutput::Nowhere;
            options.syslog = Some(path);
            options.identifier = identifier.into();
        });
        let mut system = Self { socket: None, logs };
        system.listen(socket);
        system
    }

    fn listen(&mut self, socket: UnixDatagram) {
        // A message is there when it is sent.
        socket.set_nonblocking(true).unwrap();
        self.socket = Some(socket);
    }

    fn stop(&mut self) {
        self.socket = None;
        fs::remove_file(self.logs.path("log")).unwrap();
    }

    fn restart(&mut self) {
        let socket = UnixDatagram::bind(self.logs.path("log")).unwrap();
        self.listen(socket);
    }

    fn message(&self) -> Option<String> {
        let mut message = vec![0; 64 * 1024];
        let length = self.socket.as_ref().unwrap().recv(&mut message).ok()?;
        message.truncate(length);
        Some(String::from_utf8(message).unwrap())
    }

    /// What comes after the header.
    fn text(&self) -> Option<String> {
        let message = self.message()?;
        Some(message.split_once("]: ").unwrap().1.to_owned())
    }
}

#[test]
fn messages_are_as_in_rfc_3164() {
    let system = System::start("my app[1]:");
    system.logs.log(|| {
        error!(target: "t", "a");
        warn!(target: "t", "a");
        info!(target: "t", users = 3, "a\nb");
        debug!(target: "t", "a");
        trace!(target: "t", "a");
    });
    let pid = std::process::id();
    for (priority, text) in [
        (27, "a"),
        (28, "a"),
        (30, "a\\nb users=3"),
        (31, "a"),
        (31, "a"),
    ] {
        let message = system.message().unwrap();
        let rest = message
            .strip_prefix(&format!("<{priority}>"))
            .unwrap_or_else(|| panic!("{message}"));
        let (time, rest) = rest.split_at(16);
        assert_eq!(rest, format!("my_app_1__[{pid}]: t: {text}"));
        // `Nov  1 10:30:00 `, section 4.1.2.
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        assert!(months.contains(&&time[..3]), "{time}");
        let shape: String = time[3..]
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert!(
            shape == " 00 00:00:00 " || shape == "  0 00:00:00 ",
            "{time}"
        );
    }
    assert_eq!(system.message(), None);
}

#[test]
fn long_messages_are_cut_between_characters() {
    let system = System::start("a");
    let send = |length: usize, with: &str| {
        let text = "x".repeat(length) + with;
        system.logs.log(|| info!(target: "t", "{text}"));
        system.message().unwrap()
    };
    let frame = send(0, "").len();
    let most = MAX_SYSLOG_BYTES - frame;
    assert_eq!(send(most - 1, "").len(), MAX_SYSLOG_BYTES - 1);
    assert!(send(most - 1, "y").ends_with("xy"));
    let over = send(most, "y");
    assert!(over.len() == MAX_SYSLOG_BYTES && over.ends_with('x'));
    // The last character would be half.
    let half = send(most - 1, "\u{e9}");
    assert!(half.len() == MAX_SYSLOG_BYTES - 1 && half.ends_with('x'));
}

#[test]
fn a_system_log_that_is_started_again_is_found_again() {
    let mut system = System::start("a");
    let say = |system: &System, text: &str| system.logs.log(|| info!(target: "t", "{text}"));
    say(&system, "1");
    assert_eq!(system.text().as_deref(), Some("t: 1"));
    system.stop();
    system.restart();
    // At once: the line that finds the old socket gone is sent to the new one.
    say(&system, "2");
    assert_eq!(system.text().as_deref(), Some("t: 2"));
    assert_eq!(system.logs.handle.dropped(), 0);
    system.stop();
    say(&system, "3");
    say(&system, "4");
    assert_eq!(system.logs.handle.dropped(), 2);
    system.restart();
    say(&system, "5");
    let told = system.message().unwrap();
    assert!(told.ends_with("log lines were dropped dropped=2"), "{told}");
    assert_eq!(system.text().as_deref(), Some("t: 5"));
}

#[test]
fn a_program_starts_before_its_system_log() {
    let mut system = System::start("a");
    system.stop();
    let path = system.logs.path("log");
    let logs = Logs::start_in(system.logs.directory, |options| {
        options.output = LogOutput::Nowhere;
        options.syslog = Some(path);
    });
    system.logs = logs;
    system.logs.log(|| info!("1"));
    assert_eq!(system.logs.handle.dropped(), 1);
    system.restart();
    system.logs.log(|| info!(target: "t", "2"));
    system.message().unwrap();
    assert_eq!(system.text().as_deref(), Some("t: 2"));
}

#[test]
fn a_system_log_that_hangs_is_not_waited_for() {
    let system = System::start("a");
    // Until the queue of the socket is full, and one line has waited.
    let mut sent = 0;
    while system.logs.handle.dropped() == 0 {
        system.logs.log(|| info!(target: "t", "{sent}"));
        sent += 1;
    }
    // None of these waits, or this test would take minutes.
    for _ in 0..2_000 {
        system.logs.log(|| info!(target: "t", "lost"));
    }
    let lost = system.logs.handle.dropped();
    assert!(lost >= 2_000, "{lost}");
    for number in 0..sent - 1 {
        assert_eq!(system.text(), Some(format!("t: {number}")));
    }
    assert_eq!(system.message(), None);
    system.logs.log(|| info!(target: "t", "again"));
    let told = system.message().unwrap();
    assert!(
        told.ends_with(&format!("log lines were dropped dropped={lost}")),
        "{told}"
    );
    assert_eq!(system.text().as_deref(), Some("t: again"));
}
