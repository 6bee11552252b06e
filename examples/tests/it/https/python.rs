//! Python's ssl module: an end that is announced, halves that end one by one, certificates of clients.

use super::{Site, program, said};

const SCRIPT: &str = r#"
import socket, ssl, sys
port, folder = int(sys.argv[1]), sys.argv[2]

def context(version=None, client=None, alpn=None):
    made = ssl.create_default_context(cafile=f"{folder}/ca.crt")
    if version:
        made.minimum_version = made.maximum_version = version
    if client:
        made.load_cert_chain(f"{folder}/{client}.crt", f"{folder}/{client}.key")
    if alpn:
        made.set_alpn_protocols(alpn)
    return made

def connect(made, name="example.org", session=None):
    raw = socket.create_connection(("127.0.0.1", port), timeout=30)
    # An end that is not announced is an error.
    return made.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False, session=session)

def everything(stream):
    answer = b""
    while chunk := stream.recv(65536):
        answer += chunk
    return answer

for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    made = context(version, client="alice", alpn=["http/1.1"])
    with connect(made) as stream:
        assert stream.selected_alpn_protocol() == "http/1.1"
        assert stream.getpeercert()["subject"][1][0][1] == "server", stream.getpeercert()
        stream.sendall(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
        assert b"client=CN=alice,O=cyclone " in stream.recv(65536)
        # Small requests one after the other, and one in small pieces.
        for _ in range(50):
            stream.sendall(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
            assert stream.recv(65536).startswith(b"HTTP/1.1 200")
        for byte in b"GET /large HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n":
            stream.sendall(bytes([byte]))
        answer = everything(stream)
        assert answer.startswith(b"HTTP/1.1 200") and len(answer) > 4 * 1024 * 1024
        session = stream.session
    with connect(made, session=session) as stream:
        assert stream.session_reused
        stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = everything(stream)
        assert b"resumed=true" in answer and b"client=CN=alice" in answer, answer
    # What the client closes first the server closes too, and says so.
    with connect(made) as stream:
        stream.unwrap().close()

for name in ("example.com", "deep.example.org"):
    connect(context(), name).close()
try:
    connect(context(), "unknown.example")
    raise SystemExit("it was served")
except ssl.SSLError as error:
    assert error.reason == "TLSV1_UNRECOGNIZED_NAME", error.reason
print("done")
"#;

#[tokio::test]
async fn python_is_content() {
    let site = Site::start().await;
    let mut python = program("CYCLONE_TEST_PYTHON");
    python.args(["-c", SCRIPT, &site.port().to_string(), &site.path("")]);
    assert_eq!(said(&mut python).await, "done\n");
}
