//! `--print-config`: its output is a configuration file that gives the same settings.

use std::time::Duration;

use cyclone_core::runner::clap;
use cyclone_core::runner::options::{self, Settings};

use super::{Told, effective};

#[derive(Debug, PartialEq, clap::Args)]
struct Args {
    #[arg(long)]
    text: Option<String>,
    #[arg(long, value_parser = options::duration, default_value = "20m")]
    lifetime: Duration,
    #[arg(long)]
    names: Vec<String>,
    #[arg(short, action = clap::ArgAction::Count)]
    verbose: u8,
    #[arg(long)]
    loud: bool,
    #[arg(long = "quiet", action = clap::ArgAction::SetFalse)]
    sound: bool,
}

fn assert_same(first: &Settings<Args>, second: &Settings<Args>) {
    assert_eq!(first.args, second.args);
    assert_eq!(first.endpoints, second.endpoints);
    assert_eq!(first.tls_endpoints, second.tls_endpoints);
    assert_eq!(first.process, second.process);
    assert_eq!(first.log, second.log);
    assert_eq!(
        (&first.app_opts, &first.ssl_app_opts),
        (&second.app_opts, &second.ssl_app_opts)
    );
}

fn round(told: &Told) -> Settings<Args> {
    let first = told.settings::<Args>();
    let again = Told::nothing().in_file(&first.effective());
    let second = again.settings::<Args>();
    assert_same(&first, &second);
    first
}

#[test]
fn the_print_out_gives_the_same_settings() {
    round(&Told::nothing());
    round(&Told::nothing().on_line(&["--unix=/run/a"]));
    round(&Told::nothing().on_line(&["--endpoint=unix:/a,b", "--endpoint=tcp:1"]));
    let told = Told::nothing()
        .on_line(&[
            "-p1",
            "-l::",
            "-u/run/a",
            "-c",
            "a 'b' \"c\" \\ # d\n\te\u{7}\u{7f}\u{1f980}",
        ])
        .on_line(&[
            "--uid=0",
            "--gid=daemon",
            "--chroot=/srv",
            "--umask=022",
            "--daemonize",
            "--affinity",
        ])
        .on_line(&[
            "--pidfile=/run/a.pid",
            "--workers=per-core",
            "--worker-mode=processes",
        ])
        .on_line(&[
            "--shutdown-timeout=1.5s",
            "--logfile=/var/log/a",
            "--log-format=json",
            "--log-level=a=debug",
        ])
        .on_line(&[
            "--log-max-size=1k",
            "--log-backups=0",
            "--log-rotate=hourly",
            "--log-queue=5",
            "--syslog",
        ])
        .on_line(&["--prefix=b", "--journald"])
        .in_file("text = '007'\nnames = ['1', '', '-x', 'a,b']\nquiet = true")
        .in_environment("MY_APP_LOUD", "1")
        .in_environment("MY_APP_VERBOSE", "2")
        .in_environment("MY_APP_LIFETIME", "90");
    let settings = round(&told);
    assert_eq!(settings.args.text.as_deref(), Some("007"));
    assert_eq!(settings.args.names, ["1", "", "-x", "a,b"]);
    assert_eq!(
        effective(&settings, "verbose"),
        "verbose = 2  # environment variable MY_APP_VERBOSE"
    );
    assert_eq!(
        effective(&settings, "loud"),
        "loud = true  # environment variable MY_APP_LOUD"
    );
    assert!(effective(&settings, "quiet").starts_with("quiet = true  # /"));
    assert_eq!(
        effective(&settings, "text").split("  #").next(),
        Some("text = \"007\"")
    );
}

#[test]
fn the_print_out_of_the_print_out_differs_in_the_origins_only() {
    let first = Told::nothing()
        .on_line(&["-p1", "--syslog"])
        .settings::<Args>()
        .effective();
    let again = Told::nothing().in_file(&first);
    let second = again.settings::<Args>().effective();
    let value = |line: &str| line.split("  #").next().unwrap().to_owned();
    // But for the file itself, which is another one.
    let values = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.starts_with("# config"))
            .map(value)
            .collect()
    };
    assert_eq!(values(&first), values(&second));
}

#[test]
fn it_is_printed_and_looks_like_this() {
    let told = Told::nothing()
        .on_line(&["--print-config", "--port=80"])
        .in_environment("MY_APP_UID", "www-data");
    let text = told.printed::<()>();
    let beginning = "\
# The effective configuration of my-app. A value comes from the command line, the
# environment (MY_APP_OPTION), this file or the default: the first that has one.

# Listening
port = 80  # command line
# listen = \"127.0.0.1\"  # default
# unix =
# endpoint =
# app-opts =

# TLS
# ssl-port = 8443  # default
";
    assert!(text.starts_with(beginning), "{text}");
    assert!(
        text.contains("\nuid = \"www-data\"  # environment variable MY_APP_UID\n"),
        "{text}"
    );
    assert!(
        text.contains("\n# daemonize = false  # default\n"),
        "{text}"
    );
    for order in ["print-config", "check", "completions", "man =", "upgrade"] {
        assert!(!text.contains(order), "{order} in {text}");
    }
}

#[test]
fn the_file_it_was_read_from_is_a_comment() {
    let told = Told::nothing().in_file("");
    let expected = format!("# config = \"{}\"  # command line", told.file().display());
    assert_eq!(effective(&told.settings::<()>(), "config"), expected);
}

#[test]
fn a_comment_cannot_be_left() {
    let told = Told::nothing();
    let strange = told.path("a\nport = 1\n.toml");
    std::fs::write(&strange, "workers = 2").unwrap();
    let told = told.on_line(&["--config", strange.to_str().unwrap()]);
    let settings = told.settings::<()>();
    assert!(
        effective(&settings, "workers").ends_with("a?port = 1?.toml:1"),
        "{}",
        settings.effective()
    );
    assert!(!settings.effective().contains("\nport = 1\n"));
}
