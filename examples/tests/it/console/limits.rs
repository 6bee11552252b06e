//! The limits of the console, measured by a client of ours on a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use cyclone_core::{Connection, Peer, Protocol as _, ProtocolFactory as _, Resources, Session};
use cyclone_examples::console::{
    Access, Call, Command, Commands, HostKey, Limits, SshConsole, hash_password,
};
use russh::client::{self, AuthResult, Handle};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelMsg};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::write;

/// Longer than anything here takes on the clock of the test.
const FOREVER: Duration = Duration::from_secs(1_000_000);

/// A console without a server, and what it needs on disk.
struct Bench {
    console: SshConsole,
    _folder: TempDir,
}

impl Bench {
    /// `ann` has the password `secret`; the pause after a wrong one is left out.
    fn new(set: impl FnOnce(&mut Limits)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        write(&path, &format!("ann:{}", hash_password("secret").unwrap()));
        let host_key = HostKey::load_or_create(folder.path().join("host_key")).unwrap();
        let mut limits = Limits::default();
        limits.login_pause = Duration::ZERO;
        set(&mut limits);
        let console = SshConsole::new(host_key, Access::nobody().passwords(path))
            .commands(commands())
            .limits(limits);
        Self {
            console,
            _folder: folder,
        }
    }

    /// A connection that the console serves; `None` when it refuses it.
    fn accept(&self) -> Option<(DuplexStream, Session, JoinHandle<std::io::Result<()>>)> {
        self.accept_until(CancellationToken::new())
    }

    /// As above, until the server shuts down.
    fn accept_until(
        &self,
        draining: CancellationToken,
    ) -> Option<(DuplexStream, Session, JoinHandle<std::io::Result<()>>)> {
        let cut = CancellationToken::new();
        let session = Session::controlled(Resources::default(), draining, cut);
        let (connection, client) = Connection::in_memory_with(session.clone());
        let peer: &Peer = connection.peer();
        let protocol = self.console.build(peer)?;
        Some((client, session, tokio::spawn(protocol.run(connection))))
    }

    async fn connect(&self) -> Client {
        let draining = CancellationToken::new();
        let accepted = self.accept_until(draining.clone());
        let (stream, session, served) = accepted.expect("refused");
        let config = Arc::new(client::Config::default());
        let handle = client::connect_stream(config, stream, Trusting).await;
        Client {
            handle: handle.unwrap(),
            session,
            draining,
            served,
        }
    }

    async fn log_in(&self) -> Client {
        let mut client = self.connect().await;
        assert!(client.password("secret").await.unwrap());
        client
    }
}

fn commands() -> Commands {
    let sleep = Command::new(
        "sleep",
        "SECONDS",
        "does nothing",
        |call: Call| async move {
            let [seconds] = call.exactly()?;
            let seconds = seconds.parse().unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok("slept\n".into())
        },
    );
    let flood = Command::new("flood", "BYTES", "says much", |call: Call| async move {
        let [bytes] = call.exactly()?;
        Ok("x".repeat(bytes.parse().unwrap()).into())
    });
    let evil = Command::new("evil", "", "means harm", |_call| async {
        Ok("\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{9b}31m\u{8}seen".into())
    });
    Commands::standard().with(sleep).with(flood).with(evil)
}

struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

struct Client {
    handle: Handle<Trusting>,
    session: Session,
    draining: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

impl Client {
    async fn password(&mut self, password: &str) -> Result<bool, russh::Error> {
        let tried = self.handle.authenticate_password("ann", password).await;
        tried.map(|result| matches!(result, AuthResult::Success))
    }

    async fn open(&self) -> Result<Channel<client::Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }

    /// Runs a command; what it said, and its status if it has one.
    async fn run(&self, command: &str) -> (String, Option<u32>) {
        let mut channel = self.open().await.unwrap();
        channel.exec(true, command).await.unwrap();
        read(&mut channel).await
    }

    /// Opens a prompt on a terminal and waits for it.
    async fn prompt(&self) -> Channel<client::Msg> {
        let mut channel = self.open().await.unwrap();
        channel
            .request_pty(true, "xterm", 80, 24, 0, 0, &[])
            .await
            .unwrap();
        channel.request_shell(true).await.unwrap();
        read_until(&mut channel, "> ").await;
        channel
    }

