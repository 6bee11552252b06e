use std::process::Stdio;

use cyclone_web::client::{Client, Credentials};
use http::Method;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{client, within};

/// Tornado, with its own ideas of digests, codings and redirects.
const SERVER: &str = r#"
import asyncio, hashlib, os, re, sys
import tornado.web, tornado.httpserver, tornado.netutil

class Echo(tornado.web.RequestHandler):
    def handle(self):
        self.write({"method": self.request.method, "uri": self.request.uri, "body": self.request.body.decode(),
                    "cookie": self.request.headers.get("Cookie", ""), "te": self.request.headers.get("Transfer-Encoding", "")})
    get = post = put = delete = patch = handle

class Big(tornado.web.RequestHandler):
    async def get(self):
        for _ in range(64):
            self.write("abcdefghijklmnop" * 4096)
            await self.flush()

class Cookie(tornado.web.RequestHandler):
    def get(self):
        self.set_cookie("a", "b-c", path="/")
        self.set_cookie("gone", "x", expires=1)
        self.redirect("/echo")

class Digest(tornado.web.RequestHandler):
    def get(self):
        name = self.get_argument("algorithm")
        H = lambda text: {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[name.replace("-sess", "")](text.encode()).hexdigest()
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', self.request.headers.get("Authorization", "")))
        if said:
            secret = H("J\u00e4sper:the realm:p:w")
            if name.endswith("-sess"):
                secret = H(f"{secret}:{said['nonce']}:{said['cnonce']}")
            what = H(f"GET:{self.request.uri}")
            proof = H(f"{secret}:{said['nonce']}:{said['nc']}:{said['cnonce']}:{said['qop']}:{what}")
            if said["response"] == proof and said["uri"] == self.request.uri:
                self.write("welcome")
                return
        self.set_status(401)
        self.set_header("WWW-Authenticate", f'Digest realm="the realm", nonce="{os.urandom(8).hex()}", qop="auth", algorithm={name}, charset=UTF-8')

async def main():
    app = tornado.web.Application([("/echo", Echo), ("/big", Big), ("/cookie", Cookie), ("/digest", Digest)], compress_response=True)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(app)
    server.add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)

asyncio.run(main())
"#;

/// Ends with the test: its standard input closes.
struct Tornado {
    _child: Child,
    url: String,
}

impl Tornado {
    async fn new() -> Self {
        let python = std::env::var_os("CYCLONE_TEST_PYTHON");
        let python = python
            .unwrap_or_else(|| panic!("CYCLONE_TEST_PYTHON is not set; run `cargo xtask test`"));
        let mut child = Command::new(python)
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = within(lines.next_line())
            .await
            .unwrap()
            .expect("Tornado did not start");
        Self {
            _child: child,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

async fn text(client: &Client, url: String) -> String {
    let response = within(client.get(url).send()).await.unwrap();
    assert_eq!(response.status(), 200);
    within(response.text()).await.unwrap()
}

#[tokio::test]
async fn tornado_serves_all_that_a_client_asks() {
    let tornado = Tornado::new().await;
    let jar = cyclone_web::client::CookieJar::new();
    let client = client(|builder| builder.cookie_jar(jar.clone()));
    let url = |path: &str| format!("{}{path}", tornado.url);

    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let sent = client
            .request(method.clone(), url("/echo?a=%20"))
            .body("hello");
        let got: serde_json::Value = within(within(sent.send()).await.unwrap().json())
            .await
            .unwrap();
        assert_eq!(got["method"], method.as_str());
        assert_eq!(
            (got["uri"].as_str(), got["body"].as_str()),
            (Some("/echo?a=%20"), Some("hello"))
        );
    }
    let pieces = futures_util::stream::iter(["hel", "lo"].map(Ok::<_, std::io::Error>));
    let sent = client
        .post(url("/echo"))
        .stream(cyclone_web::Body::from_stream(pieces));
    let got: serde_json::Value = within(within(sent.send()).await.unwrap().json())
        .await
        .unwrap();
    assert_eq!(
        (got["body"].as_str(), got["te"].as_str()),
        (Some("hello"), Some("chunked"))
    );

    // Compressed and in chunks, 4 MiB of it.
    let response = within(client.get(url("/big")).send()).await.unwrap();
    assert_eq!(response.header("x-consumed-content-encoding"), Some("gzip"));
    assert_eq!(
        within(response.bytes()).await.unwrap().len(),
        4 * 1024 * 1024
    );

    let got: serde_json::Value =
        serde_json::from_str(&text(&client, url("/cookie")).await).unwrap();
    assert_eq!(got["cookie"], "a=b-c");
    assert_eq!(client.open_connections(), 1, "one connection did it all");
}

#[tokio::test]
async fn tornado_checks_digests_with_the_hashes_of_python() {
    let tornado = Tornado::new().await;
    let client = client(|builder| builder);
    for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"] {
        let url = format!("{}/digest?algorithm={algorithm}", tornado.url);
        let ask = async |password: &str| {
            let who = Credentials::digest("Jäsper", password);
            within(client.get(&url).auth(&who).send())
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        assert_eq!(ask("p:w").await, 200, "{algorithm}");
        assert_eq!(ask("p:x").await, 401, "{algorithm}");
    }
}
