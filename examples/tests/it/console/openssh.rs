//! What OpenSSH's client may and may not.

use std::fs;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::{Console, Said, keygen, said, write};
use crate::tour::PATIENCE;

#[tokio::test]
async fn keys_of_every_kind_log_in_and_others_do_not() {
    let console = Console::start().await;
    let mut keys = fs::read_to_string(console.file("authorized_keys")).unwrap();
    for (name, arguments) in [
        ("rsa", ["-t", "rsa", "-b", "2048"]),
        ("p256", ["-t", "ecdsa", "-b", "256"]),
        ("p384", ["-t", "ecdsa", "-b", "384"]),
        ("p521", ["-t", "ecdsa", "-b", "521"]),
        ("short", ["-t", "rsa", "-b", "1024"]),
    ] {
        keys += &keygen(console.folder.path(), name, &arguments).await;
    }
    keygen(console.folder.path(), "stranger", &["-t", "ed25519"]).await;
    // It is read at every login.
    write(&console.file("authorized_keys"), &keys);
    let login = async |key: &str, more: &[&str]| {
        said(
            console
                .client(key)
                .args(more)
                .args(["op@127.0.0.1", "help"]),
        )
        .await
    };
    for (key, more) in [
        ("id", ""),
        ("rsa", "PubkeyAcceptedAlgorithms=rsa-sha2-256"),
        ("rsa", "PubkeyAcceptedAlgorithms=rsa-sha2-512"),
        ("p256", ""),
        ("p384", ""),
        ("p521", ""),
    ] {
        let more: &[_] = if more.is_empty() { &[] } else { &["-o", more] };
        let said = login(key, more).await;
        assert_eq!(said.code, Some(0), "{key} {more:?}: {said:?}");
    }
    // SHA-1 (RFC 8332), a short key, an unknown one.
    for (key, more) in [
        ("rsa", "PubkeyAcceptedAlgorithms=ssh-rsa"),
        ("short", "RequiredRSASize=1024"),
        ("stranger", "LogLevel=INFO"),
    ] {
        let said = login(key, &["-o", more]).await;
        assert_eq!(said.code, Some(255), "{key}: {said:?}");
        assert!(said.err.contains("Permission denied"), "{said:?}");
    }
}

#[tokio::test]
async fn a_password_logs_in_and_a_wrong_one_does_not() {
    let console = Console::start().await;
    let askpass = console.file("askpass");
    let login = async |user: &str, password: &str| {
        fs::write(&askpass, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&askpass, mode).unwrap();
        let mut ssh = console.client("id");
        ssh.env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .args([
                "-o",
                "PubkeyAuthentication=no",
                "-o",
                "NumberOfPasswordPrompts=1",
            ]);
        // The option that comes first wins, so this one goes before the others.
        let mut first = tokio::process::Command::new(ssh.as_std().get_program());
        first
            .args(["-o", "BatchMode=no"])
            .args(ssh.as_std().get_args());
        for (name, value) in ssh.as_std().get_envs() {
            first.env(name, value.unwrap());
        }
        said(first.args([&format!("{user}@127.0.0.1"), "status"])).await
    };
    let right = login("ann", "secret").await;
    assert_eq!(right.code, Some(0), "{right:?}");
    for (user, password) in [("ann", "Secret"), ("ann", ""), ("bob", "secret")] {
        let wrong = login(user, password).await;
        assert_eq!(wrong.code, Some(255), "{user} {password}: {wrong:?}");
        assert!(wrong.err.contains("Permission denied"), "{wrong:?}");
    }
}

#[tokio::test]
async fn the_host_key_outlives_the_server_and_a_changed_one_is_refused() {
    let console = Console::start().await;
    let first = console.fingerprint.clone();
    assert_eq!(console.run("shutdown").await.code, Some(0));
    let (_, _, folder) = console.end().await;
    let console = Console::start_in(folder).await;
    assert_eq!(console.fingerprint, first);
    // Under the name by which the client knows it, as the port is another one.
    let named = ["-o", "HostKeyAlias=the-console", "op@127.0.0.1"];
    let known = said(console.client("id").args(named).arg("status")).await;
    assert_eq!(known.code, Some(0), "{known:?}");
    assert_eq!(console.run("shutdown").await.code, Some(0));
    let (_, _, folder) = console.end().await;
    fs::remove_file(folder.path().join("host_key")).unwrap();
    let console = Console::start_in(folder).await;
    assert_ne!(console.fingerprint, first);
    let changed = said(console.client("id").args(named).arg("status")).await;
    assert_eq!(changed.code, Some(255), "{changed:?}");
    assert!(
        changed.err.contains("HOST IDENTIFICATION HAS CHANGED"),
        "{changed:?}"
    );
}

