//! The configuration file read again.

use cyclone_core::runner::clap;
use cyclone_core::runner::options::Settings;

use super::Told;

#[derive(Debug, clap::Args)]
struct Args {
    #[arg(long)]
    name: Vec<String>,
    #[arg(long, hide = true)]
    pin: Option<String>,
}

fn changes(settings: &Settings<Args>, told: &Told) -> Vec<String> {
    let reloaded = settings.reload().unwrap();
    let changes = reloaded.changes.iter();
    changes
        .map(|change| super::without(&change.to_string(), told.directory.path()))
        .collect()
}

#[test]
fn it_tells_what_is_different() {
    let told = Told::nothing()
        .in_file("log-level = 'info'\nworkers = 2\nname = ['a']\npin = 'x'\nport = 1");
    let told = told
        .on_line(&["--port=5"])
        .in_environment("MY_APP_LOG_BACKUPS", "3");
    let settings = told.settings::<Args>();
    assert_eq!(changes(&settings, &told), [""; 0]);
    let told = told.in_file("\nlog-level = 'debug'\nname = ['a', 'b']\npin = 'y'\nport = 2\nlog-backups = 9\nunix = 'c'");
    assert_eq!(
        changes(&settings, &told),
        [
            "name: [\"a\"] -> [\"a\", \"b\"] (app.toml:3)",
            "pin: \"********\" -> \"********\" (app.toml:4)",
            "unix: nothing -> \"c\" (app.toml:7)",
            "workers: 2 -> 1 (default)",
            "log-level: \"info\" -> \"debug\" (app.toml:2)",
        ],
    );
    let reloaded = settings.reload().unwrap();
    assert_eq!(reloaded.settings.log.level, "debug");
    assert_eq!(reloaded.settings.args.pin.as_deref(), Some("y"));
    assert_eq!(reloaded.changes[3].option, "workers");
    // From here on it is the new ones that are compared.
    assert!(reloaded.settings.reload().unwrap().changes.is_empty());
}

#[test]
fn a_mistake_leaves_the_settings_as_they_are() {
    let told = Told::nothing().in_file("workers = 2");
    let settings = told.settings::<Args>();
    let told = told.in_file("wrokers = 3");
    let error = settings.reload().unwrap_err().to_string();
    assert_eq!(
        super::without(&error, told.directory.path()),
        "app.toml:1: unknown key `wrokers`, did you mean `workers`?",
    );
    std::fs::remove_file(told.file()).unwrap();
    assert!(
        settings
            .reload()
            .unwrap_err()
            .to_string()
            .contains("No such file")
    );
    assert_eq!(settings.process.workers.to_string(), "2");
}

#[test]
fn without_a_file_nothing_changes() {
    let settings = Told::nothing().settings::<Args>();
    assert!(settings.reload().unwrap().changes.is_empty());
}

#[test]
fn files_that_only_the_start_could_read_do_not_matter() {
    let told = Told::nothing().in_file("log-level = 'info'");
    let (cert, key) = (
        told.directory.path().join("a.crt"),
        told.directory.path().join("a.key"),
    );
    let files = [cert, key].map(|path| {
        std::fs::write(&path, "").unwrap();
        path.to_str().unwrap().to_owned()
    });
    let told = told.on_line(&["--ssl-cert", &files[0], "--ssl-key", &files[1]]);
    let settings = told.settings::<Args>();
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
    let told = told.in_file("log-level = 'debug'");
    assert_eq!(
        changes(&settings, &told),
        ["log-level: \"info\" -> \"debug\" (app.toml:1)"],
    );
    assert_eq!(settings.reload().unwrap().settings.tls_endpoints.len(), 1);
}
