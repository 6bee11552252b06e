use crate::endpoint::Endpoint;
use crate::tls::TlsErrorKind;

#[test]
fn strings_are_read_and_written_alike() {
    for text in [
        "tls:8443:cert=server.crt:key=server.key",
        "tls:8443:cert=server.pem",
        r"tls:0:interface=\:\:1:backlog=64:cert=a.pem",
        "tls:8443:cert=a.crt:key=a.key:chain=chain.pem:certs=/etc/certs:sni=known",
        "tls:8443:certs=/etc/certs:sni=required",
        "tls:8443:cert=a.pem:ca=ca.pem:client=optional:crl=ca.crl",
        "tls:8443:cert=a.pem:ca=ca.pem",
        "tls:8443:cert=a.pem:versions=1.3:alpn=h2,http/1.1:handshake=2.5",
        "tls:8443:selfsigned=localhost,127.0.0.1",
        "tls:8443:selfsigned=localhost:cert=dev.pem",
        r"tls:8443:proxy=v2:cert=C\:\\a\=b.pem:opening=20",
        "unix:/run/app.sock:mode=600:cert=a.pem",
        "systemd:web:cert=a.pem:key=a.key",
        "fd:3:cert=a.pem",
    ] {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), text);
        assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint);
        assert!(endpoint.tls.is_some());
        // The socket is the same with TLS or without.
        assert!(!endpoint.socket_name().contains("cert"), "{text}");
        assert!(!endpoint.socket_name().contains("tls"), "{text}");
    }
}

#[test]
fn order_of_the_options_is_ours() {
    let endpoint: Endpoint = "tls:port=1:sni=any:key=k:interface=127.0.0.1:cert=c"
        .parse()
        .unwrap();
    assert_eq!(
        endpoint.to_string(),
        "tls:1:interface=127.0.0.1:cert=c:key=k:sni=any"
    );
    assert_eq!(endpoint.socket_name(), "tcp:1:interface=127.0.0.1");
}

/// twisted.internet.endpoints, `_parseSSL`, and its defaults.
#[test]
fn twisted_names_mean_the_same() {
    for (theirs, ours) in [
        ("ssl:443", "tls:443:cert=server.pem"),
        ("ssl:443:privateKey=key.pem", "tls:443:cert=key.pem"),
        (
            "ssl:443:privateKey=k.pem:certKey=c.pem",
            "tls:443:cert=c.pem:key=k.pem",
        ),
        (
            "ssl:port=443:privateKey=k.pem:certKey=c.pem:extraCertChain=x.pem:backlog=50:interface=::1",
            "",
        ),
        (
            r"ssl:port=443:privateKey=k.pem:certKey=c.pem:extraCertChain=x.pem:backlog=50:interface=\:\:1",
            r"tls:443:interface=\:\:1:backlog=50:cert=c.pem:key=k.pem:chain=x.pem",
        ),
        ("ssl:443:sslmethod=SSLv23_METHOD", "tls:443:cert=server.pem"),
        (
            "ssl:443:sslmethod=TLSv1_2_METHOD",
            "tls:443:cert=server.pem:versions=1.2",
        ),
        (
            "ssl:443:cert=a.pem:key=b.pem",
            "tls:443:cert=a.pem:key=b.pem",
        ),
        ("haproxy:ssl:443", "tls:443:proxy=any:cert=server.pem"),
    ] {
        match theirs.parse::<Endpoint>() {
            Ok(endpoint) => assert_eq!(endpoint.to_string(), ours, "{theirs}"),
            Err(error) => assert_eq!(ours, "", "{error}"),
        }
    }
}

