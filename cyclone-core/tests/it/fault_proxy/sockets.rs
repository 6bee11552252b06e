//! The same over sockets, in real time: nothing here depends on how long anything takes.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::*;

async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    address
}

async fn proxied() -> (FaultProxy, SocketAddr) {
    let proxy = FaultProxy::tcp(server().await).await.unwrap();
    let address = proxy.socket_addr().unwrap();
    assert!(address.ip().is_loopback());
    (proxy, address)
}

#[tokio::test]
async fn bytes_pass_and_connections_are_cut() {
    within(async {
        let (proxy, address) = proxied().await;
        for (number, cut) in [(1, Cut::Fin), (2, Cut::Reset)] {
            proxy.set_for(
                number,
                Toxics::none().to_client(Flow::open().cut_after(6, cut)),
            );
            let mut stream = TcpStream::connect(address).await.unwrap();
            round(&mut stream, b"four").await.unwrap();
            stream.write_all(b"four").await.unwrap();
            let (received, end) = rest(&mut stream).await;
            match cut {
                Cut::Fin => assert!(received == b"fo" && end.is_ok()),
                Cut::Reset => {
                    let kind = end.unwrap_err().kind();
                    assert_eq!(kind, io::ErrorKind::ConnectionReset);
                }
            }
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        round(&mut stream, b"fine").await.unwrap();
        drop(stream);
        proxy.wait_for(|statistics| statistics.open == 0).await;
        assert_eq!(proxy.statistics().accepted, 3);
        proxy.close().await;
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    })
    .await;
}

#[tokio::test]
async fn the_server_sees_the_cut_as_well() {
    within(async {
        for cut in [Cut::Fin, Cut::Reset] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = listener.local_addr().unwrap();
            let proxy = FaultProxy::tcp(target).await.unwrap();
            let flow = Flow::open().cut_after(3, cut);
            proxy.set(Toxics::none().to_server(flow));
            let mut client = TcpStream::connect(proxy.socket_addr().unwrap())
                .await
                .unwrap();
            client.write_all(b"four").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 3];
            stream.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"fou");
            let end = stream.read(&mut bytes).await;
            match cut {
                Cut::Fin => assert_eq!(end.unwrap(), 0),
                Cut::Reset => {
                    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn clients_may_be_refused_and_let_in_again() {
    within(async {
        let (proxy, address) = proxied().await;
        let mut open = TcpStream::connect(address).await.unwrap();
        round(&mut open, b"one").await.unwrap();
        for _ in 0..3 {
            proxy.accept(Accepting::Refuse).await.unwrap();
            let refused = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            round(&mut open, b"still").await.unwrap();
            proxy.accept(Accepting::Forward).await.unwrap();
            let mut stream = TcpStream::connect(address).await.unwrap();
            round(&mut stream, b"again").await.unwrap();
        }
    })
    .await;
}

/// Whether a connection to `address` waits for the answer to its SYN, as the kernel tells.
#[cfg(target_os = "linux")]
fn is_connecting(address: SocketAddr) -> bool {
    const SYN_SENT: &str = "02";
    let port = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    table.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(2);
        let (remote, state) = (columns.next(), columns.next());
        remote.is_some_and(|remote| remote.ends_with(&port)) && state == Some(SYN_SENT)
    })
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn those_who_are_not_answered_get_in_when_the_proxy_listens_again() {
    use futures_util::FutureExt;

    within(async {
        let (proxy, address) = proxied().await;
        proxy.accept(Accepting::Ignore).await.unwrap();
        let mut waiting = Box::pin(TcpStream::connect(address));
        assert!((&mut waiting).now_or_never().is_none());
        assert!(is_connecting(address), "its SYN was dropped");
        proxy.accept(Accepting::Forward).await.unwrap();
        // It is sent again, after a second.
        round(&mut waiting.await.unwrap(), b"at last")
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset() {
    within(async {
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let proxy = FaultProxy::tcp(gone).await.unwrap();
        let mut stream = TcpStream::connect(proxy.socket_addr().unwrap())
            .await
            .unwrap();
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let statistics = proxy.statistics();
        assert_eq!((statistics.unreachable, statistics.open), (1, 0));
        let error = proxy.connect().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    })
    .await;
}

#[tokio::test]
async fn unix_sockets_work_likewise() {
    within(async {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("server"), folder.path().join("proxy"));
        let listener = UnixListener::bind(&target).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        let proxy = FaultProxy::unix(&target, &path).await.unwrap();
        proxy.set_for(
            1,
            Toxics::none().to_client(Flow::open().cut_after(2, Cut::Fin)),
        );
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"four").await.unwrap();
        assert_eq!(rest(&mut stream).await.0, b"fo");

        proxy.accept(Accepting::Refuse).await.unwrap();
        let refused = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        proxy.accept(Accepting::Forward).await.unwrap();
        let mut stream = UnixStream::connect(&path).await.unwrap();
        round(&mut stream, b"again").await.unwrap();
        proxy.close().await;
        assert!(!path.exists());
    })
    .await;
}
