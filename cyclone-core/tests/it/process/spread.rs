//! Several workers: how connections are spread, and that each request stays with one of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;

use rustix::process::Pid;

use super::harness::{Client, Program, Running, status_of_threads};
use super::program::DEFAULT;

/// Connections of which so many belong to each of two workers, at least: 40 % of 2,000, nine standard deviations below
/// the half.
const CONNECTIONS: usize = 2000;
const FEWEST: usize = CONNECTIONS * 2 / 5;

fn spread(running: &Running) -> Vec<usize> {
    let mut workers = BTreeMap::<usize, usize>::new();
    for _ in 0..CONNECTIONS {
        *workers
            .entry(Client::connect(running.address()).worker)
            .or_default() += 1;
    }
    workers.into_values().collect()
}

#[test]
fn connections_are_spread_over_two_workers() {
    for mode in ["--worker-mode=threads", "--worker-mode=processes"] {
        let program = Program::new();
        let running = program.start(&["--port=0", "--workers=2", mode]);
        let workers = spread(&running);
        assert_eq!(workers.len(), 2, "{mode}");
        assert!(
            workers.iter().all(|share| *share >= FEWEST),
            "{mode} {workers:?}"
        );
    }
}

/// How often each thread has gone to sleep by itself (proc(5)).
fn sleeps(pid: Pid) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let counts = tasks.flatten().map(|task| {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let key = "voluntary_ctxt_switches:";
        let count = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap();
        (
            task.file_name().into_string().unwrap(),
            count.trim().parse().unwrap(),
        )
    });
    counts.collect()
}

#[test]
fn a_request_wakes_the_worker_that_has_its_connection_and_nobody_else() {
    const REQUESTS: u64 = 5000;
    let program = Program::new();
    let running = program.start(&["--port=0", "--workers=2"]);
    let mut client = Client::connect(running.address());
    let before = sleeps(running.pid());
    for _ in 0..REQUESTS {
        client.ping().unwrap();
    }
    let after = sleeps(running.pid());
    let mut slept: Vec<u64> = after
        .iter()
        .map(|(thread, count)| count - before[thread])
        .collect();
    slept.sort_unstable();
    let (worker, others) = slept.split_last().unwrap();
    // It sleeps once before each request at most: less when the next one is there in time.
    assert!(*worker <= REQUESTS + REQUESTS / 20, "{slept:?}");
    assert!(others.iter().sum::<u64>() <= REQUESTS / 100, "{slept:?}");
}

#[test]
fn workers_are_bound_to_the_processors_that_may_be_used() {
    let program = Program::new();
    let running = program.start(&["--port=0", "--workers=per-core", "--affinity"]);
    let allowed = status_of_threads(rustix::process::getpid(), "Cpus_allowed_list:");
    let bound = status_of_threads(running.pid(), "Cpus_allowed_list:");
    let single = bound.iter().filter(|list| list.parse::<usize>().is_ok());
    let count = single.count();
    let cores = std::thread::available_parallelism().unwrap().get();
    // The thread that leads is bound to none.
    let expected = if cores == 1 { bound.len() } else { cores };
    assert_eq!(count, expected, "{bound:?} of {allowed:?}");
}

#[test]
fn the_threads_of_a_single_worker_share_the_processors() {
    let program = Program::new();
    let running = program.start(&["--port=0", "--affinity"]);
    let allowed = status_of_threads(rustix::process::getpid(), "Cpus_allowed_list:");
    let bound = status_of_threads(running.pid(), "Cpus_allowed_list:");
    assert!(bound.iter().all(|list| *list == allowed[0]), "{bound:?}");
}

#[test]
fn workers_by_default_of_the_program_have_one_thread_each() {
    let program = Program::new();
    let mut command = program.command(&["--port=0"]);
    command.env(DEFAULT, "workers=2");
    let running = Running::of(command);
    let mut names = status_of_threads(running.pid(), "Name:");
    names.retain(|name| name.starts_with("worker-") || name.starts_with("tokio"));
    names.sort_unstable();
    assert_eq!(names, ["worker-0", "worker-1"]);
}

#[test]
fn every_worker_ends_with_the_program() {
    let program = Program::new();
    let running = program.start(&["--port=0", "--workers=3"]);
    let mut clients: Vec<_> = (0..9).map(|_| Client::connect(running.address())).collect();
    running.signal(rustix::process::Signal::TERM);
    for client in &mut clients {
        assert_eq!(client.hear(), "bye");
    }
    drop(clients);
    let (code, said) = running.exit();
    assert_eq!(code, Some(0));
    assert!(said.contains("drained=9 cut=0"), "{said}");
}