#[tokio::test]
async fn every_command_runs_alone_and_has_an_exit_status() {
    let console = Console::start().await;
    let mut web = TcpStream::connect(console.http).await.unwrap();
    for (command, part) in [
        ("help", "connections [PROTOCOL] open connections"),
        ("help close", "close ID\n"),
        ("status", "ready for 00:00:"),
        ("connections", " ssh 127.0.0.1:"),
        ("connections ssh", " ssh 127.0.0.1:"),
        ("connections nothing", "none\n"),
        ("services", "event-loop-delay up\n"),
        ("pools", "pool memory up: connections "),
        ("log warn,cyclone_core=debug", "the log is set to warn"),
        ("visits", "\n"),
        ("quit", ""),
    ] {
        let said = console.run(command).await;
        assert_eq!(said.code, Some(0), "{command}: {said:?}");
        assert!(said.out.contains(part), "{command}: {said:?}");
        assert_eq!(
            said.err.lines().find(|line| !line.contains("known hosts")),
            None
        );
        assert!(!said.out.contains('\r'), "{said:?}");
    }
    for (command, code, message) in [
        ("close 4711", 1, "there is no connection 4711"),
        ("close", 2, "usage: close ID"),
        ("close x", 2, "`x` is no number"),
        ("log a=b=c", 1, ""),
        ("shutdown later", 2, "usage: shutdown [now]"),
        ("reboot", 127, "there is no command `reboot`, try help"),
    ] {
        let said = console.run(command).await;
        assert_eq!(said.code, Some(code), "{command}: {said:?}");
        assert!(said.err.contains(message), "{command}: {said:?}");
        assert_eq!(said.out, "");
    }
    let listed = console.run("connections http").await.out;
    let id = listed.split_whitespace().next().unwrap();
    let closed = console.run(&format!("close {id}")).await;
    assert_eq!(closed.out, "closed\n");
    assert_eq!(
        timeout(PATIENCE, web.read(&mut [0]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
}

/// What somebody sees who sits at a terminal and types, one line after each prompt.
async fn sit_down(console: &Console, lines: &[&[u8]]) -> Said {
    let mut child = console
        .client("id")
        .args(["-tt", "op@127.0.0.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = BufReader::new(child.stdout.take().unwrap());
    let mut shown = Vec::new();
    for line in lines {
        let at = shown.len();
        while !shown[at..].ends_with(b"\r\ncyclone> ") {
            let read = timeout(PATIENCE, screen.read_until(b' ', &mut shown)).await;
            assert_ne!(read.expect("no prompt").unwrap(), 0, "no prompt");
        }
        keyboard.write_all(line).await.unwrap();
    }
    let rest = screen.read_to_end(&mut shown);
    timeout(PATIENCE, rest).await.unwrap().unwrap();
    let mut said = Said::of(&child.wait_with_output().await.unwrap());
    said.out = String::from_utf8(shown).unwrap();
    said
}

#[tokio::test]
async fn a_terminal_has_a_prompt_and_lines_can_be_edited() {
    let console = Console::start().await;
    let seen = sit_down(
        &console,
        &[
            b"stat\x7f\x7f\x7f\x7fhelp quit\r",
            b"nonsense\x15visits\r",
            b"half a line\x03",
            b"\x1b[A\r",
            b"quit\r",
        ],
    )
    .await;
    assert_eq!(seen.code, Some(0), "{seen:?}");
    let out = &seen.out;
    assert!(
        out.starts_with("type help for the commands\r\ncyclone> "),
        "{out:?}"
    );
    assert!(
        out.contains("\r\nquit\r\n  ends this conversation\r\ncyclone> "),
        "{out:?}"
    );
    assert!(out.contains("half a line^C\r\ncyclone> "), "{out:?}");
    assert_eq!(out.matches("visits\u{1b}[K\r\n").count(), 1, "{out:?}");
    assert_eq!(out.replace("\r\n", "").matches('\n').count(), 0, "{out:?}");
}

#[tokio::test]
async fn the_end_of_input_and_the_last_status_end_a_terminal() {
    let console = Console::start().await;
    let seen = sit_down(&console, &[b"reboot\r", b"\x04"]).await;
    assert_eq!(seen.code, Some(127), "{seen:?}");
    // On a terminal there is one stream.
    assert!(
        seen.out
            .contains("there is no command `reboot`, try help\r\n"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn lines_can_be_piped_in() {
    let console = Console::start().await;
    let mut child = console
        .client("id")
        .args(["-T", "op@127.0.0.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"help quit\n\nhelp log\nreboot")
        .await
        .unwrap();
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap();
    let said = Said::of(&output.unwrap());
    assert_eq!(said.code, Some(127), "{said:?}");
    assert_eq!(
        said.out,
        "quit\n  ends this conversation\nlog LEVEL\n  sets what is logged\n"
    );
}

/// RFC 4254, 5.1 and 7: channels and forwardings that are not wanted are refused.
#[tokio::test]
async fn nothing_is_forwarded_and_there_are_no_subsystems() {
    let console = Console::start().await;
    let refused = said(
        console
            .client("id")
            .args(["-W", "127.0.0.1:22", "op@127.0.0.1"]),
    )
    .await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(
        refused.err.contains("administratively prohibited"),
        "{refused:?}"
    );
    let remote = ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22"];
    let refused = said(
        console
            .client("id")
            .args(remote)
            .args(["op@127.0.0.1", "help"]),
    )
    .await;
    assert_eq!(refused.code, Some(255), "{refused:?}");
    assert!(
        refused.err.contains("remote port forwarding failed"),
        "{refused:?}"
    );
    let sftp = said(console.client("id").args(["-s", "op@127.0.0.1", "sftp"])).await;
    assert_ne!(sftp.code, Some(0), "{sftp:?}");
    assert!(sftp.err.contains("subsystem request failed"), "{sftp:?}");
    // Asked for, not had, and no reason to fail.
    let agent = said(console.client("id").args(["-A", "op@127.0.0.1", "help"])).await;
    assert_eq!(agent.code, Some(0), "{agent:?}");
    for escape in ["help; id", "$(id)", "/bin/sh", "help | cat", "!sh"] {
        let said = console.run(escape).await;
        assert_eq!(said.code, Some(127), "{escape}: {said:?}");
        assert!(!said.out.contains("uid="), "{said:?}");
    }
}

#[tokio::test]
async fn options_of_a_key_hold() {
    let console = Console::start().await;
    let key = fs::read_to_string(console.file("id.pub")).unwrap();
    let keys = console.file("authorized_keys");
    write(&keys, &format!("command=\"help quit\",restrict {key}"));
    let forced = console.run("shutdown now").await;
    assert_eq!(forced.out, "quit\n  ends this conversation\n", "{forced:?}");
    let terminal = said(console.client("id").args(["-tt", "op@127.0.0.1"])).await;
    assert!(
        terminal.err.contains("PTY allocation request failed"),
        "{terminal:?}"
    );
    let prompt = said(console.client("id").args(["-T", "op@127.0.0.1"])).await;
    assert_eq!(prompt.out, "quit\n  ends this conversation\n", "{prompt:?}");
    write(&keys, &format!("from=\"10.0.0.0/8\" {key}"));
    assert_eq!(console.run("help").await.code, Some(255));
    write(&keys, "");
    assert_eq!(console.run("help").await.code, Some(255));
}

#[tokio::test]
async fn the_same_commands_are_at_the_socket() {
    let console = Console::start().await;
    let mut socket = UnixStream::connect(console.file("socket")).await.unwrap();
    socket
        .write_all(b"help quit\r\nreboot\r\nquit\r\n")
        .await
        .unwrap();
    let mut answers = String::new();
    let read = socket.read_to_string(&mut answers);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(
        answers,
        "quit\r\n  ends this conversation\r\n\r\nerror: there is no command `reboot`, try help\r\n\r\n\r\n"
    );
}
