use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{DEFAULT_BACKLOG, Endpoint, ProxyProtocol, Untrusted};
use crate::network::Network;
use crate::peer::Address;

#[test]
fn strings_and_builders_agree_both_ways() {
    let net: Network = "10.0.0.0/8".parse().unwrap();
    let table = [
        ("tcp:8888", Endpoint::tcp(8888)),
        (
            "tcp:8888:interface=127.0.0.1",
            Endpoint::tcp(8888).interface(Ipv4Addr::LOCALHOST),
        ),
        (
            r"tcp:0:interface=\:\:1:reuseport=1:backlog=64",
            Endpoint::tcp(0)
                .interface(Ipv6Addr::LOCALHOST)
                .backlog(64)
                .reuse_port(true),
        ),
        (
            r"tcp:80:interface=\:\::v6only=1:nodelay=0:keepalive=60",
            Endpoint::tcp6(80)
                .no_delay(false)
                .keep_alive(Duration::from_secs(60)),
        ),
        ("unix:/run/app.sock", Endpoint::unix("/run/app.sock")),
        (
            r"unix:/run/a\:b\=c.sock:mode=600:owner=app:group=33",
            Endpoint::unix("/run/a:b=c.sock")
                .mode(0o600)
                .owner("app")
                .group("33"),
        ),
        (r"unix:\@file", Endpoint::unix("@file")),
        ("unix:@app", Endpoint::unix_abstract("app")),
        (r"unix:@a\:@\\", Endpoint::unix_abstract(r"a:@\")),
        ("systemd:2", Endpoint::systemd_index(2)),
        ("systemd:web", Endpoint::systemd("web")),
        ("systemd:name=2", Endpoint::systemd("2")),
        (
            "systemd:0:backlog=1024",
            Endpoint::systemd_index(0).backlog(1024),
        ),
        ("fd:3:nodelay=0", Endpoint::fd(3).no_delay(false)),
        (
            "tcp:1:proxy=v1",
            Endpoint::tcp(1).proxy(ProxyProtocol::v1()),
        ),
        (
            "tcp:1:proxy=v2:trust=10.0.0.0/8:opening=0.25",
            Endpoint::tcp(1)
                .proxy(ProxyProtocol::v2().trust([net]))
                .opening_timeout(Duration::from_millis(250)),
        ),
        (
            r"fd:3:proxy=any:trust=10.0.0.0/8,\:\:1,unix:untrusted=direct",
            Endpoint::fd(3).proxy(
                ProxyProtocol::any()
                    .trust([net, Network::LOOPBACK_V6])
                    .trust_unix(true)
                    .untrusted(Untrusted::Direct),
            ),
        ),
        (
            "tcp:1:proxy=any:trust=",
            Endpoint::tcp(1).proxy(ProxyProtocol::any().trust([])),
        ),
    ];
    for (text, endpoint) in table {
        assert_eq!(text.parse::<Endpoint>().unwrap(), endpoint, "{text}");
        assert_eq!(endpoint.to_string(), text);
    }
}

#[test]
fn twisted_keyword_forms_are_read_too() {
    let table = [
        ("tcp:port=80:interface=0.0.0.0", Endpoint::tcp(80)),
        ("tcp6:port=80", Endpoint::tcp6(80)),
        ("unix:address=/a:mode=0660:proxy=off", Endpoint::unix("/a")),
        ("systemd:domain=INET:index=0", Endpoint::systemd_index(0)),
        ("systemd:domain=UNIX:name=web", Endpoint::systemd("web")),
        ("systemd:INET:index=0", Endpoint::systemd_index(0)),
        (
            "haproxy:tcp:80",
            Endpoint::tcp(80).proxy(ProxyProtocol::any()),
        ),
        (
            "tcp:80:proxy=v2:trust=loopback,unix:untrusted=refuse",
            Endpoint::tcp(80).proxy(ProxyProtocol::v2()),
        ),
        (
            r"tcp6:80:v6only=0",
            Endpoint::tcp(80).interface(Ipv6Addr::UNSPECIFIED),
        ),
    ];
    for (text, endpoint) in table {
        assert_eq!(text.parse::<Endpoint>().unwrap(), endpoint, "{text}");
    }
    let backlog = format!("tcp:1:backlog={DEFAULT_BACKLOG}");
    assert_eq!(backlog.parse::<Endpoint>().unwrap(), Endpoint::tcp(1));
}

#[test]
fn options_that_mean_nothing_change_nothing() {
    let unix = Endpoint::unix("/a").no_delay(false).reuse_port(true);
    assert_eq!(
        unix.keep_alive(Duration::from_secs(1)),
        Endpoint::unix("/a")
    );
    let tcp = Endpoint::tcp(1).mode(0o600).owner("app").group("app");
    assert_eq!(tcp, Endpoint::tcp(1));
}

#[test]
fn times_are_within_their_bounds() {
    let table = [
        (Duration::ZERO, "tcp:1:keepalive=1:opening=0.001"),
        (Duration::from_millis(2500), "tcp:1:keepalive=2:opening=2.5"),
        (Duration::MAX, "tcp:1:keepalive=32767:opening=3600"),
    ];
    for (time, text) in table {
        let endpoint = Endpoint::tcp(1).keep_alive(time).opening_timeout(time);
        assert_eq!(endpoint.to_string(), text);
        assert_eq!(text.parse::<Endpoint>().unwrap(), endpoint);
    }
}

#[test]
fn mistakes_are_named_with_what_may_have_been_meant() {
    let table = [
        (
            "",
            "unknown kind ``, expected tcp, tcp6, tls, unix, systemd or fd",
        ),
        ("udp:1", "unknown kind `udp`"),
        ("tcp", "the port is missing"),
        ("tcp:+80", "`+80` is no port"),
        ("tcp:65536", "`65536` is no port"),
        ("tcp:1:interface=localhost", "`localhost` is no IP address"),
        (
            "tcp:1:interface=::1",
            r"the colons in `interface` need backslashes, as in `\:\:1`",
        ),
        (
            "tcp:1:2",
            "`2` is out of place, options are written `name=value`",
        ),
        (
            "tcp:1:mode=660",
            "option `mode` is for unix endpoints with a path only",
        ),
        (
            "unix:@a:owner=root",
            "option `owner` is for unix endpoints with a path only",
        ),
        (
            "unix:/a:reuseport=1",
            "option `reuseport` is for tcp endpoints only",
        ),
        (
            "unix:/a:keepalive=1",
            "option `keepalive` is for endpoints that may be tcp only",
        ),
        (
            "tcp:1:bakclog=1",
            "unknown option `bakclog`, did you mean `backlog`?",
        ),
        (
            "tcp:1:reuse_port=1",
            "unknown option `reuse_port`, did you mean `reuseport`?",
        ),
        ("tcp:1:color=red", "unknown option `color`"),
        (
            "tcp:1:backlog=1:backlog=2",
            "option `backlog` is given twice",
        ),
        ("tcp:1:reuseport=maybe", "`maybe` is no yes or no"),
        (
            "tcp:1:keepalive=0",
            "`0` is no number of seconds, 1 to 32767",
        ),
        ("tcp:1:keepalive=32768", "`32768` is no number of seconds"),
        ("tcp:1:keepalive=1.5", "`1.5` is no number of seconds"),
        (
            "tcp:1:opening=0",
            "`0` is no number of seconds in its range",
        ),
        ("tcp:1:opening=3600.1", "`3600.1` is no number of seconds"),
        ("tcp:1:opening=1e3", "`1e3` is no number of seconds"),
        ("unix:", "the path is missing"),
        ("unix:@", "the name behind `@` is missing"),
        ("unix:/a:mode=888", "`888` is no octal mode"),
        ("unix:/a:mode=1777", "`1777` is no octal mode"),
        ("unix:/a:owner=", "the owner is missing"),
        ("systemd", "the index or the name of the socket is missing"),
        ("systemd:index=-1", "`-1` is no index"),
        (
            "tcp:1:v6only=1",
            r"option `v6only` needs `interface=\:\:` too",
        ),
        (
            "tcp:1:v6only=1:interface=127.0.0.1",
            "option `v6only` needs `interface=",
        ),
        (
            "tcp6:1:interface=127.0.0.1",
            "`127.0.0.1` is no IPv6 address",
        ),
        ("systemd:web:index=1", "`web` is out of place"),
        ("systemd:0:name=web", "`0` is out of place"),
        (
            "systemd:domain=X25:index=0",
            "`X25` is no domain: INET, INET6 or UNIX",
        ),
        ("fd", "`` is no number of a descriptor"),
        ("fd:-1", "`-1` is no number of a descriptor"),
        (
            "tcp:1:proxy=v3",
            "`v3` is no version of the PROXY protocol: v1, v2, any or off",
        ),
        (
            "tcp:1:trust=10.0.0.0/8",
            "option `trust` needs `proxy=v1|v2|any` too",
        ),
        (
            "tcp:1:proxy=off:untrusted=direct",
            "option `untrusted` needs `proxy=v1|v2|any`",
        ),
        (
            "tcp:1:proxy=v1:trust=10.0.0.1/8",
            "`10.0.0.1/8` is no network, as 10.0.0.0/8",
        ),
        (
            "tcp:1:proxy=v1:trust=::1",
            r"the colons in `trust` need backslashes",
        ),
        (
            "tcp:1:proxy=v1:untrusted=pass",
            "`pass` is no fate of untrusted peers",
        ),
    ];
    for (text, message) in table {
        let error = text.parse::<Endpoint>().unwrap_err();
        assert!(!error.is_unsupported());
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert!(error.to_string().contains(&format!("endpoint `{text}`")));
    }
    let nonsense = format!("tcp:1:{}=1", "backlog".repeat(10_000));
    assert!(nonsense.parse::<Endpoint>().is_err());
}

#[cfg(not(feature = "tls"))]
#[test]
fn what_is_not_built_in_says_so() {
    for text in ["tls:443:cert=a:key=b", "ssl:443", "unix:/a:cert=b"] {
        let error = text.parse::<Endpoint>().unwrap_err();
        assert!(error.is_unsupported(), "{error}");
        assert!(
            error.to_string().contains("needs the feature `tls`"),
            "{error}"
        );
    }
}

#[test]
fn proxies_are_trusted_on_this_machine_unless_told_otherwise() {
    let tcp = |text: &str| Address::Tcp(format!("{text}:1").parse().unwrap());
    let unix = [Address::Unix(None), Address::Abstract(b"a".to_vec())];
    let proxy = ProxyProtocol::any();
    for trusted in [
        tcp("127.0.0.1"),
        tcp("127.255.0.9"),
        tcp("[::1]"),
        tcp("[::ffff:127.0.0.1]"),
    ] {
        assert!(proxy.trusts(&trusted), "{trusted}");
    }
    for foreign in [
        tcp("10.0.0.1"),
        tcp("[::2]"),
        tcp("0.0.0.0"),
        Address::Memory,
    ] {
        assert!(!proxy.trusts(&foreign), "{foreign}");
    }
    assert!(unix.iter().all(|address| proxy.trusts(address)));
    let far = ProxyProtocol::any().trust(["10.0.0.0/8".parse().unwrap()]);
    assert!(far.trusts(&tcp("10.0.0.1")));
    assert!(!far.trusts(&tcp("127.0.0.1")));
    assert!(!unix.iter().any(|address| far.trusts(address)));
}
