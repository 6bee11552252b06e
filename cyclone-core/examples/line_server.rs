//! A console that echoes lines: `telnet` or `nc` to the address it prints, Ctrl-C ends it.

use std::io::{self, Write};

use cyclone_core::{Connection, Endpoint, Lines, Server, protocol_fn};

async fn console(connection: Connection) -> io::Result<()> {
    let session = connection.session().clone();
    let mut lines = Lines::new(connection);
    loop {
        let line = tokio::select! {
            line = lines.read() => line?,
            () = session.draining() => return lines.write("the server shuts down").await,
        };
        match line.as_deref() {
            None | Some("quit") => return Ok(()),
            Some(text) => lines.write(text).await?,
        }
    }
}

/// Serves on the endpoint that is the first argument, or on a free port of the loopback interface.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = match std::env::args().nth(1) {
        Some(text) if text.contains(':') => text.parse()?,
        _ => Endpoint::loopback(0),
    };
    let report = Server::new()
        .listen(endpoint, protocol_fn("console", console))
        .run_with(|server| {
            for address in server.local_addresses() {
                let _ = writeln!(io::stdout(), "listening {address}");
            }
        })
        .await?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}
