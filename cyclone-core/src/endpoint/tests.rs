use std::net::{Ipv4Addr, Ipv6Addr};

use super::{DEFAULT_BACKLOG, Endpoint};

#[test]
fn strings_and_builders_agree_both_ways() {
    let table = [
        ("tcp:8888", Endpoint::tcp(8888)),
        (
            "tcp:8888:interface=127.0.0.1",
            Endpoint::tcp(8888).interface(Ipv4Addr::LOCALHOST),
        ),
        (
            r"tcp:0:interface=\:\:1:backlog=64:reuseport=1",
            Endpoint::tcp(0)
                .interface(Ipv6Addr::LOCALHOST)
                .backlog(64)
                .reuse_port(true),
        ),
        ("unix:/run/app.sock", Endpoint::unix("/run/app.sock")),
        (
            r"unix:/run/a\:b\=c.sock:mode=600",
            Endpoint::unix("/run/a:b=c.sock").mode(0o600),
        ),
    ];
    for (text, endpoint) in table {
        assert_eq!(text.parse::<Endpoint>().unwrap(), endpoint, "{text}");
        assert_eq!(endpoint.to_string(), text);
    }
}

#[test]
fn twisted_keyword_forms_are_read_too() {
    assert_eq!(
        "tcp:port=80:interface=0.0.0.0".parse::<Endpoint>().unwrap(),
        Endpoint::tcp(80)
    );
    assert_eq!(
        "unix:address=/a:mode=0660:proxy=off"
            .parse::<Endpoint>()
            .unwrap(),
        Endpoint::unix("/a")
    );
    let backlog = format!("tcp:1:backlog={DEFAULT_BACKLOG}");
    assert_eq!(backlog.parse::<Endpoint>().unwrap(), Endpoint::tcp(1));
}

#[test]
fn mistakes_are_named() {
    let table = [
        ("", "unknown kind ``"),
        ("udp:1", "unknown kind `udp`"),
        ("tcp", "the port is missing"),
        ("tcp:+80", "`+80` is no port"),
        ("tcp:65536", "`65536` is no port"),
        ("tcp:1:interface=localhost", "`localhost` is no IP address"),
        ("tcp:1:2", "unknown option `2`"),
        ("tcp:1:mode=660", "unknown option `mode`"),
        (
            "tcp:1:backlog=1:backlog=2",
            "option `backlog` is given twice",
        ),
        ("tcp:1:reuseport=maybe", "`maybe` is no yes or no"),
        ("unix:", "the path is missing"),
        ("unix:/a:mode=888", "`888` is no octal mode"),
        ("unix:/a:mode=1777", "`1777` is no octal mode"),
    ];
    for (text, message) in table {
        let error = text.parse::<Endpoint>().unwrap_err();
        assert!(!error.is_unsupported());
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
}

#[test]
fn what_is_not_there_yet_says_so() {
    for text in [
        "tls:443:cert=a:key=b",
        "systemd:0",
        "fd:3",
        "tcp:1:proxy=v2",
    ] {
        let error = text.parse::<Endpoint>().unwrap_err();
        assert!(error.is_unsupported(), "{error}");
    }
}
