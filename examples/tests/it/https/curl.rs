//! curl: versions of HTTP and TLS, names, certificates of clients.

use tokio::process::Command;

use super::{LARGE_BYTES, Site, program, run, said};

impl Site {
    /// curl, to whom all names are this server.
    fn curl(&self, name: &str, path: &str) -> Command {
        let mut curl = program("CYCLONE_TEST_CURL");
        let port = self.port();
        curl.args(["--silent", "--show-error", "--noproxy", "*"])
            .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
            .args(["--cacert", &self.path("ca.crt")])
            .arg(format!("https://{name}:{port}{path}"));
        curl
    }
}

#[tokio::test]
async fn curl_speaks_every_version() {
    let site = Site::start().await;
    for (options, seen) in [
        (&["--http2"][..], "https HTTP/2.0"),
        (&["--http1.1"][..], "https HTTP/1.1"),
        (&["--http1.0"][..], "https HTTP/1.0"),
        (&["--no-alpn"][..], "https HTTP/1.1"),
        (&["--tls-max", "1.2", "--http2"][..], "https HTTP/2.0"),
        (&["--tlsv1.3", "--http1.1"][..], "https HTTP/1.1"),
    ] {
        let text = said(site.curl("example.org", "/").args(options)).await;
        let expected = format!("{seen} client=- name=example.org resumed=false\n");
        assert_eq!(text, expected, "{options:?}");
    }
    for version in ["--http2", "--http1.1"] {
        let mut curl = site.curl("example.org", "/large");
        let text = said(curl.arg(version)).await;
        assert_eq!(text.len(), LARGE_BYTES, "{version}");
        assert!(text.ends_with("0123456789abcdef"));
    }
}

#[tokio::test]
async fn curl_gets_the_certificate_of_the_name() {
    let site = Site::start().await;
    for name in ["example.org", "www.example.org", "example.com"] {
        let text = said(&mut site.curl(name, "/")).await;
        assert!(text.contains(&format!("name={name} ")), "{text}");
    }
    // An address is no name.
    let text = said(&mut site.curl("127.0.0.1", "/")).await;
    assert!(text.contains("name=- "), "{text}");
    // CURLE_SSL_CONNECT_ERROR.
    let output = run(&mut site.curl("unknown.example", "/"), b"").await;
    assert_eq!(output.status.code(), Some(35));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("unrecognized name"), "{error}");
}

#[tokio::test]
async fn curl_shows_its_certificate() {
    let site = Site::start().await;
    site.certificates.authority("strangers").await;
    let certificates = &site.certificates;
    certificates
        .issue("mallory", "strangers", "clientAuth", "DNS:mallory")
        .await;
    let with = |name: &str| {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        let mut curl = site.curl("example.org", "/");
        curl.args(["--cert", &site.path(&certificate)]);
        curl.args(["--key", &site.path(&key)]);
        curl
    };
    for version in ["1.2", "1.3"] {
        let text = said(with("alice").args(["--tls-max", version])).await;
        assert!(text.contains("client=CN=alice,O=cyclone "), "{text}");
        let output = run(with("mallory").args(["--tls-max", version]), b"").await;
        assert!(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("alert"), "{error}");
    }
}

#[tokio::test]
async fn curl_without_tls_is_refused() {
    let site = Site::start().await;
    let mut curl = program("CYCLONE_TEST_CURL");
    curl.args(["--silent", "--show-error", "--noproxy", "*"]);
    curl.arg(format!("http://127.0.0.1:{}/", site.port()));
    let output = run(&mut curl, b"").await;
    // CURLE_UNSUPPORTED_PROTOCOL: what comes is no HTTP, but an alert. And no reset, which were 56.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
