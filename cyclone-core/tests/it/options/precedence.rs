//! Whose word counts, for every option that there is.

use cyclone_core::runner::options::{Origin, Program};

use super::{Told, effective};

/// An option, three values as the command line and the environment have them, and as TOML has them.
type Row = (&'static str, [&'static str; 3], [&'static str; 3]);

/// Values that are the same in TOML, as numbers.
const fn number(option: &'static str, values: [&'static str; 3]) -> Row {
    (option, values, values)
}

const ROWS: &[Row] = &[
    number("port", ["1", "2", "3"]),
    (
        "listen",
        ["::1", "127.0.0.2", "127.0.0.3"],
        ["\"::1\"", "\"127.0.0.2\"", "\"127.0.0.3\""],
    ),
    ("unix", ["a", "b", "c"], ["\"a\"", "\"b\"", "\"c\""]),
    (
        "endpoint",
        ["tcp:1", "tcp:2", "tcp:3"],
        ["[\"tcp:1\"]", "[\"tcp:2\"]", "[\"tcp:3\"]"],
    ),
    ("app-opts", ["a", "-b", ""], ["\"a\"", "\"-b\"", "\"\""]),
    number("ssl-port", ["1", "2", "3"]),
    (
        "ssl-listen",
        ["::1", "::2", "::3"],
        ["\"::1\"", "\"::2\"", "\"::3\""],
    ),
    ("ssl-app-opts", ["a", "b", "c"], ["\"a\"", "\"b\"", "\"c\""]),
    (
        "tls-endpoint",
        ["tcp:1", "tcp:2", "tcp:3"],
        ["[\"tcp:1\"]", "[\"tcp:2\"]", "[\"tcp:3\"]"],
    ),
    ("uid", ["a", "5", "c"], ["\"a\"", "5", "\"c\""]),
    ("gid", ["a", "5", "c"], ["\"a\"", "5", "\"c\""]),
    ("chroot", ["/a", "/b", "/c"], ["\"/a\"", "\"/b\"", "\"/c\""]),
    ("umask", ["077", "27", "2"], ["\"077\"", "27", "2"]),
    ("rundir", ["/a", "/b", "/c"], ["\"/a\"", "\"/b\"", "\"/c\""]),
    (
        "pidfile",
        ["/a", "/b", "/c"],
        ["\"/a\"", "\"/b\"", "\"/c\""],
    ),
    (
        "workers",
        ["per-core", "2", "3"],
        ["\"per-core\"", "2", "3"],
    ),
    (
        "worker-mode",
        ["processes", "threads", "processes"],
        ["\"processes\"", "\"threads\"", "\"processes\""],
    ),
    (
        "affinity",
        ["auto", "1:2", "3"],
        ["\"auto\"", "\"1:2\"", "3"],
    ),
    (
        "shutdown-timeout",
        ["1m", "2s", "3"],
        ["\"1m\"", "\"2s\"", "3"],
    ),
    (
        "logfile",
        ["/a", "/b", "/c"],
        ["\"/a\"", "\"/b\"", "\"/c\""],
    ),
    (
        "log-format",
        ["json", "compact", "pretty"],
        ["\"json\"", "\"compact\"", "\"pretty\""],
    ),
    (
        "log-level",
        ["debug", "info,a=warn", "off"],
        ["\"debug\"", "\"info,a=warn\"", "\"off\""],
    ),
    (
        "log-rotate",
        ["daily", "hourly", "never"],
        ["\"daily\"", "\"hourly\"", "\"never\""],
    ),
    ("log-max-size", ["1MiB", "2", "3"], ["\"1MiB\"", "2", "3"]),
    number("log-backups", ["1", "2", "3"]),
    number("log-queue", ["1", "2", "3"]),
    (
        "syslog-prefix",
        ["a", "b", "c"],
        ["\"a\"", "\"b\"", "\"c\""],
    ),
];

const FLAGS: &[&str] = &["daemonize", "syslog", "journald"];

/// The orders, and what needs files that exist.
const ELSEWHERE: &[&str] = &[
    "config",
    "print-config",
    "check",
    "completions",
    "man",
    "upgrade",
    "ssl-cert",
    "ssl-key",
];

fn variable(option: &str) -> String {
    format!("MY_APP_{}", option.to_uppercase().replace('-', "_"))
}

#[test]
fn each_option_is_in_this_test() {
    let command = Program::new("my-app").command::<()>().unwrap();
    let rows = ROWS.iter().map(|(option, ..)| *option);
    let mut here: Vec<&str> = rows
        .chain(FLAGS.iter().copied())
        .chain(ELSEWHERE.iter().copied())
        .collect();
    let mut all: Vec<&str> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .collect();
    here.sort_unstable();
    all.sort_unstable();
    assert_eq!(here, all);
}

