use std::future::{pending, ready};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::race::{in_turns, race};
use super::{CONNECTION_ATTEMPT_DELAY, ClientEndpoint, MAX_ADDRESSES_TRIED};

#[test]
fn strings_and_builders_agree_both_ways() {
    let table = [
        ("tcp:example.com:80", ClientEndpoint::tcp("example.com", 80)),
        (
            r"tcp:\:\:1:80:bindAddress=\:\:1:nodelay=0:keepalive=60:timeout=0.5",
            ClientEndpoint::tcp("::1", 80)
                .bind_address(Ipv6Addr::LOCALHOST)
                .no_delay(false)
                .keep_alive(Duration::from_secs(60))
                .timeout(Duration::from_millis(500)),
        ),
        (
            "unix:/run/app.sock:timeout=5",
            ClientEndpoint::unix("/run/app.sock").timeout(Duration::from_secs(5)),
        ),
        (r"unix:\@a\:b", ClientEndpoint::unix("@a:b")),
        ("unix:@app", ClientEndpoint::unix_abstract("app")),
    ];
    for (text, endpoint) in table {
        assert_eq!(text.parse::<ClientEndpoint>().unwrap(), endpoint, "{text}");
        assert_eq!(endpoint.to_string(), text);
    }
}

#[test]
fn twisted_keyword_forms_are_read_too() {
    let ours: IpAddr = [192, 0, 2, 1].into();
    let table = [
        (
            "tcp:host=example.com:port=80:timeout=30:bindAddress=192.0.2.1",
            ClientEndpoint::tcp("example.com", 80).bind_address(ours),
        ),
        (
            "tcp:example.com:port=80",
            ClientEndpoint::tcp("example.com", 80),
        ),
        (
            "tcp:port=80:host=example.com",
            ClientEndpoint::tcp("example.com", 80),
        ),
        ("unix:path=/a:timeout=30", ClientEndpoint::unix("/a")),
        ("unix:path=@a", ClientEndpoint::unix_abstract("a")),
    ];
    for (text, endpoint) in table {
        assert_eq!(text.parse::<ClientEndpoint>().unwrap(), endpoint, "{text}");
    }
}

