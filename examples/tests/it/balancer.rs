//! The balancer: in this process with backends of ours, and as a process in front of the tour.
//!
//! The clock stands still where everything is in this process: on the loopback address what is sent is there at once, so
//! time passes only when nobody has anything to do.

use std::net::SocketAddr;
use std::time::Duration;

use cyclone_core::{RunningServer, Server};
use cyclone_examples::balancer::{BackendInfo, Balancer, Config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::tour::PATIENCE;

mod backends;
mod bytes;
mod limits;
mod load;
mod processes;

/// A balancer in this process.
struct Bench {
    balancer: Balancer,
    server: RunningServer,
    address: SocketAddr,
}

impl Bench {
    /// One listener, `web`, and one group, `g`, of the backends `a`, `b` and `c`; `own` is of the group, `more` of all.
    async fn start(own: &str, backends: &[&str], more: &str) -> Self {
        let backends: Vec<_> = backends
            .iter()
            .zip(["a", "b", "c"])
            .map(|(address, name)| format!("{{ name = \"{name}\", address = \"{address}\" }}"))
            .collect();
        let text = format!(
            "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1\"]\ngroup = \"g\"\n\
             [groups.g]\n{own}\nbackends = [{}]\n{more}\n",
            backends.join(", ")
        );
        Self::of(&text).await
    }

    async fn of(text: &str) -> Self {
        let config = Config::parse(text).unwrap();
        let balancer = Balancer::new(&config).unwrap();
        let server = Server::new().shutdown_deadline(config.limits.drain_deadline_s);
        let server = balancer.attach(server).start().await.unwrap();
        let address = server.local_addresses()[0].socket_addr().unwrap();
        Self {
            balancer,
            server,
            address,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connects and reads the first byte, by which backends give their names.
    async fn name(&self) -> (char, TcpStream) {
        let mut client = self.connect().await;
        let name = timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap();
        (char::from(name), client)
    }

    fn backend(&self, name: &str) -> BackendInfo {
        let backends = self.balancer.backends();
        let found = backends.into_iter().find(|one| one.name == name);
        found.unwrap_or_else(|| panic!("no backend {name}"))
    }

    /// Waits until a backend is as it should be.
    async fn until(&self, name: &str, holds: impl Fn(&BackendInfo) -> bool) {
        let waiting = async {
            while !holds(&self.backend(name)) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{:?}", self.backend(name));
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// An address at which nobody is.
async fn nowhere() -> String {
    listen().await.1
}

/// A backend that says its name, one character, and then what it hears, until the end.
async fn echo(name: char) -> String {
    let (listener, address) = listen().await;
    tokio::spawn(greet(listener, name));
    address
}

async fn greet(listener: TcpListener, name: char) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            stream.write_u8(u8::try_from(name).unwrap()).await?;
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await?;
            writer.shutdown().await
        });
    }
}
