//! What the built-in options become.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cyclone_core::DEFAULT_SHUTDOWN_DEADLINE;
use cyclone_core::runner::logging::{
    DEFAULT_LOG_BACKUPS, DEFAULT_LOG_MAX_SIZE, DEFAULT_SYSLOG_SOCKET, LogFormat, LogOptions,
    LogOutput, LogRotation,
};
use cyclone_core::runner::options::{
    Action, Affinity, Identity, MAX_CORES, MAX_WORKERS, WorkerMode, Workers,
};

use super::Told;

#[test]
fn defaults_are_those_of_cyclone_and_of_the_types() {
    let settings = Told::nothing().settings::<()>();
    assert_eq!(
        settings.endpoints[0].to_string(),
        "tcp:8888:interface=127.0.0.1"
    );
    assert_eq!(settings.action, Action::Run);
    assert_eq!(settings.config, None);
    assert_eq!((settings.app_opts, settings.ssl_app_opts), (None, None));
    assert_eq!(settings.process.shutdown_timeout, DEFAULT_SHUTDOWN_DEADLINE);
    assert_eq!(settings.process.workers.to_string(), "1");
    assert_eq!(settings.process.worker_mode, WorkerMode::Threads);
    assert_eq!(settings.process.affinity, None);
    let mut log = LogOptions::default();
    log.identifier = "my-app".into();
    assert_eq!(settings.log, log);
    assert_eq!(
        (log.max_size, log.backups),
        (DEFAULT_LOG_MAX_SIZE, DEFAULT_LOG_BACKUPS)
    );
    assert_eq!(
        (DEFAULT_LOG_MAX_SIZE, DEFAULT_LOG_BACKUPS),
        (100_000_000, 10)
    );
}

#[test]
fn everything_can_be_set() {
    let told = Told::nothing().on_line(&[
        "-p80",
        "-l::",
        "-c",
        "one two",
        "--ssl-app-opts=three",
        "--uid=www-data",
        "--gid=33",
        "--chroot=/srv",
        "--umask=027",
        "--daemonize",
        "--rundir=/run/app",
        "--pidfile=app.pid",
        "--workers=4",
        "--worker-mode=processes",
        "--affinity=0:1,5",
        "--shutdown-timeout=1m30s",
        "--logfile=app.log",
        "--log-format=json",
        "--log-level=info,cyclone_core=debug",
        "--log-max-size=16MiB",
        "--log-backups=3",
        "--log-rotate=daily",
        "--log-queue=1000",
        "--syslog",
        "--prefix=chat",
        "--journald",
        "--check",
    ]);
    let settings = told.settings::<()>();
    assert_eq!(settings.endpoints[0].to_string(), r"tcp:80:interface=\:\:");
    assert_eq!(settings.app_opts.as_deref(), Some("one two"));
    assert_eq!(settings.ssl_app_opts.as_deref(), Some("three"));
    assert_eq!(settings.action, Action::Check);
    let process = settings.process;
    assert_eq!(process.uid, Some(Identity::Name("www-data".into())));
    assert_eq!(process.gid, Some(Identity::Number(33)));
    assert_eq!(process.chroot.as_deref(), Some(Path::new("/srv")));
    assert_eq!(process.umask, Some(0o27));
    assert!(process.daemonize);
    assert_eq!(process.rundir.as_deref(), Some(Path::new("/run/app")));
    assert_eq!(
        process.pidfile.as_deref(),
        Some(Path::new("/run/app/app.pid"))
    );
    assert_eq!(process.workers.to_string(), "4");
    assert_eq!(process.worker_mode, WorkerMode::Processes);
    assert_eq!(process.affinity, Some(Affinity::Cores(vec![0, 1, 5])));
    assert_eq!(process.shutdown_timeout, Duration::from_secs(90));
    let log = settings.log;
    assert_eq!(log.output, LogOutput::File("/run/app/app.log".into()));
    assert_eq!(
        (log.format, log.rotation),
        (LogFormat::Json, LogRotation::Daily)
    );
    assert_eq!((log.max_size, log.backups, log.queue), (16 << 20, 3, 1000));
    assert_eq!(log.level, "info,cyclone_core=debug");
    assert_eq!(log.syslog, Some(PathBuf::from(DEFAULT_SYSLOG_SOCKET)));
    assert!(log.journald);
    assert_eq!(log.identifier, "chat");
}

