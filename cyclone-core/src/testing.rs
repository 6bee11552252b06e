//! A network that fails on purpose, for tests of clients and drivers (feature `testing`).
//!
//! A [`FaultProxy`] stands between a client and a real server and does to their connections what networks do: it
//! delays, slows down, cuts, resets, swallows and holds back. What it does is changed while it runs. In memory,
//! without sockets, it works in tokio's paused time, so that a test of time limits takes none.
//!
//! ```
//! use std::time::Duration;
//!
//! use cyclone_core::testing::{Cut, Direction, FaultProxy, Flow, Toxics};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> std::io::Result<()> {
//! let proxy = FaultProxy::in_memory(|connection| async move {
//!     let (mut read, mut write) = split(connection);
//!     let _ = copy(&mut read, &mut write).await; // a server that gives everything back
//! });
//! // Everything takes a second, and the third byte of the second connection is the last.
//! proxy.set(Toxics::none().to_client(Flow::open().latency(Duration::from_secs(1))));
//! proxy.set_for(2, Toxics::none().to_server(Flow::open().cut_after(3, Cut::Reset)));
//!
//! let mut first = proxy.connect().await?;
//! first.write_all(b"late").await?;
//! let mut answer = [0; 4];
//! first.read_exact(&mut answer).await?;
//!
//! let mut second = proxy.connect().await?;
//! second.write_all(b"lost").await?;
//! let error = second.read_u8().await.expect_err("it is cut");
//! assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
//! assert_eq!(proxy.statistics().bytes(Direction::ToServer), 4 + 3);
//! proxy.close().await;
//! # Ok(())
//! # }
//! ```

mod connections;
mod listening;
mod pipe;
mod proxy;
mod relay;
mod toxics;
mod wire;

pub use connections::{FAULT_PROXY_HISTORY, ProxiedConnection, ProxyStatistics};
pub use proxy::{Accepting, FaultProxy};
pub use toxics::{Cut, Direction, Flow, Toxics};
pub use wire::{FAULT_PROXY_BUFFER_BYTES, FaultStream};
