//! The endless XML stream.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use cyclone_core::{Endpoint, Server};
use cyclone_examples::infinite_xml::{feed, read};
use cyclone_web::client::Client;

#[tokio::test]
async fn stream_is_read_as_it_comes_and_left_when_it_is_enough() {
    let server = Server::new().listen(Endpoint::loopback(0), feed(Duration::ZERO));
    let server = server.start().await.unwrap();
    let address = &server.local_addresses()[0];
    let client = Client::new();
    let mut read_so_far = Vec::new();
    let url = format!("http://{address}/feed");
    let reading = read(&client, &url, |tick| {
        read_so_far.push(tick);
        read_so_far.len() < 1_000
    });
    reading.await.unwrap();
    assert_eq!(read_so_far.len(), 1_000);
    let last = &read_so_far[999];
    assert_eq!((last.number, last.text.as_str()), (1_000, "tick & 1000"));
    assert_eq!(client.open_connections(), 0);
}

#[test]
fn program_prints_its_own_stream_until_nobody_reads() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_infinite_xml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "1: tick & 1");
    assert_eq!(lines.next().unwrap().unwrap(), "2: tick & 2");
    drop(lines);
    assert!(program.wait().unwrap().success());
}