#[test]
fn errors_name_the_part_and_the_fix() {
    for (text, part) in [
        ("tls:8443", "the certificate, `cert=`, is missing"),
        ("tls:8443:key=a.key", "the certificate, `cert=`, is missing"),
        ("unix:/a:sni=known", "the certificate, `cert=`, is missing"),
        ("tls:cert=a.pem", "the port is missing"),
        ("tls:https:cert=a.pem", "`https` is no port"),
        ("tls:8443:cert=", "the file of the certificate is missing"),
        ("tls:8443:cert=a:key=", "the file of the key is missing"),
        (
            "tls:8443:cert=a:sni=maybe",
            "`maybe` is no policy for names: any, known or required",
        ),
        (
            "tls:8443:cert=a:versions=1.1",
            "`1.1` is no version of TLS: 1.2 or 1.3",
        ),
        (
            "tls:8443:cert=a:client=optional",
            "option `client` needs `ca` too",
        ),
        ("tls:8443:cert=a:crl=b", "option `crl` needs `ca` too"),
        (
            "tls:8443:cert=a:ca=b:client=maybe",
            "`maybe` is no demand on clients",
        ),
        ("tls:8443:cert=a:handshake=0", "`0` is no number of seconds"),
        (
            "tls:8443:cert=a:handshake=3601",
            "`3601` is no number of seconds",
        ),
        ("tls:8443:cert=a:cert=b", "option `cert` is given twice"),
        (
            "tls:8443:cert=a:kee=b",
            "unknown option `kee`, did you mean `key`?",
        ),
        ("tls:8443:selfsigned=a:key=b", "option `key` is pointless"),
        (
            "tls:8443:cert=a:mode=600",
            "option `mode` is for unix endpoints with a path only",
        ),
        ("tcp:8443:cert=a", "option `cert` is for tls endpoints only"),
        (
            "ssl:443:sslmethod=SSLv3_METHOD",
            "`SSLv3_METHOD` is no method that is safe",
        ),
        (
            "ssl:443:dhParameters=dh.pem",
            "option `dhParameters` is pointless",
        ),
    ] {
        let error = text.parse::<Endpoint>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("endpoint `{text}`: ")),
            "{error}"
        );
        assert!(error.contains(part), "{error}");
    }
    assert!("tls:8443:cert=a:handshake=3600".parse::<Endpoint>().is_ok());
}

#[cfg(feature = "acme")]
#[test]
fn authority_can_be_asked() {
    for text in [
        "tls:443:acme=example.org,www.example.org:cache=/var/lib/acme:contact=me@example.org",
        r"tls:443:acme=example.org:cache=/a:directory=https\://10.0.0.1/dir:sni=known",
        "tls:443:acme=example.org:cache=/a:directory=staging",
        "tls:443:cert=a.pem:certs=/certs:acme=example.org:cache=/a",
    ] {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), text);
    }
    for (text, part) in [
        (
            "tls:443:acme=example.org",
            "option `acme` needs `cache` too",
        ),
        (
            "tls:443:cert=a:contact=b",
            "option `contact` needs `acme` too",
        ),
        (
            "tls:443:acme=a:cache=",
            "the folder of the authority's certificates is missing",
        ),
    ] {
        let error = text.parse::<Endpoint>().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("acme");
    let text = format!("tls:443:acme=*.example.org:cache={}", cache.display());
    let error = text.parse::<Endpoint>().unwrap().load_tls().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot have a certificate by ACME"),
        "{error}"
    );
}

#[cfg(not(feature = "acme"))]
#[test]
fn authority_needs_its_feature() {
    let error = "tls:443:acme=a.example:cache=/a"
        .parse::<Endpoint>()
        .unwrap_err();
    assert!(
        error.to_string().contains("needs the feature `acme`"),
        "{error}"
    );
}

#[cfg(all(feature = "self-signed", feature = "ring"))]
#[test]
fn loaded_endpoint_shares_its_certificates() {
    let endpoint: Endpoint = "tls:0:interface=127.0.0.1:selfsigned=localhost"
        .parse()
        .unwrap();
    let loaded = endpoint.clone().load_tls().unwrap();
    assert_eq!(loaded.to_string(), endpoint.to_string());
    let (one, two) = (loaded.clone().tls.unwrap(), loaded.tls.unwrap());
    assert_eq!(one.load().unwrap(), two.load().unwrap());
    let unread = endpoint.tls.unwrap();
    assert_ne!(unread.load().unwrap(), unread.load().unwrap());
    let plain = Endpoint::loopback(1);
    assert_eq!(plain.clone().load_tls().unwrap(), plain);
}

#[test]
fn absent_file_is_found_when_it_is_loaded() {
    let endpoint: Endpoint = "tls:0:cert=/nowhere/a.pem".parse().unwrap();
    let error = endpoint.load_tls().unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::File);
}
