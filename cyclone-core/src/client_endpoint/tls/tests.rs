use crate::client_endpoint::ClientEndpoint;
use crate::tls::TlsErrorKind;

#[test]
fn strings_are_read_and_written_alike() {
    for text in [
        "tls:example.com:443",
        r"tls:\:\:1:443:bindAddress=\:\:1:nodelay=0:name=example.com:roots=ca.pem",
        "tls:example.com:443:cert=a.crt:key=a.key:alpn=h2,http/1.1:versions=1.3:timeout=5",
        "unix:/run/app.sock:name=example.com:roots=ca.pem",
    ] {
        let endpoint: ClientEndpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), text);
        assert_eq!(text.parse::<ClientEndpoint>().unwrap(), endpoint);
        assert!(endpoint.is_tls());
    }
}

/// twisted.internet.endpoints, `_parseClientTLS` and `_parseClientSSL`.
#[test]
fn twisted_names_mean_the_same() {
    for (theirs, ours) in [
        (
            "tls:host=example.com:port=443:certificate=a.crt:privateKey=a.key:trustRoots=ca.pem",
            "tls:example.com:443:roots=ca.pem:cert=a.crt:key=a.key",
        ),
        (
            "ssl:example.com:443:certKey=a.crt:privateKey=a.key",
            "tls:example.com:443:cert=a.crt:key=a.key",
        ),
    ] {
        let endpoint: ClientEndpoint = theirs.parse().unwrap();
        assert_eq!(endpoint.to_string(), ours);
    }
}

#[test]
fn errors_name_the_part_and_the_fix() {
    for (text, part) in [
        ("tls:example.com", "the port is missing"),
        (
            "tls:example.com:443:roots=",
            "the file of authorities is missing",
        ),
        (
            "tls:example.com:443:versions=1.0",
            "`1.0` is no version of TLS: 1.2 or 1.3",
        ),
        (
            "tls:example.com:443:root=a",
            "unknown option `root`, did you mean `roots`?",
        ),
        (
            "tcp:example.com:443:roots=a",
            "option `roots` is for tls endpoints only",
        ),
        (
            "unix:/a:roots=ca.pem",
            "the name of the server (`name=`) is missing",
        ),
    ] {
        let error = text.parse::<ClientEndpoint>().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn unreadable_file_is_an_error_of_connecting() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint: ClientEndpoint = format!("tls:127.0.0.1:{port}:roots=/nowhere/ca.pem")
        .parse()
        .unwrap();
    let error = endpoint.connect().await.unwrap_err();
    assert_eq!(error.tls_error().unwrap().kind(), TlsErrorKind::File);
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
