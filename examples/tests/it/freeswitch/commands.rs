//! What is sent, and what is not.

use cyclone_examples::freeswitch::{Command, EventFormat, Expects, MAX_COMMAND_BYTES};

fn text(command: &Command) -> String {
    String::from_utf8(command.to_bytes().unwrap().to_vec()).unwrap()
}

#[test]
fn commands_are_written_as_the_manual_has_them() {
    for (command, expected) in [
        (Command::auth("ClueCon"), "auth ClueCon\n\n"),
        (Command::userauth("1000@x", "y"), "userauth 1000@x:y\n\n"),
        (Command::api("status"), "api status\n\n"),
        (
            Command::bgapi("status", "id"),
            "bgapi status\nJob-UUID: id\n\n",
        ),
        (
            Command::event(EventFormat::Json, &["A", "CUSTOM b::c"]),
            "event json A CUSTOM b::c\n\n",
        ),
        (Command::filter("A", "b c"), "filter A b c\n\n"),
        (Command::sendmsg(None), "sendmsg\n\n"),
        (
            Command::sendmsg(Some("id")).header("call-command", "hangup"),
            "sendmsg id\ncall-command: hangup\n\n",
        ),
        (
            Command::sendevent("X").body("a\n\nb"),
            "sendevent X\nContent-Length: 4\n\na\n\nb",
        ),
    ] {
        assert_eq!(text(&command), expected);
    }
}

/// CWE-93: with a line break in one of them a caller's number would be a command.
#[test]
fn nobody_gets_another_command_or_header_in() {
    for bad in ["a\nb", "a\r\nb", "a\rb", "\n\napi shutdown", "a\0b", "x\n"] {
        for command in [
            Command::new(bad),
            Command::api(bad),
            Command::auth(bad),
            Command::userauth("user", bad),
            Command::bgapi("status", bad),
            Command::bgapi(bad, "id"),
            Command::event(EventFormat::Plain, &[bad]),
            Command::filter("A", bad),
            Command::filter(bad, "b"),
            Command::sendmsg(Some(bad)),
            Command::sendmsg(None).header("execute-app-arg", bad),
            Command::sendmsg(None).header(bad, "x"),
            Command::sendevent(bad),
        ] {
            command.to_bytes().unwrap_err();
        }
    }
    for name in ["", "a b", "a:b", "a\tb"] {
        Command::new("x").header(name, "y").to_bytes().unwrap_err();
    }
    for line in ["", " ", "\n"] {
        Command::new(line).to_bytes().unwrap_err();
    }
    // The body would end somewhere else.
    for name in ["Content-Length", "content-length"] {
        let command = Command::new("x").header(name, "1").body("ab");
        command.to_bytes().unwrap_err();
    }
}

#[test]
fn commands_have_a_limit() {
    // "api \n\n" is the rest of it.
    for (length, fits) in [
        (MAX_COMMAND_BYTES - 7, true),
        (MAX_COMMAND_BYTES - 6, true),
        (MAX_COMMAND_BYTES - 5, false),
    ] {
        let command = Command::api(&"x".repeat(length));
        assert_eq!(command.to_bytes().is_ok(), fits, "{length}");
    }
    let body = Command::new("x").body(vec![0; MAX_COMMAND_BYTES]);
    body.to_bytes().unwrap_err();
}

#[test]
fn secrets_are_not_shown() {
    let command = Command::auth("secret").header("a", "secret").body("secret");
    let shown = format!("{command:?}");
    assert!(
        shown.contains("auth") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn only_api_is_answered_by_what_it_prints() {
    assert_eq!(Command::api("x").expects(), Expects::ApiResponse);
    for other in [
        Command::new("apix"),
        Command::bgapi("x", "y"),
        Command::new("exit"),
    ] {
        assert_eq!(other.expects(), Expects::Reply);
    }
}
