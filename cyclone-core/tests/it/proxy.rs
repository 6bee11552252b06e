//! Endpoints that expect a PROXY header.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use cyclone_core::proxy_protocol::{MAX_V1_BYTES, MAX_V2_BYTES, ProxyHeader, Tlv};
use cyclone_core::{
    Connection, DEFAULT_OPENING_TIMEOUT, Endpoint, ProtocolFactory, ProxyProtocol, RunningServer,
    Server, Untrusted, protocol_fn,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::support::{rest, tcp_address, within};

mod foreign;

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n";

fn header() -> ProxyHeader {
    ProxyHeader::forwarding(
        "192.0.2.7:51000".parse().unwrap(),
        "198.51.100.1:443".parse().unwrap(),
    )
}

/// Says who the peer is in its view, then gives back every byte.
fn mirror() -> impl ProtocolFactory {
    protocol_fn("mirror", |mut connection: Connection| async move {
        let peer = connection.peer().clone();
        let proxy = peer.proxy().map(ToString::to_string).unwrap_or_default();
        let authority = peer.proxy_header().and_then(ProxyHeader::authority);
        let text = format!(
            "{} > {} via {} for {}\n",
            peer,
            peer.local(),
            // The port is the client's own.
            proxy.split(':').next().unwrap_or_default(),
            authority.unwrap_or("nobody"),
        );
        connection.write_all(text.as_bytes()).await?;
        let (mut reader, mut writer) = tokio::io::split(connection);
        tokio::io::copy(&mut reader, &mut writer).await.map(drop)
    })
}

async fn serve(proxy: ProxyProtocol) -> RunningServer {
    let server = Server::new().listen(Endpoint::loopback(0).proxy(proxy), mirror());
    server.start().await.unwrap()
}

async fn connect(server: &RunningServer) -> TcpStream {
    TcpStream::connect(tcp_address(server, 0)).await.unwrap()
}

const CLAIMED: &str = "192.0.2.7:51000 > 198.51.100.1:443 via 127.0.0.1 for nobody\n";

/// Sends, ends the stream and reads what the server says.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    // A server that refuses may be faster.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    within(rest(&mut stream)).await
}

#[tokio::test]
async fn the_peer_is_whom_the_header_names_and_what_follows_is_the_protocols() {
    let server = serve(ProxyProtocol::any()).await;
    let with_name = header().with_tlv(Tlv::AUTHORITY, b"example.com").unwrap();
    let with_name = with_name.encode_v2_with_checksum();
    for (header, claimed) in [
        (V1.to_vec(), CLAIMED.to_owned()),
        (header().encode_v2(), CLAIMED.to_owned()),
        (with_name, CLAIMED.replace("nobody", "example.com")),
    ] {
        for after in ["", "hello", "PROXY UNKNOWN\r\n"] {
            let bytes = [&header, after.as_bytes()].concat();
            let answer = exchange(connect(&server).await, &bytes).await;
            assert_eq!(answer, format!("{claimed}{after}"));
        }
    }
}

/// Every byte in a segment of its own: the server waits for the rest, and takes nothing of what follows.
#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let server = serve(ProxyProtocol::any()).await;
    for header in [V1.to_vec(), header().encode_v2()] {
        for end in [1, 6, header.len() - 1] {
            let mut stream = connect(&server).await;
            stream.set_nodelay(true).unwrap();
            stream.write_all(&header[..end]).await.unwrap();
            tokio::task::yield_now().await;
            let rest = [&header[end..], b"tail"].concat();
            assert_eq!(exchange(stream, &rest).await, format!("{CLAIMED}tail"));
        }
        let mut stream = connect(&server).await;
        stream.set_nodelay(true).unwrap();
        for byte in &header {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(exchange(stream, b"").await, CLAIMED);
    }
}

#[tokio::test]
async fn without_addresses_in_the_header_the_transports_stay() {
    let server = serve(ProxyProtocol::any()).await;
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        ProxyHeader::local().encode_v2(),
        ProxyHeader::unknown().encode_v2(),
    ] {
        let stream = connect(&server).await;
        let (client, address) = (stream.local_addr().unwrap(), tcp_address(&server, 0));
        let answer = exchange(stream, &header).await;
        assert_eq!(answer, format!("{client} > {address} via  for nobody\n"));
    }
}

