//! Options that an application defines beside the built-in ones.

use std::path::PathBuf;
use std::time::Duration;

use cyclone_core::runner::clap;
use cyclone_core::runner::options::{self, IntegerRanges, Origin, Program};

use super::{Told, effective};

#[derive(Debug, clap::Args)]
struct Args {
    /// Where the database is
    #[arg(long, default_value = "redis://localhost")]
    redis_url: String,
    /// How to get in there
    #[arg(long, hide_env_values = true)]
    redis_password: Option<String>,
    /// Who may do everything
    #[arg(long)]
    admin: Vec<String>,
    /// Rooms that are open from the start
    #[arg(long, value_delimiter = ';')]
    rooms: Vec<String>,
    /// Shards
    #[arg(long)]
    shards: Option<IntegerRanges>,
    /// How long a session lives
    #[arg(long, value_parser = options::duration, default_value = "20m")]
    lifetime: Duration,
    /// Talk more
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    verbose: u8,
    /// No colours
    #[arg(long = "no-colour", action = clap::ArgAction::SetFalse)]
    colour: bool,
    /// A corner and its opposite
    #[arg(long, num_args = 2, allow_hyphen_values = true)]
    corner: Vec<i64>,
    /// By its own variable
    #[arg(long, env = "CYCLONE_CORE_TEST_NEVER_SET")]
    own: Option<String>,
    /// What to serve
    root: Option<PathBuf>,
}

#[test]
fn they_are_read_from_everywhere() {
    let told = Told::nothing()
        .in_file("admin = ['a,b', 'c']\ncorner = [-1, 2]\nno-colour = true\nroot = '/srv'\n[redis]\nurl = 'redis://f'")
        .in_environment("MY_APP_REDIS_PASSWORD", "-secret-")
        .in_environment("MY_APP_ROOMS", "one;two,three")
        .in_environment("MY_APP_VERBOSE", "3")
        .on_line(&["--shards=1,3:5", "--lifetime", "1h30m"]);
    let settings = told.settings::<Args>();
    let args = &settings.args;
    assert_eq!(args.redis_url, "redis://f");
    assert_eq!(args.redis_password.as_deref(), Some("-secret-"));
    assert_eq!(args.admin, ["a,b", "c"]);
    assert_eq!(args.rooms, ["one", "two,three"]);
    assert_eq!(args.shards.as_ref().unwrap().iter().sum::<i64>(), 13);
    assert_eq!(args.lifetime, Duration::from_secs(5400));
    assert_eq!((args.verbose, args.colour), (3, false));
    assert_eq!(args.corner, [-1, 2]);
    assert_eq!(args.own, None);
    assert_eq!(args.root, Some("/srv".into()));
    assert_eq!(
        settings.origin("verbose"),
        Some(&Origin::Environment("MY_APP_VERBOSE".into()))
    );
    let root = settings.origin("root").unwrap().to_string();
    assert!(root.ends_with("app.toml:4"), "{root}");
}

#[test]
fn the_command_line_wins_for_them_too() {
    let told = Told::nothing()
        .in_file("admin = ['a']\nroot = '/srv'\ncorner = [1, 2]\nverbose = 1")
        .in_environment("MY_APP_ADMIN", "b")
        .on_line(&["--admin=c", "-vv", "--corner", "-3", "4", "/home"]);
    let args = told.settings::<Args>().args;
    assert_eq!(args.admin, ["c"]);
    assert_eq!(args.verbose, 2);
    assert_eq!(args.corner, [-3, 4]);
    assert_eq!(args.root, Some("/home".into()));
}

