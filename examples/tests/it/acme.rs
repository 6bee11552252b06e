//! A certificate from an authority: Pebble, the test server of Let's Encrypt, asks over TLS-ALPN-01 and gives one.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use cyclone_core::tls::{Acme, ClientTls, SelfSigned, ServerTls};
use cyclone_core::{Endpoint, Server};
use cyclone_web::{Application, RequestContext};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::tour::PATIENCE;

/// The authority as a process; killed when it is dropped.
struct Pebble {
    _child: Child,
    port: u16,
    management: u16,
}

impl Pebble {
    /// `port` is where it looks for the servers of names.
    async fn start(folder: &Path, port: u16, own: u16, management: u16) -> Self {
        let config = format!(
            r#"{{"pebble": {{
                "listenAddress": "127.0.0.1:{own}",
                "managementListenAddress": "127.0.0.1:{management}",
                "certificate": "pebble.pem", "privateKey": "pebble.pem",
                "httpPort": 1, "tlsPort": {port}, "ocspResponderURL": "",
                "externalAccountBindingRequired": false
            }}}}"#
        );
        fs::write(folder.join("pebble.json"), config).unwrap();
        let mut child = program("CYCLONE_TEST_PEBBLE")
            .args(["-config", "pebble.json"])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0")
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = log.next_line().await.unwrap() {
                if line.contains("ACME directory available at") {
                    return;
                }
            }
            panic!("the authority ended");
        };
        timeout(PATIENCE, listening)
            .await
            .expect("the authority does not start");
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self {
            _child: child,
            port: own,
            management,
        }
    }
}

fn program(variable: &str) -> Command {
    let program = std::env::var_os(variable);
    Command::new(program.unwrap_or_else(|| panic!("{variable} is not set; run `cargo xtask test`")))
}

async fn curl(roots: &Path, url: &str) -> String {
    let mut curl = program("CYCLONE_TEST_CURL");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--cacert"]);
    let running = curl.arg(roots).arg(url).kill_on_drop(true).output();
    let output: Output = timeout(PATIENCE, running).await.expect("it hangs").unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A port that is free just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn certificate_is_ordered_answered_for_kept_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = SelfSigned::kept_in(path("pebble.pem"), ["localhost", "127.0.0.1"]).unwrap();
    fs::write(path("pebble-root.pem"), made.certificate_pem()).unwrap();
    let (own, management) = (free_port(), free_port());
    let acme = || {
        Acme::builder(["localhost"], path("acme"))
            .directory(format!("https://127.0.0.1:{own}/dir"))
            .roots_file(path("pebble-root.pem"))
            .contact("admin@example.org")
            .build()
            .unwrap()
    };
    let ordered = acme();
    let hello = Application::new().get("/", async |cx: &mut RequestContext| cx.text("hello"));
    let tls = ServerTls::builder().acme(ordered.clone()).build().unwrap();
    let server = Server::new().listen(Endpoint::loopback(0).tls(tls), hello);
    // Bound, so that its port is known, and not started, so that it orders once there is an authority.
    let server = server.bind().await.unwrap();
    let port = server.local_addresses()[0].socket_addr().unwrap().port();
    let pebble = Pebble::start(folder.path(), port, own, management).await;
    let server = server.start().await.unwrap();
    let issued = async {
        while ordered.certificate().is_none() || !ordered.health().is_up() {
            assert!(!ordered.health().is_down(), "{}", ordered.health());
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, issued)
        .await
        .expect("no certificate comes");
    let certificate = ordered.certificate().unwrap();
    assert!(
        certificate
            .issuer()
            .starts_with("CN=Pebble Intermediate CA"),
        "{certificate:?}"
    );
    assert_eq!(certificate.names()[0].to_string(), "localhost");

    // Served, and trusted by who trusts the authority.
    let root = format!("https://127.0.0.1:{}/roots/0", pebble.management);
    fs::write(
        path("root.pem"),
        curl(&path("pebble-root.pem"), &root).await,
    )
    .unwrap();
    let site = format!("https://localhost:{port}/");
    assert_eq!(curl(&path("root.pem"), &site).await, "hello");
    let services = server.handle().services();
    let renewal = services
        .iter()
        .find(|service| service.name == "acme localhost");
    assert!(renewal.unwrap().health.is_up());

    // Kept where nobody else can read it, and used at the next start without an authority.
    let mut files = 0;
    for file in fs::read_dir(path("acme")).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 2, "the certificate and the account");
    assert_eq!(pebble.port, own);
    drop(pebble);
    server.shutdown();
    assert!(timeout(PATIENCE, server.wait()).await.unwrap().is_clean());
    // As long as it is there, the same settings are a handle of it.
    drop(ordered);
    let again = acme();
    assert_eq!(again.certificate(), Some(certificate));
    let client = ClientTls::builder()
        .roots_file(path("root.pem"))
        .build()
        .unwrap();
    let tls = ServerTls::builder().acme(again).build().unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (near, far) = tokio::join!(tls.accept(near), client.connect("localhost", far));
    assert!(near.is_ok() && far.is_ok());
}
