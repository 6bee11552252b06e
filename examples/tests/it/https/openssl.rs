//! OpenSSL's client: names, versions, resumption, the end of a connection.

use tokio::process::Command;

use super::{Site, run};

impl Site {
    fn s_client(&self, arguments: &[&str]) -> Command {
        let address = format!("127.0.0.1:{}", self.port());
        let mut openssl = self
            .certificates
            .openssl(&["s_client", "-connect", &address]);
        openssl.args(["-CAfile", "ca.crt"]).args(arguments);
        openssl
    }
}

/// What it says, with its errors, after it sent a request; and whether it is content.
async fn speak(mut openssl: Command, request: &str) -> (String, bool) {
    let output = run(&mut openssl, request.as_bytes()).await;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (text, output.status.success())
}

#[tokio::test]
async fn openssl_is_shown_the_certificate_of_the_name() {
    let site = Site::start().await;
    for (name, subject) in [
        ("example.org", "CN = server"),
        ("a.example.org", "CN = server"),
        ("example.com", "CN = other"),
    ] {
        let (text, content) = speak(site.s_client(&["-servername", name, "-brief"]), "").await;
        assert!(content && text.contains(subject), "{text}");
        assert!(text.contains("Verification: OK"), "{text}");
    }
    let (text, content) = speak(site.s_client(&["-noservername", "-brief"]), "").await;
    assert!(
        content && text.contains("CN = server"),
        "the default: {text}"
    );
    // RFC 6066, section 3.
    let (text, content) = speak(site.s_client(&["-servername", "a.b.example.org"]), "").await;
    assert!(!content && text.contains("alert number 112"), "{text}");
}

#[tokio::test]
async fn openssl_agrees_on_version_and_protocol() {
    let site = Site::start().await;
    let named = ["-servername", "example.org"];
    for (arguments, parts) in [
        (
            &["-tls1_3", "-alpn", "h2,http/1.1"][..],
            ["TLSv1.3", "ALPN protocol: h2"],
        ),
        (
            &["-tls1_2", "-alpn", "http/1.1"][..],
            ["TLSv1.2", "ALPN protocol: http/1.1"],
        ),
        (&["-tls1_3"][..], ["TLSv1.3", "No ALPN negotiated"]),
        (
            &["-tls1_3", "-groups", "P-384"][..],
            ["secp384r1", "TLSv1.3"],
        ),
    ] {
        let mut openssl = site.s_client(&named);
        openssl.args(arguments);
        let (text, content) = speak(openssl, "").await;
        assert!(
            content && parts.iter().all(|part| text.contains(part)),
            "{text}"
        );
    }
    for refused in [&["-tls1_1"][..], &["-alpn", "spdy/3"][..]] {
        let mut openssl = site.s_client(&named);
        // Its own policy must not be what refuses.
        openssl
            .args(refused)
            .args(["-cipher", "DEFAULT:@SECLEVEL=0"]);
        let (text, content) = speak(openssl, "").await;
        assert!(!content && text.contains("alert"), "{refused:?}: {text}");
    }
}

#[tokio::test]
async fn openssl_goes_on_with_its_session() {
    let site = Site::start().await;
    for version in ["-tls1_2", "-tls1_3"] {
        let request = "GET / HTTP/1.0\r\n\r\n";
        let common = ["-servername", "example.org", version, "-ign_eof"];
        let mut first = site.s_client(&common);
        first.args(["-sess_out", "session.pem"]);
        let (text, _) = speak(first, request).await;
        assert!(text.contains("resumed=false"), "{version}: {text}");
        let mut second = site.s_client(&common);
        second.args(["-sess_in", "session.pem"]);
        let (text, _) = speak(second, request).await;
        assert!(text.contains("Reused, TLSv1."), "{version}: {text}");
        assert!(text.contains("resumed=true"), "{version}: {text}");
        // The same session under another name is none (RFC 6066, section 3).
        let mut third = site.s_client(&["-servername", "example.com", version, "-ign_eof"]);
        third.args(["-sess_in", "session.pem"]);
        let (text, _) = speak(third, request).await;
        assert!(text.contains("resumed=false"), "{version}: {text}");
    }
}

/// OpenSSL 3 complains of an end without `close_notify`.
#[tokio::test]
async fn openssl_sees_the_end_announced() {
    let site = Site::start().await;
    for version in ["-tls1_2", "-tls1_3"] {
        let openssl = site.s_client(&["-servername", "example.org", version, "-quiet", "-ign_eof"]);
        let (text, content) = speak(openssl, "GET / HTTP/1.0\r\n\r\n").await;
        assert!(content && text.contains("https HTTP/1.0"), "{text}");
        assert!(!text.contains("unexpected eof"), "{text}");
    }
}