#[test]
fn values_are_checked_where_they_stand() {
    let complaint = |text: &str| Told::nothing().in_file(text).complaint::<Args>();
    assert_eq!(
        complaint("corner = [1]"),
        "app.toml:1: `corner`: 1 values are given, expected 2 at a time"
    );
    assert_eq!(
        complaint("corner = [1, 2, 3]"),
        "app.toml:1: `corner`: 3 values are given, expected 2 at a time"
    );
    assert_eq!(
        complaint("corner = [1, 'x']"),
        "app.toml:1: `corner`: invalid value `x`: invalid digit found in string",
    );
    assert_eq!(
        complaint("shards = '5:3'"),
        "app.toml:1: `shards`: invalid value `5:3`: the range `5:3` ends before it begins",
    );
    assert_eq!(
        complaint("verbose = 256"),
        "app.toml:1: `verbose`: expected a number from 0 to 255"
    );
    assert_eq!(
        Told::nothing()
            .in_file("verbose = 255")
            .settings::<Args>()
            .args
            .verbose,
        255
    );
    assert_eq!(
        complaint("[redis]\nulr = 1"),
        "app.toml:2: unknown key `redis-ulr`, did you mean `redis-url`?"
    );
}

#[derive(Debug, clap::Args)]
struct Secret {
    #[arg(long, hide = true)]
    pin: Option<u32>,
    #[arg(long, hide_env_values = true, value_enum)]
    code: Option<Code>,
}

#[derive(Clone, Debug, clap::ValueEnum)]
enum Code {
    Red,
    Blue,
}

#[test]
fn secrets_are_in_no_text() {
    let settings = Told::nothing()
        .in_file("pin = 1234")
        .on_line(&["--code=red"])
        .settings::<Secret>();
    assert_eq!(settings.args.pin, Some(1234));
    assert!(effective(&settings, "pin").starts_with("# pin = \"********\"  # /"));
    assert!(effective(&settings, "pin").ends_with("app.toml:1, secret"));
    assert_eq!(
        effective(&settings, "code"),
        "# code = \"********\"  # command line, secret"
    );
    let told = Told::nothing().in_environment("MY_APP_PIN", "s3cret");
    assert_eq!(
        told.complaint::<Secret>(),
        "environment variable `MY_APP_PIN`: the value cannot be used"
    );
    for arguments in [["--pin=s3cret", ""], ["--pin", "s3cret"]] {
        let arguments: Vec<&str> = arguments
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        let told = Told::nothing().on_line(&arguments);
        assert_eq!(
            told.complaint::<Secret>(),
            "option `--pin`: the value cannot be used"
        );
    }
    let told = Told::nothing().on_line(&["--code=bleu"]);
    assert_eq!(
        told.complaint::<Secret>(),
        "option `--code`: the value cannot be used"
    );
    let told = Told::nothing().in_file("code = 'bleu'");
    assert_eq!(
        told.complaint::<Secret>(),
        "app.toml:1: `code`: the value cannot be used: expected one of red, blue"
    );
    assert_eq!(
        effective(&Told::nothing().settings::<Secret>(), "pin"),
        "# pin ="
    );
}

