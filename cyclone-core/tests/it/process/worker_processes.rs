//! `--worker-mode processes`: who dies is started again, and nobody outlives the one who leads.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use rustix::process::{Pid, Signal, kill_process};

use super::harness::{Client, Program, Running, children, wait_for_end};

fn start(program: &Program, more: &[&str]) -> Running {
    let mut arguments = vec![
        "--port=0",
        "--workers=2",
        "--worker-mode=processes",
        "--pidfile=pid",
    ];
    arguments.extend(more);
    program.start(&arguments)
}

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

#[test]
fn a_worker_that_dies_is_started_again_and_the_others_serve_meanwhile() {
    let program = Program::new();
    let mut running = start(&program, &[]);
    let address = running.address();
    let workers = children(running.pid());
    assert_eq!(workers.len(), 2);
    let mut other = loop {
        let client = Client::connect(address);
        if client.worker == 1 {
            break client;
        }
    };
    let mut clumsy = loop {
        let client = Client::connect(address);
        if client.worker == 0 {
            break client;
        }
    };
    let dead = pid(clumsy.pid);
    clumsy.say("abort");
    let said = running.wait_for("worker is started again");
    assert!(
        said.contains("worker=0") && said.contains("SIGABRT") && said.contains("failures=1"),
        "{said}"
    );
    running.wait_for("listening");
    other.ping().unwrap();
    let new = loop {
        let client = Client::connect(address);
        if client.worker == 0 {
            break pid(client.pid);
        }
    };
    assert_ne!(new, dead);
    let now = children(running.pid());
    assert!(
        now.len() == 2 && now.contains(&new) && !now.contains(&dead),
        "{now:?}"
    );
    // One that is told to end lets its connections end, and is started again too.
    kill_process(new, Signal::TERM).unwrap();
    running.wait_for("worker is started again");
    other.ping().unwrap();
    drop(other);
    running.signal(Signal::TERM);
    assert_eq!(running.exit().0, Some(0));
}

#[test]
fn a_worker_that_fails_again_and_again_is_tried_less_and_less_often() {
    let program = Program::new();
    std::fs::write(program.path("conf"), "").unwrap();
    let mut running = start(&program, &["--config=conf"]);
    let address = running.address();
    std::fs::write(program.path("conf"), "trouble = 'error'\n").unwrap();
    let mut clumsy = Client::connect(address);
    let broken = clumsy.worker;
    clumsy.say("abort");
    let mut waits = Vec::new();
    for failures in 1..=6 {
        let said = running.wait_for("worker is started again");
        assert!(said.contains(&format!("failures={failures} ")), "{said}");
        if failures > 1 {
            assert!(said.contains("the database has another format"), "{said}");
        }
        let (_, wait) = said.trim_end().split_once("wait_ms=").unwrap();
        waits.push(wait.parse::<u64>().unwrap());
    }
    // 50 ms doubled each time, of which at least half is waited for.
    for (at, wait) in waits.iter().enumerate() {
        let whole = 50 << at;
        assert!((whole / 2..=whole).contains(wait), "{waits:?}");
    }
    // While it waits, its share of the connections goes to the other one.
    for _ in 0..50 {
        assert_eq!(Client::connect(address).worker, 1 - broken);
    }
    std::fs::write(program.path("conf"), "").unwrap();
    running.wait_for("listening");
    running.signal(Signal::TERM);
    assert_eq!(running.exit().0, Some(0));
}

#[test]
fn workers_end_when_the_one_who_leads_is_killed() {
    let program = Program::new();
    let running = start(&program, &[]);
    let workers = children(running.pid());
    let mut client = Client::connect(running.address());
    running.signal(Signal::KILL);
    wait_for_end(running.pid());
    // They drain as they would at SIGTERM.
    assert_eq!(client.hear(), "bye");
    drop(client);
    for worker in workers {
        wait_for_end(worker);
    }
}

#[test]
fn one_signal_ends_all_and_the_report_is_about_all() {
    let program = Program::new();
    let running = start(&program, &[]);
    let workers = children(running.pid());
    let mut clients: Vec<_> = (0..6).map(|_| Client::connect(running.address())).collect();
    running.signal(Signal::INT);
    for client in &mut clients {
        assert_eq!(client.hear(), "bye");
    }
    drop(clients);
    let (code, said) = running.exit();
    assert_eq!(code, Some(0));
    assert!(said.contains("drained=6 cut=0"), "{said}");
    for worker in workers {
        wait_for_end(worker);
    }
    assert!(!program.path("pid").exists());
}

#[test]
fn what_a_part_asks_for_is_done_by_all() {
    let program = Program::new();
    let running = start(&program, &["--reloads=reloads"]);
    let mut client = Client::connect(running.address());
    client.say("servers");
    assert_eq!(client.hear(), "1");
    client.say("shutdown");
    assert_eq!(client.hear(), "bye");
    drop(client);
    let (code, said) = running.exit();
    assert_eq!(code, Some(0));
    assert!(!said.contains("started again"), "{said}");
}

#[test]
fn a_start_that_fails_in_a_worker_fails_as_a_whole() {
    let program = Program::new();
    for (trouble, expected, reason) in [
        (
            "--trouble=error",
            78,
            "program: the database has another format\n",
        ),
        ("--trouble=panic", 70, "program: worker 0 panicked\n"),
        ("--trouble=exit", 70, "died: exit status: 7\n"),
    ] {
        let arguments = [
            "--port=0",
            "--workers=2",
            "--worker-mode=processes",
            "--pidfile=pid",
            trouble,
        ];
        let (code, said) = program.run(&arguments);
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.ends_with(reason), "{said}");
        assert!(!program.path("pid").exists());
    }
}

#[test]
fn relative_paths_mean_the_same_to_workers() {
    let program = Program::new();
    std::fs::create_dir(program.path("run")).unwrap();
    std::fs::write(program.path("conf"), "version-name = 'two'\n").unwrap();
    let running = start(&program, &["--rundir=run", "--config=conf"]);
    let client = Client::connect(running.address());
    assert_eq!(client.version, "two");
    let directory = std::fs::read_link(format!("/proc/{}/cwd", client.pid)).unwrap();
    assert_eq!(directory, program.path("run").canonicalize().unwrap());
}

#[test]
fn sockets_of_systemd_reach_daemons_and_workers() {
    let program = Program::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let arguments = [
        "--endpoint=systemd:0",
        "--workers=2",
        "--worker-mode=processes",
        "--daemonize",
        "--pidfile=pid",
        "--logfile=log",
    ];
    // As systemd starts a service: the socket is descriptor 3, and the variable names the process.
    let script = "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\" 3<&0 0</dev/null";
    let told = program.command(&arguments);
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .arg(told.get_program())
        .args(told.get_args());
    for (name, value) in told.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.current_dir(told.get_current_dir().unwrap());
    let output = command
        .stdin(std::os::fd::OwnedFd::from(listener))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let leader = program.pid();
    let workers = children(leader);
    assert_eq!(workers.len(), 2);
    let served = pid(Client::connect(address).pid);
    assert!(workers.contains(&served));
    kill_process(leader, Signal::TERM).unwrap();
    wait_for_end(leader);
}
