//! The connection breaks after every byte of a handshake.

use std::io;

use cyclone_core::tls::{HandshakeErrorKind, TlsVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::authority::Authority;
use super::{client, server};
use crate::support::within;

/// Carries bytes both ways and cuts after `limit` bytes of the one; says how many that direction had.
async fn carry(mut from: DuplexStream, mut to: DuplexStream, limit: usize) -> usize {
    let (mut forth, mut back) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut carried = 0;
    loop {
        tokio::select! {
            read = from.read(&mut forth) => {
                let Ok(read @ 1..) = read else { return carried };
                let read = read.min(limit - carried);
                if to.write_all(&forth[..read]).await.is_err() {
                    return carried;
                }
                carried += read;
                if carried == limit {
                    return carried;
                }
            }
            read = to.read(&mut back) => {
                let Ok(read @ 1..) = read else { return carried };
                if from.write_all(&back[..read]).await.is_err() {
                    return carried;
                }
            }
        }
    }
}

#[tokio::test]
async fn cut_handshake_is_an_error_of_both_sides_at_every_byte() {
    let authority = Authority::new("authority");
    let certificate = authority.server(&["example.org"]);
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let server = server(&certificate).versions([version]).build().unwrap();
        let client = client(&authority).versions([version]).build().unwrap();
        for of_client in [true, false] {
            let mut limit = 1;
            loop {
                let (near, one) = tokio::io::duplex(64 * 1024);
                let (far, other) = tokio::io::duplex(64 * 1024);
                let (from, to) = if of_client {
                    (other, one)
                } else {
                    (one, other)
                };
                let ends =
                    async { tokio::join!(server.accept(near), client.connect("example.org", far)) };
                let carrying = tokio::spawn(carry(from, to, limit));
                let (accepted, connected) = within(ends).await;
                let done = accepted.is_ok() && connected.is_ok();
                for error in [accepted.err(), connected.err()].into_iter().flatten() {
                    assert_eq!(error.kind(), HandshakeErrorKind::Closed, "{limit} {error}");
                    let error = io::Error::from(error);
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                }
                carrying.abort();
                if done {
                    break;
                }
                limit += 1;
            }
            assert!(limit > 200, "{version} needs more than {limit} bytes");
        }
    }
}
