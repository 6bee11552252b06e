//! TCP sockets.

use std::io;
use std::net::SocketAddr;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket};

use crate::endpoint::Tcp;

pub(super) fn bind(tcp: &Tcp, backlog: u32) -> io::Result<TcpListener> {
    let socket = if tcp.interface.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        let socket = TcpSocket::new_v6()?;
        sockopt::set_ipv6_v6only(&socket, tcp.v6_only)?;
        socket
    };
    // A restarted server may take its port back although old connections linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    if tcp.reuse_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(SocketAddr::new(tcp.interface, tcp.port))?;
    socket.listen(backlog)
}