#[test]
fn mistakes_are_named_with_what_may_have_been_meant() {
    let table = [
        ("", "unknown kind ``, expected tcp, tls or unix"),
        ("udp:a:1", "unknown kind `udp`"),
        ("tcp", "the host is missing"),
        ("tcp::80", "the host is missing"),
        ("tcp:example.com", "the port is missing"),
        ("tcp:example.com:65536", "`65536` is no port"),
        ("tcp:example.com:+1", "`+1` is no port"),
        (
            "tcp:::1:80",
            r"the colons in an address need backslashes, as in `\:\:1`",
        ),
        ("tcp:a:1:2", "`2` is out of place"),
        ("tcp:a:1:host=b", "option `host` is given twice"),
        (
            "tcp:a:1:path=/b",
            "option `path` is for unix endpoints only",
        ),
        (
            "tcp:a:1:bindaddress=::1",
            r"the colons in `bindaddress` need backslashes",
        ),
        (
            "tcp:a:1:bindaddress=b",
            "unknown option `bindaddress`, did you mean `bindAddress`?",
        ),
        ("tcp:a:1:bindAddress=b", "`b` is no IP address"),
        (
            "tcp:a:1:timeout=0",
            "`0` is no number of seconds in its range",
        ),
        (
            "tcp:a:1:timeout=3601",
            "`3601` is no number of seconds in its range",
        ),
        (
            "tcp:a:1:keepalive=0",
            "`0` is no number of seconds, 1 to 32767",
        ),
        ("unix:", "the path is missing"),
        ("unix:@", "the name behind `@` is missing"),
        ("unix:/a:/b", "`/b` is out of place"),
        ("unix:/a:path=/b", "option `path` is given twice"),
        (
            "unix:/a:nodelay=0",
            "option `nodelay` is for tcp endpoints only",
        ),
    ];
    for (text, message) in table {
        let error = text.parse::<ClientEndpoint>().unwrap_err();
        assert!(!error.is_unsupported());
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
    #[cfg(not(feature = "tls"))]
    for text in ["tls:example.com:443", "ssl:host=a:port=1"] {
        let error = text.parse::<ClientEndpoint>().unwrap_err();
        assert!(error.is_unsupported());
        assert!(
            error.to_string().contains("needs the feature `tls`"),
            "{error}"
        );
    }
}

fn address(text: &str) -> SocketAddr {
    let ip: IpAddr = text.parse().unwrap();
    SocketAddr::new(ip, 80)
}

/// RFC 8305 section 4.
#[test]
fn families_take_turns_in_the_order_of_the_system() {
    let table = [
        (vec![], vec![]),
        (vec!["1.1.1.1", "1.1.1.2"], vec!["1.1.1.1", "1.1.1.2"]),
        (
            vec!["::1", "::2", "::3", "1.1.1.1", "1.1.1.2"],
            vec!["::1", "1.1.1.1", "::2", "1.1.1.2", "::3"],
        ),
        (
            vec!["1.1.1.1", "::1", "::2", "::3"],
            vec!["1.1.1.1", "::1", "::2", "::3"],
        ),
        (vec!["::1", "::1", "::1"], vec!["::1"]),
    ];
    for (found, expected) in table {
        let turns = in_turns(found.into_iter().map(address));
        let expected: Vec<_> = expected.into_iter().map(address).collect();
        assert_eq!(turns, expected);
    }
}

#[test]
fn addresses_just_under_at_and_over_the_limit() {
    for count in [
        MAX_ADDRESSES_TRIED - 1,
        MAX_ADDRESSES_TRIED,
        MAX_ADDRESSES_TRIED + 1,
    ] {
        let found = (0..count)
            .map(|number| SocketAddr::from(([10, 0, 0, u8::try_from(number).unwrap()], 1)));
        assert_eq!(in_turns(found).len(), count.min(MAX_ADDRESSES_TRIED));
    }
}

/// What an address does when it is connected to.
#[derive(Clone, Copy)]
enum Server {
    Answers(u64),
    Refuses(u64),
    Silent,
}

/// Runs a race between servers; gives the time in milliseconds at which each attempt began, and how it ended.
async fn run(
    servers: &[Server],
    limit: Duration,
) -> (Vec<u64>, u64, Result<u8, Vec<(String, io::ErrorKind)>>) {
    let begun = Instant::now();
    let starts = Mutex::new(Vec::new());
    let millis = || u64::try_from(begun.elapsed().as_millis()).unwrap();
    let addresses =
        (0..servers.len()).map(|number| SocketAddr::from(([10, 0, 0, number as u8], 1)));
    let connect = |address: SocketAddr| {
        starts.lock().unwrap().push(millis());
        let IpAddr::V4(ip) = address.ip() else {
            unreachable!("only IPv4 here");
        };
        let number = ip.octets()[3];
        let server = servers[usize::from(number)];
        async move {
            match server {
                Server::Answers(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Ok(number)
                }
                Server::Refuses(after) => {
                    sleep(Duration::from_millis(after)).await;
                    ready(Err(io::ErrorKind::ConnectionRefused.into())).await
                }
                Server::Silent => pending().await,
            }
        }
    };
    let ended = race(addresses.collect(), begun + limit, connect).await;
    let ended = ended.map_err(|tried| {
        let tried = tried.into_iter();
        tried
            .map(|(address, error)| (address.to_string(), error.kind()))
            .collect()
    });
    let elapsed = millis();
    (starts.into_inner().unwrap(), elapsed, ended)
}

/// RFC 8305 section 5.
#[tokio::test(start_paused = true)]
async fn the_next_address_is_tried_after_a_failure_or_a_moment_of_silence() {
    use Server::{Answers, Refuses, Silent};
    let limit = Duration::from_secs(30);
    assert_eq!(CONNECTION_ATTEMPT_DELAY, Duration::from_millis(250));
    let table: [(&[Server], &[u64], u64, u8); 6] = [
        (&[Answers(100), Answers(0)], &[0], 100, 0),
        (&[Answers(249), Answers(0)], &[0], 249, 0),
        (&[Refuses(10), Answers(20)], &[0, 10], 30, 1),
        (&[Silent, Silent, Answers(5)], &[0, 250, 500], 505, 2),
        // The first goes on beside the second, and may still be the one.
        (&[Answers(300), Answers(100)], &[0, 250], 300, 0),
        // A failure does not wait for the others, and the delay begins anew.
        (
            &[Silent, Refuses(10), Silent, Answers(1)],
            &[0, 250, 260, 510],
            511,
            3,
        ),
    ];
    for (servers, starts, elapsed, winner) in table {
        assert_eq!(
            run(servers, limit).await,
            (starts.to_vec(), elapsed, Ok(winner))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_address_that_was_tried_is_told_with_its_reason() {
    use Server::{Refuses, Silent};
    let (_, elapsed, ended) = run(&[Refuses(5), Refuses(3)], Duration::from_secs(30)).await;
    let refused = |text: &str| (text.to_owned(), io::ErrorKind::ConnectionRefused);
    assert_eq!(
        ended,
        Err(vec![refused("10.0.0.0:1"), refused("10.0.0.1:1")])
    );
    assert_eq!(elapsed, 8);

    let servers = [Silent, Refuses(3), Silent, Silent];
    let (starts, elapsed, ended) = run(&servers, Duration::from_millis(400)).await;
    assert_eq!(
        starts,
        [0, 250, 253],
        "the time is up before the last one's turn"
    );
    assert_eq!(elapsed, 400);
    let silent = |text: &str| (text.to_owned(), io::ErrorKind::TimedOut);
    let tried = [
        refused("10.0.0.1:1"),
        silent("10.0.0.0:1"),
        silent("10.0.0.2:1"),
    ];
    assert_eq!(ended, Err(tried.into()));
}

/// RFC 4007 section 6: a link-local address names nobody without the interface.
#[test]
fn the_scope_of_an_address_is_kept() {
    for (address, host) in [
        ("[fe80::1%2]:80", "fe80::1%2"),
        ("[fe80::1]:80", "fe80::1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("192.0.2.1:80", "192.0.2.1"),
    ] {
        let address: SocketAddr = address.parse().unwrap();
        let endpoint = ClientEndpoint::from(address);
        assert_eq!(endpoint.host(), Some(host));
        let text = endpoint.to_string();
        assert_eq!(text.parse::<ClientEndpoint>().unwrap(), endpoint, "{text}");
    }
}

#[tokio::test]
async fn the_scope_reaches_the_system() {
    let address: SocketAddr = "[fe80::1%2]:80".parse().unwrap();
    let host = ClientEndpoint::from(address).host().unwrap().to_owned();
    let found = tokio::net::lookup_host((host, 80)).await.unwrap();
    assert_eq!(found.collect::<Vec<_>>(), [address]);
}

/// Where nobody listens at a port of this machine that connections take theirs from, one in thousands is with itself
/// (RFC 9293 section 3.5, simultaneous open).
#[tokio::test]
async fn a_connection_with_itself_is_none() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let itself = socket.local_addr().unwrap();
    let stream = socket.connect(itself).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), stream.local_addr().unwrap());
    let tcp = super::Tcp {
        host: "127.0.0.1".to_owned(),
        port: itself.port(),
        bind_address: None,
        no_delay: true,
        keep_alive_seconds: None,
    };
    let error = super::connected(&tcp, stream, itself).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}
