//! `--pidfile`: one running program, whatever starts.

use std::sync::{Arc, Barrier};

use rustix::process::Signal;

use super::harness::{Client, Program, wait_for_end};

#[test]
fn of_many_starts_at_once_exactly_one_serves() {
    const STARTS: usize = 6;
    let program = Arc::new(Program::new());
    std::fs::write(program.path("pid"), "1\n").unwrap();
    let barrier = Arc::new(Barrier::new(STARTS));
    let starts: Vec<_> = (0..STARTS)
        .map(|_| {
            let (program, barrier) = (Arc::clone(&program), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                program.run(&["--daemonize", "--pidfile=pid", "--logfile=log", "--port=0"])
            })
        })
        .collect();
    let ends: Vec<_> = starts
        .into_iter()
        .map(|start| start.join().unwrap())
        .collect();
    let served = ends.iter().filter(|(code, _)| *code == Some(0));
    assert_eq!(served.count(), 1, "{ends:?}");
    for (code, said) in ends.iter().filter(|(code, _)| *code != Some(0)) {
        assert_eq!(*code, Some(75), "{said}");
        assert!(said.contains("the program"), "{said}");
    }
    let pid = program.pid();
    let log = program.read("log");
    assert_eq!(log.matches("] serving").count(), 1, "{log}");
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    wait_for_end(pid);
}

#[test]
fn the_second_start_names_the_first_and_a_killed_one_is_replaced() {
    let program = Program::new();
    let daemon = program.daemonize(&["--port=0"]);
    let first = daemon.pid();
    let (code, said) = program.run(&["--pidfile=pid", "--port=0"]);
    assert_eq!(code, Some(75));
    let expected = format!(
        "program: pid file {}: the program runs already as process {first}\n",
        program.text("pid")
    );
    assert_eq!(said, expected);

    daemon.signal(Signal::KILL);
    wait_for_end(first);
    assert!(program.path("pid").exists());
    let mut second = program.start(&["--pidfile=pid", "--port=0"]);
    assert_eq!(program.pid(), second.pid());
    assert_eq!(
        Client::connect(second.address()).pid,
        second.pid().as_raw_pid()
    );
    second.signal(Signal::TERM);
    second.wait_for("] ended");
    assert_eq!(second.exit().0, Some(0));
    assert!(!program.path("pid").exists() && !program.path("pid.control").exists());
}

#[test]
fn a_file_that_is_none_is_not_overwritten() {
    let program = Program::new();
    std::fs::write(program.path("notes"), "precious").unwrap();
    let (code, said) = program.run(&["--pidfile=notes", "--port=0"]);
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("left alone"), "{said}");
    assert_eq!(program.read("notes"), "precious");
}
