//! A site that moves from Tornado handler by handler, while both servers run.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Child;

use cyclone_web::{Application, CurrentUser, RequestContext, RequestHandler, Result, Xsrf, url};

use super::{SECRET, python};
use crate::support::{exchange, listen};

struct TornadoServer {
    child: Child,
    address: SocketAddr,
}

impl TornadoServer {
    fn start() -> Self {
        let mut child = python().arg("serve").spawn().unwrap();
        let mut port = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut port).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
        Self { child, address }
    }
}

impl Drop for TornadoServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Form;
impl RequestHandler for Form {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        let field = cx.xsrf_form_html()?;
        cx.html(field)
    }
    async fn post(&self, cx: &mut RequestContext) -> Result {
        cx.text("posted to cyclone")
    }
}

async fn user(cx: &mut RequestContext) -> Result<Option<CurrentUser>> {
    Ok(cx.signed_cookie("user")?.map(CurrentUser::new))
}

async fn login(cx: &mut RequestContext) -> Result {
    cx.set_signed_cookie("user", cx.argument("name")?)?;
    cx.finish()
}

async fn who(cx: &mut RequestContext) -> Result {
    let name = cx.require_user::<String>()?;
    cx.text((*name).clone())
}

fn app() -> Application {
    Application::new()
        .cookie_secret(SECRET)
        .login_url("/login")
        .xsrf(Xsrf::new())
        .current_user(user)
        .route("/form", Form)
        .get("/login", login)
        .get(url("/who").authenticated(), who)
}

/// Sends a request as a browser behind a balancer does: the host is the balancer's.
async fn send(to: SocketAddr, request: &str, cookies: &str, body: &str) -> String {
    let length = body.len();
    exchange(
        to,
        format!(
            "{request} HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\nCookie: {cookies}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )
    .await
}

/// The `name=value` of the cookie that an answer sets.
fn cookie(answer: &str) -> String {
    let mut lines = answer.lines();
    let line = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("set-cookie").then_some(value)
    });
    line.unwrap().split(';').next().unwrap().to_owned()
}

/// The value of the hidden field.
fn token(answer: &str) -> &str {
    let (_before, rest) = answer.split_once("value=\"").unwrap();
    rest.split_once('"').unwrap().0
}

#[tokio::test]
async fn a_site_moves_handler_by_handler() {
    let tornado = TornadoServer::start();
    let (server, cyclone) = listen(app()).await;
    let both = [tornado.address, cyclone];
    for first in both {
        let login = send(first, "GET /login?name=ada", "", "").await;
        let user = cookie(&login);
        let page = send(first, "GET /form", &user, "").await;
        let jar = format!("{user}; {}", cookie(&page));
        for then in both {
            let who = send(then, "GET /who", &user, "").await;
            assert!(who.ends_with("\r\n\r\nada"), "{who}");
            let again = send(then, "GET /form", &jar, "").await;
            assert!(!again.to_lowercase().contains("set-cookie"), "{again}");
            for token in [token(&page), token(&again)] {
                let body = format!("_xsrf={}", token.replace('|', "%7C"));
                let posted = send(then, "POST /form", &jar, &body).await;
                assert!(posted.contains("\r\n\r\nposted to "), "{posted}");
                let forged = send(then, "POST /form", &user, &body).await;
                assert!(forged.starts_with("HTTP/1.1 403"), "{forged}");
            }
        }
    }
    for server in both {
        let sent = send(server, "GET /who?a=1", "", "").await;
        assert!(sent.starts_with("HTTP/1.1 302"), "{sent}");
        assert!(
            sent.contains("ocation: /login?next=%2Fwho%3Fa%3D1\r\n"),
            "{sent}"
        );
    }
    server.shutdown();
    server.wait().await;
}
