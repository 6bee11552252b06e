//! Codecs on a connection.

use std::io::ErrorKind;

use bytes::BytesMut;
use cyclone_core::{Connection, FrameError, Int8Codec, LineCodec, LineEvent, NetstringCodec, Raw};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::{Decoder, Framed};

#[tokio::test]
async fn lines_and_raw_bytes_alternate_on_one_connection() {
    let (connection, mut peer) = Connection::in_memory();
    let mut lines = Framed::new(connection, LineCodec::new());
    peer.write_all(b"4\r\na\r\nb2\r\ncdhello\r\n")
        .await
        .unwrap();
    peer.shutdown().await.unwrap();
    let mut read = Vec::new();
    while let Some(event) = lines.next().await.transpose().unwrap() {
        if let LineEvent::Line(line) = &event
            && let Ok(bytes) = std::str::from_utf8(line).unwrap().parse()
        {
            lines.codec_mut().set_raw_bytes(bytes);
        }
        read.push(event);
    }
    let [line, raw] =
        [LineEvent::Line, LineEvent::Raw].map(|of| move |text| of(BytesMut::from(text)));
    assert_eq!(
        read,
        [
            line("4"),
            raw("a\r\nb"),
            line("2"),
            raw("cd"),
            line("hello")
        ]
    );
    lines.send("bye").await.unwrap();
    lines.send(Raw(&b"\0\n"[..])).await.unwrap();
    drop(lines);
    let mut said = String::new();
    peer.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "bye\r\n\0\n");
}

#[tokio::test]
async fn strings_go_there_and_back() {
    let (connection, peer) = Connection::in_memory();
    let (mut ours, mut theirs) = (
        Int8Codec::new().framed(connection),
        Int8Codec::new().framed(peer),
    );
    for text in ["", "hello"] {
        ours.send(text).await.unwrap();
        assert_eq!(theirs.next().await.unwrap().unwrap(), text);
    }
    let error = ours.send([0; 256]).await.unwrap_err();
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::InvalidInput);
    ours.send("still there").await.unwrap();
    assert_eq!(theirs.next().await.unwrap().unwrap(), "still there");
}

#[tokio::test]
async fn errors_become_those_of_io() {
    for (bytes, kind) in [
        ("x", ErrorKind::InvalidData),
        ("9999999", ErrorKind::InvalidData),
        ("1:", ErrorKind::UnexpectedEof),
    ] {
        let (connection, mut peer) = Connection::in_memory();
        let mut strings = NetstringCodec::new().framed(connection);
        peer.write_all(bytes.as_bytes()).await.unwrap();
        peer.shutdown().await.unwrap();
        let error = strings.next().await.unwrap().unwrap_err();
        let text = error.to_string();
        let error = std::io::Error::from(error);
        assert_eq!((error.kind(), error.to_string()), (kind, text));
        assert!(FrameError::of(&error).is_some());
    }
    let reset = FrameError::from(std::io::Error::from(ErrorKind::ConnectionReset));
    let error = std::io::Error::from(reset);
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(FrameError::of(&error).is_none());
}