#[tokio::test]
async fn an_endpoint_of_one_version_refuses_the_other_and_everything_else() {
    let (v1, v2) = (V1.to_vec(), header().encode_v2());
    let mut wrong = header().encode_v2_with_checksum();
    wrong[20] ^= 1;
    let table = [
        (
            ProxyProtocol::v1(),
            vec![&v2[..], b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4\r\n", b""],
        ),
        (
            ProxyProtocol::v2(),
            vec![&v1[..], b"SSH-2.0-x\r\n", &wrong, &v2[..20], &v2[..5]],
        ),
        (
            ProxyProtocol::any(),
            vec![&b"\x16\x03\x01"[..], b"\r\n", &v1[..10], b"\0"],
        ),
    ];
    for (proxy, refused) in table {
        let server = serve(proxy).await;
        for (before, bytes) in refused.iter().enumerate() {
            assert_eq!(server.registry().refused(), before as u64);
            assert_eq!(exchange(connect(&server).await, bytes).await, "");
        }
        within(server.registry().wait_empty()).await;
        assert_eq!(server.registry().refused(), refused.len() as u64);
    }
}

#[tokio::test]
async fn headers_just_under_at_and_over_the_limits() {
    let server = serve(ProxyProtocol::any()).await;
    for (length, is_read) in [
        (MAX_V1_BYTES - 1, true),
        (MAX_V1_BYTES, true),
        (MAX_V1_BYTES + 1, false),
    ] {
        let mut line = b"PROXY UNKNOWN ".to_vec();
        line.resize(length - 2, b'x');
        line.extend(b"\r\n");
        let answer = exchange(connect(&server).await, &line).await;
        assert_eq!(!answer.is_empty(), is_read, "{length}");
    }
    let fixed = header().encode_v2().len() + 3;
    for (length, is_read) in [
        (MAX_V2_BYTES - 1, true),
        (MAX_V2_BYTES, true),
        (MAX_V2_BYTES + 1, false),
    ] {
        let padding = u16::try_from(length - fixed).unwrap();
        let mut bytes = header().encode_v2();
        bytes.push(Tlv::NOOP);
        bytes.extend(padding.to_be_bytes());
        bytes.resize(length, 0);
        let declared = u16::try_from(length - 16).unwrap();
        bytes[14..16].copy_from_slice(&declared.to_be_bytes());
        bytes.extend(b"tail");
        let answer = exchange(connect(&server).await, &bytes).await;
        let expected = if is_read {
            format!("{CLAIMED}tail")
        } else {
            String::new()
        };
        assert_eq!(answer, expected, "{length}");
    }
}

#[tokio::test]
async fn who_is_not_trusted_is_refused_or_served_as_it_is() {
    let nobody = ProxyProtocol::any().trust([]);
    let server = serve(nobody.clone()).await;
    assert_eq!(exchange(connect(&server).await, V1).await, "");
    assert_eq!(server.registry().refused(), 1);

    let server = serve(nobody.untrusted(Untrusted::Direct)).await;
    let stream = connect(&server).await;
    let client = stream.local_addr().unwrap();
    let answer = exchange(stream, V1).await;
    assert!(answer.starts_with(&format!("{client} > ")), "{answer}");
    // Its bytes are the protocol's, to the last.
    assert!(answer.ends_with(std::str::from_utf8(V1).unwrap()));

    let this_machine = ["127.0.0.1".parse().unwrap()];
    let server = serve(ProxyProtocol::any().trust(this_machine)).await;
    assert_eq!(exchange(connect(&server).await, V1).await, CLAIMED);
}

#[tokio::test]
async fn unix_sockets_are_trusted_and_their_names_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let endpoint = Endpoint::unix(&path).proxy(ProxyProtocol::v2());
    let server = Server::new().listen(endpoint, mirror());
    let server = server.start().await.unwrap();
    for (source, destination, claimed) in [
        (
            &b"/client"[..],
            &b"/server"[..],
            "unix:/client > unix:/server",
        ),
        (b"", b"\0name", "unix: > unix:@name"),
    ] {
        let header = ProxyHeader::forwarding_unix(source, destination).unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        let bytes = [header.encode_v2(), b"tail".to_vec()].concat();
        let answer = exchange(stream, &bytes).await;
        assert_eq!(answer, format!("{claimed} via unix for nobody\ntail"));
    }
    let deaf = Endpoint::unix(&path).proxy(ProxyProtocol::v2().trust_unix(false));
    server.shutdown();
    within(server.wait()).await;
    let server = Server::new().listen(deaf, mirror()).start().await.unwrap();
    let stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(exchange(stream, &header().encode_v2()).await, "");
    assert_eq!(server.registry().refused(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_no_header_is_cut_off_at_the_time_limit() {
    let endpoint = Endpoint::loopback(0).proxy(ProxyProtocol::any());
    let quick = endpoint.clone().opening_timeout(Duration::from_secs(2));
    for (endpoint, limit) in [
        (endpoint, DEFAULT_OPENING_TIMEOUT),
        (quick, Duration::from_secs(2)),
    ] {
        let server = Server::new().listen(endpoint, mirror());
        let server = server.start().await.unwrap();
        let begun = tokio::time::Instant::now();
        let mut stream = connect(&server).await;
        stream.write_all(&V1[..20]).await.unwrap();
        while server.registry().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(limit - Duration::from_millis(10)).await;
        assert_eq!(server.registry().counts().get("opening"), Some(&1));
        assert_eq!(rest(&mut stream).await, "");
        assert!(begun.elapsed() <= limit + Duration::from_millis(10));
        assert_eq!(server.registry().refused(), 1);
    }
}

/// Others are served while one is silent.
#[tokio::test]
async fn a_silent_peer_holds_up_nobody() {
    let server = serve(ProxyProtocol::any()).await;
    let mut silent = connect(&server).await;
    for _ in 0..3 {
        assert_eq!(exchange(connect(&server).await, V1).await, CLAIMED);
    }
    silent.write_all(V1).await.unwrap();
    let mut claimed = vec![0; CLAIMED.len()];
    within(silent.read_exact(&mut claimed)).await.unwrap();
    assert_eq!(claimed, CLAIMED.as_bytes());
}