#[test]
fn the_command_line_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    for (option, values, toml) in ROWS {
        let file = format!("# a comment\n{option} = {}\n", toml[2]);
        let on_line = format!("--{option}={}", values[0]);
        for layers in 0..8 {
            let mut told = Told::nothing();
            if layers & 1 != 0 {
                told = told.in_file(&file);
            }
            // An empty variable is none.
            let in_environment = layers & 2 != 0 && !values[1].is_empty();
            if in_environment {
                told = told.in_environment(&variable(option), values[1]);
            }
            if layers & 4 != 0 {
                told = told.on_line(&[&on_line]);
            }
            let settings = told.settings::<()>();
            let (origin, value) = if layers & 4 != 0 {
                (Origin::CommandLine, Some(toml[0]))
            } else if in_environment {
                (Origin::Environment(variable(option)), Some(toml[1]))
            } else if layers & 1 != 0 {
                (settings.origin(option).unwrap().clone(), Some(toml[2]))
            } else {
                (Origin::Default, None)
            };
            assert_eq!(
                settings.origin(option),
                Some(&origin),
                "{option}, {layers:b}"
            );
            if let Some(value) = value {
                let line = format!("{option} = {value}  # {origin}");
                assert_eq!(effective(&settings, option), line, "{layers:b}");
            }
            if layers == 1 {
                let place = format!("{}:2", told.file().display());
                assert_eq!(origin.to_string(), place, "{option}");
            }
        }
    }
}

#[test]
fn flags_are_settings_too() {
    for option in FLAGS {
        for (layers, on, origin) in [
            ("", false, "default"),
            ("f", true, "file"),
            ("F", false, "file"),
            ("Fe", true, "environment"),
            ("fE", false, "environment"),
            ("fEc", true, "command line"),
        ] {
            let mut told = Told::nothing();
            for layer in layers.chars() {
                told = match layer {
                    'f' => told.in_file(&format!("{option} = true")),
                    'F' => told.in_file(&format!("{option} = false")),
                    'e' => told.in_environment(&variable(option), "yes"),
                    'E' => told.in_environment(&variable(option), "Off"),
                    _ => told.on_line(&[&format!("--{option}")]),
                };
            }
            let settings = told.settings::<()>();
            let is = match *option {
                "daemonize" => settings.process.daemonize,
                "syslog" => settings.log.syslog.is_some(),
                _ => settings.log.journald,
            };
            assert_eq!(is, on, "{option} {layers}");
            let expected = match origin {
                "file" => format!("{}:1", told.file().display()),
                "environment" => format!("environment variable {}", variable(option)),
                other => other.to_owned(),
            };
            assert_eq!(
                settings.origin(option).unwrap().to_string(),
                expected,
                "{option} {layers}"
            );
        }
    }
}

#[test]
fn an_empty_variable_says_nothing() {
    let settings = Told::nothing()
        .in_environment("MY_APP_PORT", "")
        .settings::<()>();
    assert_eq!(settings.origin("port"), Some(&Origin::Default));
}

#[test]
fn rust_log_sets_the_level_where_nothing_of_ours_does() {
    let told = Told::nothing()
        .in_environment("RUST_LOG", "trace")
        .in_file("log-level = 'warn'");
    assert_eq!(told.settings::<()>().log.level, "trace");
    let told = told.in_environment("MY_APP_LOG_LEVEL", "error");
    assert_eq!(told.settings::<()>().log.level, "error");
    let told = told.on_line(&["--log-level=off"]);
    assert_eq!(told.settings::<()>().log.level, "off");
}

#[test]
fn the_environment_names_the_file() {
    let told = Told::nothing().in_file("port = 7");
    let file = told.file().display().to_string();
    let environment = [("MY_APP_CONFIG", file)];
    let parsed = told
        .program
        .parse_from::<()>(["my-app"], environment)
        .unwrap();
    let cyclone_core::runner::options::Parsed::Run(settings) = parsed else {
        panic!()
    };
    assert_eq!(settings.config, Some(told.file()));
    assert_eq!(
        settings.endpoints[0].to_string(),
        "tcp:7:interface=127.0.0.1"
    );
}

#[test]
fn the_prefix_of_the_environment_can_be_another() {
    let told = Told::nothing().program(|program| program.environment_prefix("CHAT"));
    let told = told
        .in_environment("CHAT_PORT", "5")
        .in_environment("MY_APP_PORT", "6");
    assert_eq!(
        effective(&told.settings::<()>(), "port"),
        "port = 5  # environment variable CHAT_PORT"
    );
}
