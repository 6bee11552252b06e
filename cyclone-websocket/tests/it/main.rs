//! Integration tests: real sockets, real servers (axum, hyper, cyclone), and tokio-tungstenite as the
//! client that was not written here.

#[cfg(test)]
mod echo;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod server;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod support;