    /// How long it takes until the connection is gone.
    async fn gone_after(self) -> Duration {
        let begun = Instant::now();
        let ended = timeout(FOREVER, self.served).await;
        let _ = ended.expect("it stays").unwrap();
        begun.elapsed()
    }
}

async fn read(channel: &mut Channel<client::Msg>) -> (String, Option<u32>) {
    let (mut said, mut status) = (Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => {
                said.extend_from_slice(&data);
            }
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    (String::from_utf8(said).unwrap(), status)
}

async fn read_until(channel: &mut Channel<client::Msg>, end: &str) -> String {
    let mut said = String::new();
    while !said.ends_with(end) {
        match channel.wait().await.expect("it ended") {
            ChannelMsg::Data { data } => said += std::str::from_utf8(&data).unwrap(),
            ChannelMsg::Close => panic!("it was closed after {said:?}"),
            _ => {}
        }
    }
    said
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_log_in_in_time_is_gone() {
    let bench = Bench::new(|limits| limits.login_limit = Duration::from_secs(30));
    // Says nothing at all.
    let (mut silent, _, served) = bench.accept().unwrap();
    let begun = Instant::now();
    timeout(FOREVER, served).await.unwrap().unwrap().unwrap();
    assert_eq!(begun.elapsed().as_secs(), 30);
    silent.read_to_end(&mut Vec::new()).await.unwrap();
    // Has done everything but that. The goodbye takes its time.
    let begun = Instant::now();
    bench.connect().await.gone_after().await;
    let waited = begun.elapsed().as_secs_f64();
    assert!((30.0..=31.1).contains(&waited), "{waited} s");
    // Just in time.
    let mut client = bench.connect().await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(client.password("secret").await.unwrap());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.run("help quit").await.1, Some(0));
}

/// The largest limits there are mean that there are none.
#[tokio::test]
async fn every_limit_can_be_switched_off() {
    let bench = Bench::new(|limits| {
        for time in [
            &mut limits.login_limit,
            &mut limits.idle_limit,
            &mut limits.command_timeout,
            &mut limits.write_limit,
        ] {
            *time = Duration::MAX;
        }
        for number in [
            &mut limits.login_attempts,
            &mut limits.strangers,
            &mut limits.strangers_of_address,
            &mut limits.sessions,
            &mut limits.channels,
        ] {
            *number = usize::MAX;
        }
    });
    let client = bench.log_in().await;
    assert_eq!(client.run("help quit").await.1, Some(0));
}

#[tokio::test]
async fn so_many_wrong_passwords_are_answered_and_no_more() {
    let bench = Bench::new(|limits| limits.login_attempts = 3);
    let mut client = bench.connect().await;
    for _ in 0..2 {
        assert!(!client.password("wrong").await.unwrap());
    }
    assert!(client.password("secret").await.unwrap(), "just under");
    let mut client = bench.connect().await;
    for _ in 0..3 {
        assert!(!client.password("wrong").await.unwrap());
    }
    // The right one comes too late.
    assert!(!client.password("secret").await.unwrap_or(false));
    client.gone_after().await;
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_wrong_password_is_held_back() {
    let bench = Bench::new(|limits| limits.login_pause = Duration::from_secs(3));
    let mut client = bench.connect().await;
    let begun = Instant::now();
    assert!(!client.password("wrong").await.unwrap());
    assert!(begun.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn strangers_are_refused_when_there_are_too_many() {
    let bench = Bench::new(|limits| (limits.strangers, limits.strangers_of_address) = (2, 2));
    let mut one = bench.connect().await;
    let other = bench.accept().unwrap();
    assert!(bench.accept().is_none());
    // Who has logged in is none any more.
    assert!(one.password("secret").await.unwrap());
    one.run("help").await;
    let third = bench.accept().unwrap();
    assert!(bench.accept().is_none());
    other.2.abort();
    assert!(other.2.await.is_err());
    assert!(bench.accept().is_some());
    drop((one, third));
}

#[tokio::test]
async fn so_many_sessions_and_no_more() {
    let bench = Bench::new(|limits| limits.sessions = 2);
    let one = bench.log_in().await;
    let other = bench.log_in().await;
    let mut third = bench.connect().await;
    let _ = third.password("secret").await;
    assert!(third.open().await.is_err());
    third.gone_after().await;
    assert_eq!(other.run("help quit").await.1, Some(0));
    drop(one.handle);
    let _ = one.served.await;
    // Its place is free once russh has ended too.
    loop {
        let mut next = bench.connect().await;
        if next.password("secret").await.is_ok_and(|had| had) && next.open().await.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn so_many_channels_at_once_and_any_number_one_by_one() {
    let bench = Bench::new(|limits| limits.channels = 2);
    let client = bench.log_in().await;
    let one = client.prompt().await;
    let other = client.prompt().await;
    assert!(client.open().await.is_err());
    one.data(&b"quit\r"[..]).await.unwrap();
    let mut one = one;
    read(&mut one).await;
    for _ in 0..20 {
        // The place is free when the task of the channel has ended, a moment after the client hears of it.
        let channel = loop {
            if let Ok(channel) = client.open().await {
                break channel;
            }
        };
        channel.exec(true, "help quit").await.unwrap();
        let mut channel = channel;
        assert_eq!(read(&mut channel).await.1, Some(0));
    }
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn silence_at_the_prompt_ends_it() {
    let bench = Bench::new(|limits| limits.idle_limit = Duration::from_secs(600));
    let client = bench.log_in().await;
    let mut channel = client.prompt().await;
    tokio::time::sleep(Duration::from_secs(599)).await;
    channel.data(&b"help quit\r"[..]).await.unwrap();
    read_until(&mut channel, "> ").await;
    let begun = Instant::now();
    let (said, status) = read(&mut channel).await;
    assert_eq!(begun.elapsed().as_secs(), 600);
    assert_eq!(said, "\r\nnothing for 600 s, good-bye\r\n");
    assert_eq!(status, Some(0));
    // And the connection, of which nothing is wanted any more.
    let waited = client.gone_after().await.as_secs_f64();
    assert!((600.0..=601.1).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_takes_too_long_is_given_up() {
    let bench = Bench::new(|limits| limits.command_timeout = Duration::from_secs(30));
    let client = bench.log_in().await;
    assert_eq!(client.run("sleep 29").await, ("slept\n".into(), Some(0)));
    let (said, status) = client.run("sleep 31").await;
    assert_eq!(said, "it took more than 30 s and was given up\n");
    assert_eq!(status, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_command_can_be_interrupted_and_what_is_typed_ahead_is_kept() {
    let bench = Bench::new(|_| {});
    let client = bench.log_in().await;
    let mut channel = client.prompt().await;
    channel.data(&b"sleep 20\r"[..]).await.unwrap();
    channel.data(&b"forgotten\r\x03"[..]).await.unwrap();
    let said = read_until(&mut channel, "^C\r\n> ").await;
    assert!(!said.contains("slept"), "{said:?}");
    channel.data(&b"sleep 5\rhelp quit\r"[..]).await.unwrap();
    let said = read_until(&mut channel, "conversation\r\n> ").await;
    assert_eq!(
        said,
        "sleep 5\r\nslept\r\n> help quit\r\nquit\r\n  ends this conversation\r\n> "
    );
}

/// Somebody who opens a channel and does not say what for is no reason to wait for the deadline.
#[tokio::test(start_paused = true)]
async fn a_channel_that_was_told_nothing_does_not_keep_a_server_that_shuts_down() {
    let bench = Bench::new(|_| {});
    let client = bench.log_in().await;
    let _channel = client.open().await.unwrap();
    client.draining.cancel();
    let waited = client.gone_after().await.as_secs_f64();
    assert!(waited <= 3.1, "{waited} s");
}

/// Commands with a hole in them are other commands (`close 12` of `close 1234`): nothing after the hole is carried out.
#[tokio::test(start_paused = true)]
async fn so_much_can_be_typed_ahead_and_more_ends_the_conversation() {
    const AHEAD: usize = 64 * 1024;
    let bench = Bench::new(|_| {});
    for over in [-1, 0, 1] {
        for pty in [false, true] {
            let client = bench.log_in().await;
            let mut channel = client.open().await.unwrap();
            if pty {
                let opened = channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]);
                opened.await.unwrap();
            }
            channel.request_shell(true).await.unwrap();
            channel.data(&b"sleep 9\n"[..]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            let last = "help quit\n";
            let blank = AHEAD.checked_add_signed(over).unwrap() - last.len();
            let typed = "\n".repeat(blank) + last;
            channel.data(typed.as_bytes()).await.unwrap();
            channel.eof().await.unwrap();
            let (said, status) = read(&mut channel).await;
            assert!(said.contains("slept"), "{said:?}");
            let fits = over <= 0;
            let end = &said[said.len().saturating_sub(99)..];
            assert_eq!(said.contains("ends this conversation"), fits, "{end:?}");
            assert_eq!(said.contains("bytes were typed ahead"), !fits, "{end:?}");
            assert_eq!(status, Some(u32::from(!fits)), "{end:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_let_go() {
    let bench = Bench::new(|limits| limits.write_limit = Duration::from_secs(30));
    let client = bench.log_in().await;
    let channel = client.open().await.unwrap();
    // More than the windows and buffers of both sides hold, and nobody reads.
    channel.exec(true, "flood 20000000").await.unwrap();
    let waited = client.gone_after().await.as_secs_f64();
    assert!((30.0..=33.0).contains(&waited), "{waited} s");
}

/// However much of the last answer is on its way: the end of the channel waits behind it.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_end_is_let_go() {
    let bench = Bench::new(|limits| {
        limits.write_limit = Duration::from_secs(30);
        limits.idle_limit = Duration::from_secs(60);
    });
    // About as much as the window of the client: the last pieces of it, or only the end, wait in the queue of russh.
    let window = client::Config::default().window_size as usize;
    for bytes in (window - 256 * 1024..window + 256 * 1024).step_by(48 * 1024) {
        let client = bench.log_in().await;
        let channel = client.open().await.unwrap();
        channel.exec(true, format!("flood {bytes}")).await.unwrap();
        let waited = client.gone_after().await.as_secs_f64();
        assert!(waited <= 93.0, "{waited} s after {bytes} bytes");
    }
}

#[tokio::test]
async fn more_than_a_window_arrives_whole() {
    let bench = Bench::new(|_| {});
    let client = bench.log_in().await;
    let (said, status) = client.run("flood 3000000").await;
    assert_eq!((said.len(), status), (3_000_001, Some(0)));
}

/// What commands say comes from names that strangers choose.
#[tokio::test]
async fn no_control_character_of_an_answer_reaches_a_terminal() {
    let bench = Bench::new(|_| {});
    let client = bench.log_in().await;
    let mut channel = client.prompt().await;
    channel.data(&b"evil\r"[..]).await.unwrap();
    let said = read_until(&mut channel, "> ").await;
    assert_eq!(
        said,
        "evil\r\n\\u{1b}]0;owned\\u{7}\\u{1b}[2J\\u{d}\\u{9b}31m\\u{8}seen\r\n> "
    );
    // Nor what was asked for, when it is named in an error.
    channel.data("x\u{9b}2Jy\r".as_bytes()).await.unwrap();
    let said = read_until(&mut channel, "help\r\n> ").await;
    assert!(said.contains("there is no command `x2Jy`"), "{said:?}");
    let (said, _) = client.run("a\u{1b}[2Jb").await;
    assert_eq!(said, "there is no command `a\\u{1b}[2Jb`, try help\n");
}

#[tokio::test]
async fn a_cut_closes_the_socket_at_once() {
    let bench = Bench::new(|_| {});
    let client = bench.log_in().await;
    let mut channel = client.prompt().await;
    // The server drops the future of the protocol.
    client.served.abort();
    let (said, status) = read(&mut channel).await;
    assert_eq!((said.as_str(), status), ("", None));
    assert!(client.served.await.unwrap_err().is_cancelled());
    assert!(client.handle.channel_open_session().await.is_err());
    assert!(!client.session.is_draining());
}
