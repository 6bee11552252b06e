//! The work every server does, so that only the servers differ.

pub mod client;

use std::error::Error;
use std::future::Future;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a server's `main` returns.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Body of `/plaintext`, and text of every message and event.
pub const PLAINTEXT: &str = "Hello, World!";

/// Body of `/json`.
#[derive(serde::Serialize)]
pub struct Message {
    /// A greeting.
    pub message: &'static str,
}

/// The value `/json` serialises for each request.
pub const MESSAGE: Message = Message { message: PLAINTEXT };

/// The path and query the load asks `/user/{id}?name=` for: one number, one percent-encoded word.
pub const USER: &str = "/user/4217?name=J%C3%BCrgen+M";

/// Body of `/user/{id}?name=`.
pub fn user(id: u64, name: &str) -> String {
    format!("user {id}: {name}")
}

/// Where an [`Order`] is sent, and comes back.
pub const ORDER: &str = "/order";

/// What is sent to [`ORDER`], read and written again: 1 KiB of JSON.
#[derive(serde::Deserialize, serde::Serialize)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// Who wants it.
    pub customer: String,
    /// Whether it was paid.
    pub paid: bool,
    /// What is wanted.
    pub items: Vec<Item>,
    /// What else there is to say.
    pub note: String,
}

/// A line of an [`Order`].
#[derive(serde::Deserialize, serde::Serialize)]
pub struct Item {
    /// What it is called.
    pub name: String,
    /// How many.
    pub count: u32,
    /// What one costs.
    pub price: f64,
    /// Words to find it by.
    pub tags: Vec<String>,
}

/// Length of an order in bytes.
const ORDER_LENGTH: usize = 1024;

/// The order the load sends.
pub fn order() -> Order {
    let item = |number: u32| Item {
        name: format!("part no. {number}"),
        count: number,
        price: f64::from(number) + 0.25,
        tags: ["steel", "M4", "galvanised"].map(str::to_owned).to_vec(),
    };
    let mut order = Order {
        id: 4217,
        customer: "Jürgen \"J\" M".to_owned(),
        paid: true,
        items: (1..=9).map(item).collect(),
        note: String::new(),
    };
    let length = serde_json::to_string(&order).map_or(0, |text| text.len());
    order.note = "x".repeat(ORDER_LENGTH.saturating_sub(length));
    order
}

/// Where bytes are sent that are counted.
pub const UPLOAD: &str = "/upload";

/// How many the load sends there.
pub const UPLOAD_LENGTH: usize = 1024 * 1024;

/// Where a form with a file is sent, which is saved and measured; cyclone alone has it.
pub const FORM: &str = "/form";

/// A large file below the folder of the files, made by the load that asks for it.
pub const LARGE: &str = "/static/large.bin";

/// Body of `/page`: a table of 12 rows, escaped as a template engine would.
pub fn page() -> String {
    const ROWS: [(u32, &str); 12] = [
        (1, "fortune: No such file or directory"),
        (
            2,
            "A computer scientist is someone who fixes things that aren't broken.",
        ),
        (3, "After enough decimal places, nobody gives a damn."),
        (
            4,
            "A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1",
        ),
        (
            5,
            "A computer program does what you tell it to do, not what you want.",
        ),
        (6, "Emacs is a nice operating system, but I prefer UNIX."),
        (7, "Any program that runs right is obsolete."),
        (8, "A list is only as strong as its weakest link."),
        (9, "Feature: A bug with seniority."),
        (10, "Computers make very fast, very accurate mistakes."),
        (
            11,
            "<script>alert(\"This should not be displayed in a browser.\");</script>",
        ),
        (12, "フレームワークのベンチマーク"),
    ];
    let mut html = String::with_capacity(2048);
    html += "<!doctype html><html><head><title>Fortunes</title></head><body><table>";
    for (id, message) in ROWS {
        html += "<tr><td>";
        html += &id.to_string();
        html += "</td><td>";
        escape(&mut html, message);
        html += "</td></tr>";
    }
    html += "</table></body></html>";
    html
}

fn escape(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => *html += "&amp;",
            '<' => *html += "&lt;",
            '>' => *html += "&gt;",
            '"' => *html += "&quot;",
            '\'' => *html += "&#x27;",
            c => html.push(c),
        }
    }
}

/// Below this path everybody serves the folder of the same name in [`folder`].
pub const STATIC: &str = "/static";

/// The one file there, made by `cargo xtask bench`: 100 KiB of text.
pub const FILE: &str = "/static/bundle.js";

/// The folder with the files, the first argument of every server.
pub fn folder() -> Result<PathBuf, &'static str> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    folder.ok_or("the first argument is the folder with the files")
}

/// For servers whose own limit would end connections while they are measured idle.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The body a path must answer with; an error for a path nobody serves.
pub fn expected(path: &str, folder: &Path) -> std::io::Result<Vec<u8>> {
    Ok(match path {
        "/plaintext" => PLAINTEXT.into(),
        "/json" => br#"{"message":"Hello, World!"}"#.to_vec(),
        USER => user(4217, "Jürgen M").into(),
        "/page" => page().into(),
        ORDER => serde_json::to_vec(&order())?,
        UPLOAD => UPLOAD_LENGTH.to_string().into(),
        FILE => std::fs::read(folder.join(FILE.trim_start_matches('/')))?,
        _ => return Err(std::io::Error::other(format!("nobody serves {path}"))),
    })
}

/// Listens on a free port of the loopback address. What is accepted has TCP_NODELAY, as the listener has.
pub fn listen() -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
    Ok(listener)
}

/// Tells the load where to connect, as `cargo xtask` expects it.
pub fn announce(address: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening http://{address}")?;
    out.flush()
}

/// The runtime of every tokio server here: a single-threaded one, as a core of its own has it.
pub fn block_on<F: Future<Output = Outcome>>(work: F) -> Outcome {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_sockets_have_nodelay() {
        let listener = listen().unwrap();
        listener.set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(listener.accept().unwrap().0.nodelay().unwrap());
    }

    #[test]
    fn an_order_has_its_length() {
        let text = expected(ORDER, Path::new("")).unwrap();
        assert_eq!(text.len(), ORDER_LENGTH);
        let again: Order = serde_json::from_slice(&text).unwrap();
        assert_eq!(serde_json::to_vec(&again).unwrap(), text);
    }

    #[test]
    fn paths_nobody_serves_are_an_error() {
        let folder = Path::new("/nonexistent");
        assert_eq!(
            expected(USER, folder).unwrap(),
            "user 4217: Jürgen M".as_bytes()
        );
        assert!(expected("/other", folder).is_err());
        assert!(expected(FILE, folder).is_err());
    }
}
