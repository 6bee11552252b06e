//! HTTPS with foreign clients: curl, OpenSSL, Python and h2load, and certificates that OpenSSL made.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use cyclone_core::tls::{ClientAuth, Identity, ServerTls, SniPolicy};
use cyclone_core::{Endpoint, RunningServer, Server};
use cyclone_web::{Application, RequestContext};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::tour::PATIENCE;

mod curl;
mod load;
mod openssl;
mod python;

/// A folder of certificates that OpenSSL made.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// An authority, and a certificate of each of these kinds.
    async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Self { folder };
        certificates.authority("ca").await;
        let names = "DNS:example.org,DNS:*.example.org,IP:127.0.0.1";
        certificates
            .issue("server", "ca", "serverAuth", names)
            .await;
        certificates
            .issue("other", "ca", "serverAuth", "DNS:example.com")
            .await;
        certificates
            .issue("alice", "ca", "clientAuth", "DNS:alice")
            .await;
        certificates
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn authority(&self, name: &str) {
        let subject = format!("/CN={name}");
        let mut openssl = self.openssl(&["req", "-x509", "-newkey", "ec", "-noenc", "-days", "2"]);
        openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &subject]);
        openssl.args([
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.crt"),
        ]);
        said(&mut openssl).await;
    }

    /// `NAME.crt` and `NAME.key`, signed by this authority.
    async fn issue(&self, name: &str, authority: &str, usage: &str, names: &str) {
        let (request, key) = (format!("{name}.csr"), format!("{name}.key"));
        let mut openssl = self.openssl(&["req", "-new", "-newkey", "rsa:2048", "-noenc"]);
        openssl.args(["-subj", &format!("/O=cyclone/CN={name}")]);
        openssl.args(["-keyout", &key, "-out", &request]);
        said(&mut openssl).await;
        let extensions = format!("subjectAltName={names}\nextendedKeyUsage={usage}\n");
        std::fs::write(self.path("extensions"), extensions).unwrap();
        let mut openssl = self.openssl(&["x509", "-req", "-days", "2", "-CAcreateserial"]);
        openssl.args(["-in", &request, "-extfile", "extensions"]);
        openssl.args([
            "-CA",
            &format!("{authority}.crt"),
            "-CAkey",
            &format!("{authority}.key"),
        ]);
        openssl.args(["-out", &format!("{name}.crt")]);
        said(&mut openssl).await;
    }

    fn openssl(&self, arguments: &[&str]) -> Command {
        let mut openssl = program("CYCLONE_TEST_OPENSSL");
        openssl.args(arguments).current_dir(self.folder.path());
        openssl
    }

    fn identity(&self, name: &str) -> Identity {
        let file = |extension| self.path(name).with_extension(extension);
        Identity::files(file("crt"), file("key"))
    }
}

/// A server with two certificates that asks clients for theirs.
struct Site {
    certificates: Certificates,
    tls: ServerTls,
    server: RunningServer,
}

impl Site {
    async fn start() -> Self {
        let certificates = Certificates::make().await;
        let tls = ServerTls::builder()
            .identity(certificates.identity("server"))
            .identity(certificates.identity("other"))
            .sni(SniPolicy::Known)
            .client_auth(ClientAuth::optional(certificates.path("ca.crt")))
            .reload_interval(Duration::from_millis(20))
            .build()
            .unwrap();
        let endpoint = Endpoint::loopback(0).tls(tls.clone());
        let server = Server::new().listen(endpoint, app()).start().await.unwrap();
        Self {
            certificates,
            tls,
            server,
        }
    }

    fn port(&self) -> u16 {
        let address = self.server.local_addresses()[0].socket_addr();
        address.unwrap().port()
    }

    fn path(&self, name: &str) -> String {
        self.certificates.path(name).display().to_string()
    }
}

fn app() -> Application {
    Application::new().get("/", about).get("/large", large)
}

/// What the server knows of the client and its connection.
async fn about(cx: &mut RequestContext) -> cyclone_web::Result {
    let tls = cx.peer().tls();
    let client = tls.and_then(|tls| tls.peer_certificate());
    let text = format!(
        "{} {:?} client={} name={} resumed={}\n",
        cx.scheme(),
        cx.version(),
        client.map_or("-", |one| one.subject()),
        tls.and_then(|tls| tls.server_name()).unwrap_or("-"),
        tls.is_some_and(cyclone_core::tls::TlsInfo::is_resumed),
    );
    cx.text(text)
}

/// More than fits anywhere at once.
async fn large(cx: &mut RequestContext) -> cyclone_web::Result {
    cx.write("0123456789abcdef".repeat(LARGE_BYTES / 16));
    cx.finish()
}

const LARGE_BYTES: usize = 4 * 1024 * 1024;

fn program(variable: &str) -> Command {
    let program = std::env::var_os(variable);
    Command::new(program.unwrap_or_else(|| panic!("{variable} is not set; run `cargo xtask test`")))
}

/// What came of a program that is given `input`.
async fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end without reading all.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    let running = child.wait_with_output();
    timeout(PATIENCE, running).await.expect("it hangs").unwrap()
}

/// What a program says, when all is well.
async fn said(command: &mut Command) -> String {
    let output = run(command, b"").await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text} {error}");
    text
}
