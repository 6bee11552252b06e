//! The end of a server, begun at the console.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use super::{Console, Said};
use crate::tour::PATIENCE;

/// Somebody at the prompt, who does nothing.
struct Bystander {
    child: Child,
    screen: BufReader<ChildStdout>,
}

impl Bystander {
    async fn sit_down(console: &Console) -> Self {
        let mut child = console
            .client("id")
            .args(["-tt", "op@127.0.0.1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut screen = BufReader::new(child.stdout.take().unwrap());
        let mut shown = Vec::new();
        while !shown.ends_with(b"cyclone> ") {
            let read = timeout(PATIENCE, screen.read_until(b' ', &mut shown)).await;
            assert_ne!(read.expect("no prompt").unwrap(), 0, "no prompt");
        }
        Self { child, screen }
    }

    /// What he sees until the end.
    async fn look(mut self) -> Said {
        let mut out = String::new();
        let read = self.screen.read_to_string(&mut out);
        timeout(PATIENCE, read).await.unwrap().unwrap();
        let mut said = Said::of(&self.child.wait_with_output().await.unwrap());
        said.out = out;
        said
    }
}

#[tokio::test]
async fn shutdown_tells_everybody_and_drains() {
    let console = Console::start().await;
    let bystander = Bystander::sit_down(&console).await;
    let asked = console.run("shutdown").await;
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert_eq!(asked.out, "shutting down, 1 other connections drain\n");
    let seen = bystander.look().await;
    assert_eq!(
        seen.out, "\r\nthe server shuts down, good-bye\r\n",
        "{seen:?}"
    );
    assert_eq!(seen.code, Some(0), "{seen:?}");
    let (status, report, _folder) = console.end().await;
    assert!(status.success());
    assert!(
        report[0].contains("2 connections drained, 0 cut"),
        "{report:?}"
    );
}

#[tokio::test]
async fn shutdown_now_is_answered_and_cuts() {
    let console = Console::start().await;
    let bystander = Bystander::sit_down(&console).await;
    // A request that never ends.
    let mut web = TcpStream::connect(console.http).await.unwrap();
    web.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        .await
        .unwrap();
    while !console.run("connections http").await.out.contains("http") {}
    let asked = console.run("shutdown now").await;
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert_eq!(asked.out, "cutting 2 other connections\n");
    let (status, report, _folder) = console.end().await;
    assert!(status.success());
    assert!(report[0].contains(" cut"), "{report:?}");
    assert!(
        report.iter().any(|line| line.starts_with("cut #")),
        "{report:?}"
    );
    // It has no time to say anything, or hardly any.
    let seen = bystander.look().await;
    match seen.code {
        Some(255) => assert_eq!(seen.out, "", "{seen:?}"),
        _ => assert!(seen.out.ends_with("good-bye\r\n"), "{seen:?}"),
    }
}

#[tokio::test]
async fn a_second_shutdown_changes_nothing() {
    let console = Console::start().await;
    let bystander = Bystander::sit_down(&console).await;
    let (one, other) = tokio::join!(console.run("shutdown"), console.run("shutdown"));
    // The second may come too late to be let in.
    assert!(
        [one.code, other.code].contains(&Some(0)),
        "{one:?} {other:?}"
    );
    bystander.look().await;
    let (status, _, _folder) = console.end().await;
    assert!(status.success());
}
