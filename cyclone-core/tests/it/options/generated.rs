//! What is generated from the definition: help, completions, the manual page.

use std::process::Command;

use cyclone_core::runner::clap;

use super::Told;
use crate::support::foreign;

#[derive(Debug, clap::Args)]
struct Args {
    /// Where the database is; it's "there"
    #[arg(long, default_value = "redis://localhost")]
    redis_url: String,
    #[arg(long, hide = true)]
    pin: Option<String>,
}

/// Runs a program on a text, with which it must be content.
fn is_accepted(mut program: Command, arguments: &[&str], text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let output = program.args(arguments).arg(file.path()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{program:?}: {complaint}{said}"
    );
}

fn completions(shell: &str) -> String {
    let text = Told::nothing()
        .on_line(&["--completions", shell])
        .printed::<Args>();
    for word in ["log-format", "redis-url", "processes"] {
        assert!(text.contains(word), "no {word} for {shell}");
    }
    assert!(text.contains("my-app"), "{text}");
    text
}

#[test]
fn shells_accept_the_completions() {
    is_accepted(Command::new("bash"), &["-n"], &completions("bash"));
    is_accepted(foreign("CYCLONE_TEST_ZSH"), &["-n"], &completions("zsh"));
    is_accepted(
        foreign("CYCLONE_TEST_FISH"),
        &["--no-execute"],
        &completions("fish"),
    );
}

#[test]
fn bash_completes_what_it_was_told() {
    let script = completions("bash");
    // The function that the script gives to `complete`.
    let function = script.split("complete -F ").nth(1);
    let function = function.and_then(|rest| rest.split(' ').next()).unwrap();
    let ask = format!(
        "COMP_WORDS=(my-app --log-format js) COMP_CWORD=2
        {function} my-app js --log-format && echo \"${{COMPREPLY[@]}}\"
        COMP_WORDS=(my-app --redis) COMP_CWORD=1
        {function} my-app --redis my-app && echo \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!("{script}\n{ask}"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "json\n--redis-url\n",
        "{output:?}"
    );
}

#[test]
fn the_manual_page_is_sound() {
    let page = Told::nothing().on_line(&["--man"]).printed::<Args>();
    for title in [
        "NAME",
        "SYNOPSIS",
        "OPTIONS",
        "ENVIRONMENT",
        "CONFIGURATION FILE",
        "SIGNALS",
        "EXIT STATUS",
    ] {
        assert!(page.contains(title), "no {title} in {page}");
    }
    assert!(page.contains("MY_APP_OPTION") && page.contains("SIGUSR2"));
    assert!(!page.contains("pin"), "what is hidden is in the page");
    is_accepted(
        foreign("CYCLONE_TEST_GROFF"),
        &["-man", "-ww", "-z", "-Tutf8"],
        &page,
    );
    is_accepted(
        foreign("CYCLONE_TEST_MANDOC"),
        &["-Tlint", "-Werror"],
        &page,
    );
}

#[test]
fn help_tells_of_all_three_places() {
    let help = Told::nothing().on_line(&["--help"]).printed::<Args>();
    assert!(help.starts_with("Does things\n\nUsage: my-app"), "{help}");
    for text in [
        "MY_APP_LOG_LEVEL=debug",
        "Listening:",
        "TLS:",
        "Process:",
        "Logs:",
        "Configuration:",
        "--redis-url",
    ] {
        assert!(help.contains(text), "no {text} in {help}");
    }
    assert!(!help.contains("--pin"));
    let version = Told::nothing().on_line(&["-V"]).printed::<Args>();
    assert_eq!(version, "my-app 1.2.3\n");
    // A file that is wrong is no reason to keep the help back.
    Told::nothing()
        .in_file("prot = 1")
        .on_line(&["-h"])
        .printed::<Args>();
    Told::nothing()
        .in_file("prot = 1")
        .on_line(&["--man"])
        .printed::<Args>();
}