#[derive(Debug, clap::Args)]
struct Rules {
    #[arg(long)]
    name: String,
    #[arg(long, conflicts_with = "many")]
    one: Option<u8>,
    #[arg(long)]
    many: Option<u8>,
    #[arg(long, requires = "name")]
    greet: bool,
    #[command(flatten)]
    either: Either,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Either {
    #[arg(long)]
    left: bool,
    #[arg(long)]
    right: bool,
}

#[test]
fn a_required_option_may_come_from_anywhere() {
    let complaint = Told::nothing().complaint::<Rules>();
    assert!(complaint.contains("--name <NAME>"), "{complaint}");
    assert!(
        complaint.ends_with(
            "It can also be set in the environment (MY_APP_OPTION) or in the file of --config."
        ),
        "{complaint}",
    );
    assert_eq!(
        Told::nothing()
            .in_file("name = 'a'")
            .settings::<Rules>()
            .args
            .name,
        "a"
    );
    let told = Told::nothing()
        .in_environment("MY_APP_NAME", "b")
        .in_file("greet = true");
    assert!(told.settings::<Rules>().args.greet);
    // Print-outs need no settings.
    assert!(
        Told::nothing()
            .on_line(&["--man"])
            .printed::<Rules>()
            .contains("greet")
    );
}

#[test]
fn the_weaker_of_two_that_exclude_each_other_gives_way() {
    let told = Told::nothing().in_file("name = 'a'\none = 1\nleft = true");
    let told = told
        .in_environment("MY_APP_MANY", "2")
        .on_line(&["--right"]);
    let settings = told.settings::<Rules>();
    assert_eq!((settings.args.one, settings.args.many), (None, Some(2)));
    assert_eq!(
        (settings.args.either.left, settings.args.either.right),
        (false, true)
    );
    assert_eq!(settings.origin("one"), Some(&Origin::Default));
    // Of two that are equally strong neither is right.
    let complaint = Told::nothing()
        .in_file("name = 'a'\none = 1\nmany = 2")
        .complaint::<Rules>();
    assert!(complaint.contains("cannot be used with"), "{complaint}");
    let complaint = Told::nothing()
        .in_file("name = 'a'\nleft = true\nright = true")
        .complaint::<Rules>();
    assert!(complaint.contains("cannot be used with"), "{complaint}");
    // What is off excludes nothing.
    let told = Told::nothing()
        .in_file("name = 'a'\nleft = true")
        .in_environment("MY_APP_RIGHT", "off");
    assert!(told.settings::<Rules>().args.either.left);
}

#[derive(Debug, clap::Args)]
struct Clash {
    #[arg(long)]
    port: u16,
}

#[derive(Debug, clap::Args)]
struct ShortClash {
    #[arg(short = 'c')]
    colour: bool,
}

#[test]
fn a_name_that_is_built_in_is_refused() {
    let error = |result: Result<clap::Command, _>| result.unwrap_err();
    let clash: options::OptionsError = error(Program::new("a").command::<Clash>());
    assert_eq!(
        clash.to_string(),
        "the application defines `--port`, which is built in"
    );
    let clash: options::OptionsError = error(Program::new("a").command::<ShortClash>());
    assert_eq!(
        clash.to_string(),
        "the application defines `-c`, which is built in"
    );
}

#[test]
fn a_program_can_have_other_defaults() {
    let told = Told::nothing().program(|program| {
        program
            .default_value("port", "80")
            .default_value("lifetime", "1m")
    });
    let settings = told.settings::<Args>();
    assert_eq!(
        settings.endpoints[0].to_string(),
        "tcp:80:interface=127.0.0.1"
    );
    assert_eq!(settings.args.lifetime, Duration::from_secs(60));
    assert_eq!(settings.origin("port"), Some(&Origin::Default));
    let told = Told::nothing().program(|program| program.default_value("prot", "80"));
    assert_eq!(
        told.complaint::<()>(),
        "there is no option `prot` to have a default"
    );
}

#[test]
fn command_definitions_are_sound() {
    // clap checks them only here.
    Program::new("a").command::<Args>().unwrap().debug_assert();
    Program::new("a").command::<Rules>().unwrap().debug_assert();
}

#[derive(Debug, clap::Args)]
struct WithCommand {
    #[arg(long)]
    name: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, PartialEq, clap::Subcommand)]
enum Command {
    /// Say something
    Say { what: String },
}

#[test]
fn commands_of_the_application_are_left_alone() {
    let told = Told::nothing()
        .in_file("name = ['say', 'b']\nport = 5")
        .on_line(&["say", "--", "-x"]);
    let settings = told.settings::<WithCommand>();
    assert_eq!(settings.args.name, ["say", "b"]);
    assert_eq!(
        settings.args.command,
        Some(Command::Say { what: "-x".into() })
    );
    assert_eq!(
        settings.endpoints[0].to_string(),
        "tcp:5:interface=127.0.0.1"
    );
}

#[test]
fn what_follows_two_dashes_is_left_alone() {
    let told = Told::nothing()
        .in_environment("MY_APP_REDIS_URL", "a")
        .on_line(&["--", "--redis-url"]);
    let args = told.settings::<Args>().args;
    assert_eq!(
        (args.redis_url, args.root),
        ("a".into(), Some("--redis-url".into()))
    );
}
