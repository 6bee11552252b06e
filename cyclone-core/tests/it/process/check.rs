//! `--check`, and the exit codes of starts that fail.

use std::net::TcpListener;

use super::harness::Program;

#[test]
fn a_check_builds_the_server_and_binds_nothing() {
    let program = Program::new();
    // The port is taken, and that is not looked at.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--port={}", taken.local_addr().unwrap().port());
    let checked =
        |more: &str| program.run(&["--check", &port, "--pidfile=pid", "--logfile=log", more]);
    assert_eq!(checked("--workers=2"), (Some(0), String::new()));
    for (more, code, reason) in [
        ("--trouble=error", 78, "the database has another format"),
        (
            "--trouble=resource",
            70,
            "a protocol needs what the server lacks",
        ),
        ("--uid=no-such-user", 78, "there is no user no-such-user"),
        (
            "--affinity=1023",
            78,
            "processor 1023 is not one of those that may be used",
        ),
        ("--rundir=/no/such/folder", 78, "/no/such/folder"),
        ("--workers=none", 64, "workers"),
        ("--nonsense", 64, "--nonsense"),
    ] {
        let (found, said) = checked(more);
        assert_eq!(found, Some(code), "{more}: {said}");
        assert!(
            said.starts_with("program: ") && said.contains(reason),
            "{more}: {said}"
        );
    }
    std::fs::write(program.path("conf"), "port = 'none'").unwrap();
    let (code, said) = program.run(&["--check", "--config=conf"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(!program.path("pid").exists() && !program.path("log").exists());
}

#[test]
fn what_cannot_start_says_why_with_a_code() {
    let program = Program::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--port={}", taken.local_addr().unwrap().port());
    let (code, said) = program.run(&[&port]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("Address already in use"), "{said}");
    let (code, said) = program.run(&["--port=0", "--pidfile=/no/such/folder/pid"]);
    assert_eq!(code, Some(73), "{said}");
    let (code, said) = program.run(&["--port=0", "--trouble=panic"]);
    assert_eq!(code, Some(70), "{said}");
    let (code, said) = program.run(&["--upgrade"]);
    assert_eq!(
        (code, said.contains("--pidfile")),
        (Some(64), true),
        "{said}"
    );
    let (code, said) = program.run(&["--upgrade", "--pidfile=pid"]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("no program runs"), "{said}");
}
