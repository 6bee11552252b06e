//! TCP sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use tokio::net::{TcpListener, TcpSocket};

use super::inherited;
use crate::endpoint::Tcp;

/// Listens with a socket that another process bound.
pub(super) fn adopt(tcp: &Tcp, socket: OwnedFd) -> io::Result<TcpListener> {
    inherited::check(&socket, inherited::Family::Tcp)?;
    inherited::tcp(socket, tcp.backlog)
}

pub(super) fn bind(tcp: &Tcp) -> io::Result<TcpListener> {
    let socket = if tcp.interface.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restarted server may take its port back although old connections linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    if tcp.reuse_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(SocketAddr::new(tcp.interface, tcp.port))?;
    socket.listen(tcp.backlog)
}
