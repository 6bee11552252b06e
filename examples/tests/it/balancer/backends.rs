//! Which backend a client comes to, when some are full, ill or taken away.

use std::collections::BTreeMap;
use std::time::Duration;

use cyclone_core::proxy_protocol::{self, ProxyAddresses};
use cyclone_core::{Endpoint, Health, Server};
use cyclone_examples::balancer::Mode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::{Bench, echo, greet, listen, nowhere};
use crate::tour::PATIENCE;

/// Checks so seldom that they do not matter here.
const NO_CHECKS: &str = "check = { interval_s = 86400 }";

/// Checks that do matter.
const CHECKS: &str = "check = { interval_s = 0.02, rise = 2, fall = 2 }";

async fn spread(bench: &Bench, clients: usize) -> BTreeMap<char, usize> {
    let mut counts = BTreeMap::new();
    let mut kept = Vec::new();
    for _ in 0..clients {
        let (name, client) = bench.name().await;
        *counts.entry(name).or_default() += 1;
        kept.push(client);
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn clients_are_spread_by_turns_and_weights() {
    let (a, b) = (echo('a').await, echo('b').await);
    for scheduler in ["round-robin", "least-connections"] {
        let own = format!("scheduler = \"{scheduler}\"\n{NO_CHECKS}");
        let bench = Bench::start(&own, &[&a, &b], "").await;
        let counts = spread(&bench, 40).await;
        assert_eq!(
            counts,
            BTreeMap::from([('a', 20), ('b', 20)]),
            "{scheduler}"
        );
        let text = format!(
            "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1\"]\ngroup = \"g\"\n[groups.g]\n{own}\n\
             [[groups.g.backends]]\nname = \"a\"\naddress = \"{a}\"\nweight = 3\n\
             [[groups.g.backends]]\nname = \"b\"\naddress = \"{b}\"\n"
        );
        let bench = Bench::of(&text).await;
        let counts = spread(&bench, 40).await;
        assert_eq!(
            counts,
            BTreeMap::from([('a', 30), ('b', 10)]),
            "{scheduler}"
        );
    }
    let own = format!("scheduler = \"random\"\n{NO_CHECKS}");
    let bench = Bench::start(&own, &[&a, &b], "").await;
    let counts = spread(&bench, 200).await;
    // Less than once in 10^9 runs.
    assert!(counts.values().all(|count| *count > 55), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_refuses_is_taken_out_and_no_client_notices() {
    let bench = Bench::start(NO_CHECKS, &[&nowhere().await, &echo('b').await], "").await;
    let counts = spread(&bench, 10).await;
    assert_eq!(counts, BTreeMap::from([('b', 10)]));
    let a = bench.backend("g/a");
    assert!(a.down.unwrap().contains("refused"));
    assert_eq!((a.statistics.failed, a.statistics.falls), (1, 1));
    assert_eq!(bench.backend("g/b").statistics.connections, 10);
}

/// It accepts and resets, as a process does that is killed while the kernel queues for it.
#[tokio::test(start_paused = true)]
async fn one_that_resets_before_it_was_sent_anything_is_replaced() {
    let (listener, a) = listen().await;
    let resets = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    let bench = Bench::start(NO_CHECKS, &[&a, &echo('b').await], "").await;
    let (name, _client) = bench.name().await;
    resets.await.unwrap();
    assert_eq!(name, 'b');
    // It may have noticed before it was connected.
    let did = bench.backend("g/a").statistics;
    assert_eq!(did.moved + did.failed, 1, "{did:?}");
    assert!(bench.backend("g/a").down.is_some());
}

/// Who connects and says nothing must not take the backends away from everybody, one after the other.
#[tokio::test(start_paused = true)]
async fn one_that_resets_a_silent_client_is_not_to_blame() {
    let (listener, a) = listen().await;
    let bench = Bench::start(NO_CHECKS, &[&a, &echo('b').await], "").await;
    let mut silent = bench.connect().await;
    let (stream, _) = listener.accept().await.unwrap();
    // Longer than a connection may take to be made.
    tokio::time::sleep(Duration::from_secs(4)).await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    let ended = timeout(PATIENCE, silent.read(&mut [0])).await.unwrap();
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    let a = bench.backend("g/a");
    assert!(a.down.is_none(), "{a:?}");
    assert_eq!((a.statistics.broken, a.statistics.moved), (1, 0));
}

/// Who connects and goes is answered by a reset in some places, and then means nothing by it.
#[tokio::test(start_paused = true)]
async fn one_that_resets_a_client_that_has_ended_is_not_to_blame() {
    let (listener, a) = listen().await;
    let bench = Bench::start(NO_CHECKS, &[&a, &echo('b').await], "").await;
    let mut client = bench.connect().await;
    client.shutdown().await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    stream.set_zero_linger().unwrap();
    drop(stream);
    let ended = timeout(PATIENCE, client.read(&mut [0])).await.unwrap();
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    let a = bench.backend("g/a");
    assert!(a.down.is_none(), "{a:?}");
    assert_eq!(bench.backend("g/b").statistics.connections, 0);
}

/// It was told who the client is, and may turn just that one away.
#[tokio::test(start_paused = true)]
async fn one_that_was_told_of_the_client_and_resets_is_not_to_blame() {
    let (listener, a) = listen().await;
    let resets = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    let own = format!("proxy = \"v1\"\n{NO_CHECKS}");
    let bench = Bench::start(&own, &[&a, &echo('b').await], "").await;
    let (name, _client) = bench.name().await;
    resets.await.unwrap();
    assert_eq!(name, 'b');
    let a = bench.backend("g/a");
    assert!(a.down.is_none(), "{a:?}");
    assert_eq!(a.statistics.moved, 1);
}

/// A request may have been carried out: it is not sent twice.
#[tokio::test(start_paused = true)]
async fn what_one_was_sent_no_other_is_sent() {
    let (listener, a) = listen().await;
    let bench = Bench::start(NO_CHECKS, &[&a, &echo('b').await], "").await;
    let mut client = bench.connect().await;
    client.write_all(b"pay").await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; 3]).await.unwrap();
    stream.set_zero_linger().unwrap();
    drop(stream);
    // The client sees that it was broken off, not that it ended.
    let ended = timeout(PATIENCE, client.read(&mut [0])).await.unwrap();
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    assert_eq!(bench.backend("g/b").statistics.connections, 0);
    assert_eq!(bench.backend("g/a").statistics.broken, 1);
    assert!(bench.backend("g/a").down.is_none());
}

#[tokio::test(start_paused = true)]
async fn checks_take_out_and_bring_back() {
    let (listener, a) = listen().await;
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(greet(listener, 'a'));
    let bench = Bench::start(CHECKS, &[&a], "").await;
    assert_eq!(bench.name().await.0, 'a');
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    bench.until("g/a", |one| one.down.is_some()).await;
    let services = bench.server.handle().services();
    assert!(
        matches!(services[0].health, Health::Down(_)),
        "{services:?}"
    );
    // A client that comes now waits until it is back.
    let client = tokio::spawn({
        let stream = bench.connect().await;
        async move {
            let mut stream = stream;
            stream.read_u8().await
        }
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    tokio::spawn(greet(socket.listen(100).unwrap(), 'a'));
    let name = timeout(PATIENCE, client).await.unwrap().unwrap().unwrap();
    assert_eq!(char::from(name), 'a');
    let did = bench.backend("g/a").statistics;
    assert!(did.failed_checks >= 1, "{did:?}");
    let services = bench.server.handle().services();
    assert!(services[0].health.is_up(), "{services:?}");
}

#[tokio::test(start_paused = true)]
async fn a_check_may_expect_an_answer() {
    let (listener, a) = listen().await;
    let backend = tokio::spawn(async move {
        for answer in ["500 no", "20", "x200 OK"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(&asked, b"ask\n");
            // In two pieces, so that it has to be put together.
            let (one, other) = answer.split_at(2);
            stream.write_all(one.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(other.as_bytes()).await.unwrap();
        }
    });
    let own =
        "check = { interval_s = 0.02, rise = 1, fall = 2, send = \"ask\\n\", expect = \"200\" }";
    let bench = Bench::start(own, &[&a], "").await;
    bench.until("g/a", |one| one.down.is_some()).await;
    let reason = bench.backend("g/a").down.unwrap();
    assert_eq!(reason, "the answer is not what is expected");
    backend.await.unwrap();
    bench
        .until("g/a", |one| {
            one.down.is_none() || one.statistics.failed_checks > 2
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn backends_are_told_of_the_client() {
    for version in ["v1", "v2"] {
        let (listener, a) = listen().await;
        let own = format!("proxy = \"{version}\"\n{NO_CHECKS}");
        let bench = Bench::start(&own, &[&a], "").await;
        let mut client = bench.connect().await;
        client.write_all(b"hello").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        let (header, length) = loop {
            stream.read_buf(&mut bytes).await.unwrap();
            if let Some(found) = proxy_protocol::parse(&bytes).unwrap() {
                break found;
            }
        };
        let expected = ProxyAddresses::Ip {
            source: client.local_addr().unwrap(),
            destination: bench.address,
        };
        assert_eq!(header.addresses(), &expected);
        while bytes.len() < length + 5 {
            stream.read_buf(&mut bytes).await.unwrap();
        }
        assert_eq!(&bytes[length..], b"hello");
    }
}

/// A server of ours reads what a balancer of ours writes, and the other way round.
#[tokio::test(start_paused = true)]
async fn a_chain_of_balancers_keeps_the_client() {
    let who = cyclone_core::protocol_fn(
        "who",
        |mut connection: cyclone_core::Connection| async move {
            let answer = connection.peer().to_string();
            connection.write_all(answer.as_bytes()).await
        },
    );
    let trusting = |text: &str| text.parse::<Endpoint>().unwrap();
    let backend = Server::new()
        .listen(trusting("tcp:0:interface=127.0.0.1:proxy=v2"), who)
        .start()
        .await
        .unwrap();
    let address = backend.local_addresses()[0].to_string();
    let inner = Bench::of(&format!(
        "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1:proxy=v1\"]\ngroup = \"g\"\n\
         [groups.g]\nproxy = \"v2\"\n{NO_CHECKS}\nbackends = [{{ name = \"a\", address = \"{address}\" }}]\n"
    ))
    .await;
    let own = format!("proxy = \"v1\"\n{NO_CHECKS}");
    let outer = Bench::start(&own, &[&inner.address.to_string()], "").await;
    let mut client = outer.connect().await;
    let mut seen = String::new();
    let read = client.read_to_string(&mut seen);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(seen, client.local_addr().unwrap().to_string());
}

#[tokio::test(start_paused = true)]
async fn the_operator_takes_backends_away_and_gives_them_back() {
    let bench = Bench::start(NO_CHECKS, &[&echo('a').await, &echo('b').await], "").await;
    let (name, mut stays) = bench.name().await;
    assert_eq!(name, 'a');
    bench.balancer.set_mode("g/a", Mode::Draining).unwrap();
    assert_eq!(spread(&bench, 4).await, BTreeMap::from([('b', 4)]));
    stays.write_all(b"x").await.unwrap();
    assert_eq!(stays.read_u8().await.unwrap(), b'x', "it was cut");
    bench.balancer.set_mode("g/a", Mode::Disabled).unwrap();
    let cut = timeout(PATIENCE, stays.read(&mut [0])).await.unwrap();
    assert_eq!(cut.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    bench.until("g/a", |one| one.open == 0).await;
    bench.balancer.set_mode("g/a", Mode::Enabled).unwrap();
    assert_eq!(
        spread(&bench, 4).await,
        BTreeMap::from([('a', 2), ('b', 2)])
    );
    for wrong in ["g", "g/x", "x/a", ""] {
        assert!(bench.balancer.set_mode(wrong, Mode::Enabled).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn groups_are_switched_while_it_runs() {
    let text = format!(
        "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1\"]\ngroup = \"blue\"\n\
         [groups.blue]\n{NO_CHECKS}\nbackends = [{{ name = \"a\", address = \"{}\" }}]\n\
         [groups.green]\n{NO_CHECKS}\nbackends = [{{ name = \"b\", address = \"{}\" }}]\n",
        echo('b').await,
        echo('g').await
    );
    let bench = Bench::of(&text).await;
    let (name, mut stays) = bench.name().await;
    assert_eq!(name, 'b');
    bench.balancer.switch("web", "green").unwrap();
    assert_eq!(bench.name().await.0, 'g');
    stays.write_all(b"x").await.unwrap();
    assert_eq!(stays.read_u8().await.unwrap(), b'x');
    let groups = bench.balancer.groups();
    let serves: Vec<_> = groups.iter().map(|one| one.listeners.join("")).collect();
    assert_eq!(serves, ["", "web"]);
    assert!(bench.balancer.switch("web", "red").is_err());
    assert!(bench.balancer.switch("wet", "blue").is_err());
}

/// A group that stands by and is not there yet is no reason to take the whole balancer out.
#[tokio::test(start_paused = true)]
async fn only_a_group_that_serves_makes_the_balancer_unfit() {
    let checks = "check = { interval_s = 0.02, fall = 1 }";
    let text = format!(
        "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1\"]\ngroup = \"blue\"\n\
         [groups.blue]\n{checks}\nbackends = [{{ name = \"a\", address = \"{}\" }}]\n\
         [groups.green]\n{checks}\nbackends = [{{ name = \"b\", address = \"{}\" }}]\n",
        echo('b').await,
        nowhere().await
    );
    let bench = Bench::of(&text).await;
    bench.until("green/b", |one| one.down.is_some()).await;
    let health = || bench.server.handle().services()[0].health.clone();
    assert!(matches!(health(), Health::Degraded(_)), "{:?}", health());
    bench.balancer.switch("web", "green").unwrap();
    assert!(matches!(health(), Health::Down(_)), "{:?}", health());
}