#[test]
fn logs_of_a_daemon_go_to_a_file_unless_there_is_another_place() {
    let output = |arguments: &[&str]| {
        let settings = Told::nothing().on_line(arguments).settings::<()>();
        settings.log.output
    };
    assert_eq!(output(&[]), LogOutput::Stdout);
    assert_eq!(output(&["--logfile=-"]), LogOutput::Stdout);
    assert_eq!(output(&["--logfile=-", "--syslog"]), LogOutput::Stdout);
    assert_eq!(output(&["--syslog"]), LogOutput::Nowhere);
    assert_eq!(output(&["--journald"]), LogOutput::Nowhere);
    let file = LogOutput::File("/run/my-app.log".into());
    assert_eq!(output(&["--daemonize", "--rundir=/run"]), file);
    assert_eq!(output(&["--daemonize", "--syslog"]), LogOutput::Nowhere);
    let told = Told::nothing().on_line(&["--daemonize", "--logfile=-"]);
    assert_eq!(
        told.complaint::<()>(),
        "option `--logfile`: a daemon has no standard output; name a file",
    );
}

#[test]
fn relative_paths_start_in_the_directory_of_the_process() {
    let here = std::env::current_dir().unwrap();
    let settings = Told::nothing()
        .on_line(&["--pidfile=a.pid", "--rundir=deep"])
        .settings::<()>();
    assert_eq!(settings.process.pidfile, Some(here.join("deep/a.pid")));
    assert_eq!(settings.process.rundir, Some(here.join("deep")));
    let settings = Told::nothing()
        .on_line(&["--pidfile=a.pid"])
        .settings::<()>();
    assert_eq!(settings.process.pidfile, Some(here.join("a.pid")));
}

#[test]
fn limits_of_workers_and_cores() {
    let workers = |text: String| text.parse::<Workers>().is_ok();
    assert!(workers(MAX_WORKERS.to_string()) && workers("1".into()));
    assert!(!workers((MAX_WORKERS + 1).to_string()));
    assert!(!workers("0".into()) && !workers("+1".into()) && !workers("per core".into()));
    let cores = |text: String| text.parse::<Affinity>().is_ok();
    assert!(cores((MAX_CORES - 1).to_string()) && cores("0".into()));
    assert!(
        !cores(MAX_CORES.to_string()) && !cores("-1".into()) && !cores(format!("0:{MAX_CORES}"))
    );
    assert!(!cores("0:9223372036854775807".into()));
}

#[test]
fn affinity_without_a_value_leaves_the_next_argument_alone() {
    let settings = Told::nothing()
        .on_line(&["--affinity", "--port=5"])
        .settings::<()>();
    assert_eq!(settings.process.affinity, Some(Affinity::Auto));
    let settings = Told::nothing().in_file("affinity = true").settings::<()>();
    assert_eq!(settings.process.affinity, Some(Affinity::Auto));
    let settings = Told::nothing().in_file("affinity = false").settings::<()>();
    assert_eq!(settings.process.affinity, None);
}

#[test]
fn users_are_names_or_numbers() {
    let identity = |text: &str| text.parse::<Identity>().ok();
    assert_eq!(identity("0"), Some(Identity::Number(0)));
    assert_eq!(identity("4294967294"), Some(Identity::Number(u32::MAX - 1)));
    assert_eq!(identity("4294967295"), None);
    assert_eq!(identity("3com"), Some(Identity::Name("3com".into())));
    assert_eq!((identity(""), identity("a:b")), (None, None));
}

#[test]
fn a_mask_is_octal_wherever_it_is_written() {
    let mask = |text: &str| Told::nothing().in_file(text).settings::<()>().process.umask;
    assert_eq!(mask("umask = 0o022"), Some(0o022));
    assert_eq!(mask("umask = 22"), Some(0o022));
    assert_eq!(mask("umask = '0777'"), Some(0o777));
    for wrong in ["umask = 1000", "umask = 8", "umask = '+7'", "umask = '-7'"] {
        let complaint = Told::nothing().in_file(wrong).complaint::<()>();
        assert!(
            complaint.contains("expected an octal number from 0 to 777"),
            "{complaint}"
        );
    }
}

#[test]
fn orders_are_actions() {
    let action = |arguments: &[&str]| Told::nothing().on_line(arguments).settings::<()>().action;
    assert_eq!(action(&["--check"]), Action::Check);
    assert_eq!(action(&["--upgrade"]), Action::Upgrade);
    let told = Told::nothing().on_line(&["--upgrade", "--check"]);
    assert!(
        told.complaint::<()>().contains("cannot be used with"),
        "{}",
        told.complaint::<()>()
    );
}
