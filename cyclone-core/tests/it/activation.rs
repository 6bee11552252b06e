//! Sockets that were open when the process started.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cyclone_core::{Endpoint, Server};

use crate::support::{CHILD, echo, foreign, is_child};

const TEST: &str = "activation::sockets_of_the_launcher_are_listened_with";

/// The endpoint that the child listens on.
const ENDPOINT: &str = "CYCLONE_CORE_TEST_ENDPOINT";

fn child(command: &mut Command, endpoint: &str) -> std::io::Result<Child> {
    command
        .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
        .env(CHILD, TEST)
        .env(ENDPOINT, endpoint)
        .stdout(Stdio::piped())
        .spawn()
}

/// Serves one peer at the endpoint and ends, with the address that it knows on its output.
fn serve() {
    let endpoint: Endpoint = std::env::var(ENDPOINT).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match Server::new().listen(endpoint, echo()).start().await {
            Ok(server) => {
                println!("listening at {}", server.local_addresses()[0]);
                while server.registry().accepted() == 0 {
                    tokio::task::yield_now().await;
                }
                server.shutdown();
                assert!(server.wait().await.is_clean());
            }
            Err(error) => {
                let source = std::error::Error::source(&error).unwrap();
                println!("{error}: {source}");
            }
        }
    });
}

/// Talks with the child, ends the connection and so the child, and gives what it wrote.
fn talk(mut stream: impl Read + Write, child: Child) -> String {
    stream.write_all(b"x").unwrap();
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hix");
    drop(stream);
    output(child)
}

fn output(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

#[test]
fn sockets_of_the_launcher_are_listened_with() {
    if is_child(TEST) {
        return serve();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Standard input, as inetd passes it.
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    let process = child(this_program().stdin(socket), "fd:0").unwrap();
    let told = talk(TcpStream::connect(address).unwrap(), process);
    assert!(told.contains(&format!("listening at {address}")), "{told}");

    if cfg!(target_os = "linux") {
        rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
        let endpoint = format!("fd:{}:backlog=5", listener.as_raw_fd());
        let process = child(&mut this_program(), &endpoint).unwrap();
        let told = talk(TcpStream::connect(address).unwrap(), process);
        assert!(told.contains(&format!("listening at {address}")), "{told}");
    }
}

#[test]
fn what_the_launcher_left_may_be_no_socket_that_listens() {
    let folder = tempfile::tempdir().unwrap();
    let silent = UnixListener::bind(folder.path().join("it")).unwrap();
    let silent = UnixStream::connect(silent.local_addr().unwrap().as_pathname().unwrap());
    for (input, endpoint, message) in [
        (
            Stdio::null(),
            "fd:0",
            "the inherited descriptor is no socket",
        ),
        (
            OwnedFd::from(silent.unwrap()).into(),
            "fd:0",
            "the inherited socket does not listen",
        ),
        (
            Stdio::null(),
            "fd:999",
            "descriptor 999 is not open in this process",
        ),
        (
            Stdio::null(),
            "systemd:0",
            "no sockets came with this process",
        ),
    ] {
        let process = child(this_program().stdin(input), endpoint).unwrap();
        let told = output(process);
        let expected = format!("cannot listen on `{endpoint}`: {message}");
        assert!(told.contains(&expected), "{told}");
    }
}

/// The program that systemd has for trying socket activation out.
fn systemd_socket_activate(paths: &[&Path], endpoint: &str) -> Child {
    let mut command = foreign("CYCLONE_TEST_SYSTEMD_SOCKET_ACTIVATE");
    for path in paths {
        command.arg("-l").arg(path);
    }
    command.args(["--fdname=web:admin", "-E", CHILD, "-E", ENDPOINT]);
    command
        .arg(std::env::current_exe().unwrap())
        .stderr(Stdio::null());
    child(&mut command, endpoint).unwrap()
}

/// Waits until the launcher listens.
fn connect(path: &Path, launcher: &mut Child) -> UnixStream {
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(_early) => assert_eq!(launcher.try_wait().unwrap(), None),
        }
        std::thread::yield_now();
    }
}

#[test]
fn systemd_passes_its_sockets_by_index_and_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (web, admin) = (folder.path().join("web"), folder.path().join("admin"));
    for (endpoint, path) in [
        ("systemd:0", &web),
        ("systemd:1", &admin),
        ("systemd:web", &web),
        ("systemd:domain=UNIX:name=admin", &admin),
    ] {
        for path in [&web, &admin] {
            let _ = std::fs::remove_file(path);
        }
        let mut process = systemd_socket_activate(&[&web, &admin], endpoint);
        let told = talk(connect(path, &mut process), process);
        assert!(
            told.contains(&format!("listening at unix:{}", path.display())),
            "{told}"
        );
        assert!(path.exists(), "the file is the launcher's");
    }
    for (endpoint, message) in [
        ("systemd:2", "there is no socket 2, systemd gave 2, from 0"),
        (
            "systemd:shop",
            r#"systemd gave no socket named `shop`, but ["web", "admin"]"#,
        ),
    ] {
        for path in [&web, &admin] {
            let _ = std::fs::remove_file(path);
        }
        let mut process = systemd_socket_activate(&[&web, &admin], endpoint);
        let _starts_it = connect(&web, &mut process);
        let told = output(process);
        assert!(told.contains(message), "{told}");
    }
}
