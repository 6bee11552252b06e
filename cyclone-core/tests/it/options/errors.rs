//! What people are told who made a mistake.

use cyclone_core::runner::options::{MAX_CONFIG_BYTES, Origin};

use super::Told;

fn of_file(text: &str) -> String {
    Told::nothing().in_file(text).complaint::<()>()
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_key() {
    assert_eq!(
        of_file("port = 1\n\nprot = 2"),
        "app.toml:3: unknown key `prot`, did you mean `port`?"
    );
    assert_eq!(
        of_file("[log]\nlvl = 1"),
        "app.toml:2: unknown key `log-lvl`, did you mean `log-level`?"
    );
    assert_eq!(
        of_file("log_fromat = 1"),
        "app.toml:1: unknown key `log_fromat`, did you mean `log-format`?"
    );
    assert_eq!(of_file("colour = 1"), "app.toml:1: unknown key `colour`");
    // No order is proposed.
    assert_eq!(of_file("chek = 1"), "app.toml:1: unknown key `chek`");
    assert_eq!(
        of_file(&format!("{} = 1", "p".repeat(65))),
        format!("app.toml:1: unknown key `{}`", "p".repeat(65))
    );
}

#[test]
fn a_mistake_in_the_file_names_option_and_line() {
    for (text, expected) in [
        (
            "port = 'x'",
            "app.toml:1: `port`: invalid value `x`: invalid digit found in string",
        ),
        (
            "port = 65536",
            "app.toml:1: `port`: invalid value `65536`: 65536 is not in 0..=65535",
        ),
        (
            "port = [1]",
            "app.toml:1: `port`: expected one value, and not a list",
        ),
        (
            "daemonize = 1",
            "app.toml:1: `daemonize`: expected true or false",
        ),
        (
            "daemonize = 'yes'",
            "app.toml:1: `daemonize`: expected true or false",
        ),
        (
            "log-format = 'jsn'",
            "app.toml:1: `log-format`: invalid value `jsn`: expected one of pretty, json, compact; did you mean `json`?",
        ),
        (
            "workers = 0",
            "app.toml:1: `workers`: invalid value `0`: expected 1 to 1024, or `per-core`",
        ),
        (
            "[log]\nmax-size = '5 bananas'",
            "app.toml:2: `log-max-size`: invalid value `5 bananas`: \
             expected a size in bytes such as `4096`, `64k` or `16MiB`",
        ),
        (
            "log-level = 'blah=foo=1'",
            "app.toml:1: `log-level`: invalid value `blah=foo=1`: \
             expected error, warn, info, debug, trace or off, or a filter such as `info,cyclone_core=debug`",
        ),
        (
            "endpoint = [['tcp:1']]",
            "app.toml:1: `endpoint`: a list or table cannot stand in a list",
        ),
        (
            "[[endpoint]]\nport = 1",
            "app.toml:1: `endpoint`: a list or table cannot stand in a list",
        ),
        (
            "log-level = 'a'\n[log]\nlevel = 'b'",
            "app.toml:3: `log-level` is set already in line 1",
        ),
        (
            "log-level = 'a'\nlog_level = 'b'",
            "app.toml:2: `log_level` is set already in line 1",
        ),
        (
            "syslog-prefix = 'a'\nprefix = 'b'",
            "app.toml:2: `prefix` is set already in line 1",
        ),
        (
            "check = true",
            "app.toml:1: `check` cannot stand in a configuration file",
        ),
        (
            "upgrade = true",
            "app.toml:1: `upgrade` cannot stand in a configuration file",
        ),
        (
            "config = 'other.toml'",
            "app.toml:1: `config` cannot stand in a configuration file",
        ),
        ("port = 1\nport = 2", "app.toml:2: duplicate key"),
        (
            "port = \n",
            "app.toml:1: string values must be quoted, expected literal string",
        ),
    ] {
        assert_eq!(of_file(text), expected, "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let told = Told::nothing().on_line(&["--config=/nowhere/a.toml"]);
    let complaint = told.complaint::<()>();
    assert_eq!(
        complaint,
        "configuration file `/nowhere/a.toml`: No such file or directory (os error 2)"
    );
    let told = Told::nothing();
    std::fs::write(told.file(), [b'a', 0xff]).unwrap();
    assert_eq!(
        told.complaint::<()>(),
        "configuration file `app.toml`: not UTF-8"
    );
}

#[test]
fn the_size_of_the_file_is_limited() {
    let limit = usize::try_from(MAX_CONFIG_BYTES).unwrap();
    let text = |size: usize| format!("port = 5 #{}", "x".repeat(size - 10));
    for size in [limit - 1, limit] {
        Told::nothing().in_file(&text(size)).settings::<()>();
    }
    assert_eq!(
        of_file(&text(limit + 1)),
        "configuration file `app.toml`: larger than 1048576 bytes"
    );
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let told = Told::nothing().in_environment("MY_APP_DAEMONIZE", "maybe");
    let error = told.error::<()>();
    assert_eq!(
        error.to_string(),
        "environment variable `MY_APP_DAEMONIZE`: `maybe` is neither yes nor no"
    );
    assert_eq!(error.option(), Some("daemonize"));
    assert_eq!(
        error.origin(),
        Some(&Origin::Environment("MY_APP_DAEMONIZE".into()))
    );
    // What Kubernetes sets for a service called `my-app`.
    let told = Told::nothing().in_environment("MY_APP_PORT", "tcp://10.0.0.1:80");
    assert_eq!(
        told.complaint::<()>(),
        "environment variable `MY_APP_PORT`: invalid value `tcp://10.0.0.1:80`: invalid digit found in string",
    );
}

#[cfg(unix)]
#[test]
fn what_is_no_text_is_no_number_but_may_be_a_path() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let strange = || OsString::from_vec(vec![b'/', 0xff]);
    let program = Told::nothing().program;
    let parse = |name: &str| program.parse_from::<()>(["my-app"], [(name, strange())]);
    let error = |name: &str| parse(name).unwrap_err().to_string();
    assert_eq!(
        error("MY_APP_PORT"),
        "environment variable `MY_APP_PORT`: invalid value `/\u{fffd}`: it is not UTF-8"
    );
    assert_eq!(
        error("MY_APP_ENDPOINT"),
        "environment variable `MY_APP_ENDPOINT`: the value is not UTF-8"
    );
    let cyclone_core::runner::options::Parsed::Run(settings) = parse("MY_APP_PIDFILE").unwrap()
    else {
        panic!()
    };
    assert_eq!(settings.process.pidfile, Some(strange().into()));
    let line = super::effective(&settings, "pidfile");
    assert_eq!(
        line,
        "# pidfile = \"\"  # environment variable MY_APP_PIDFILE, not UTF-8"
    );
}

#[test]
fn a_mistake_on_the_command_line_is_told_by_clap() {
    let complaint = Told::nothing().on_line(&["--prot=1"]).complaint::<()>();
    assert!(
        complaint.starts_with("unexpected argument '--prot' found"),
        "{complaint}"
    );
    assert!(complaint.contains("'--port'"), "{complaint}");
    let complaint = Told::nothing().on_line(&["--port=x"]).complaint::<()>();
    assert!(
        complaint.starts_with("invalid value 'x' for '--port <PORT>'"),
        "{complaint}"
    );
    // It comes before anything that the file may say.
    let told = Told::nothing()
        .on_line(&["--log-format=x"])
        .in_file("workers = 5");
    assert_eq!(told.error::<()>().origin(), Some(&Origin::CommandLine));
}
