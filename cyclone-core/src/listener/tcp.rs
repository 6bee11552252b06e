//! TCP sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket};

use crate::endpoint::Tcp;

/// How many probes go unanswered until keep-alive ends a connection.
const KEEP_ALIVE_PROBES: u16 = 3;

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

/// Has the kernel probe silent peers; what it accepts takes this over from the listening socket.
pub(super) fn keep_alive(listener: &TcpListener, seconds: u16) -> io::Result<()> {
    let interval = (seconds / KEEP_ALIVE_PROBES).max(1);
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, Duration::from_secs(seconds.into()))?;
    sockopt::set_tcp_keepintvl(listener, Duration::from_secs(interval.into()))?;
    Ok(sockopt::set_tcp_keepcnt(
        listener,
        KEEP_ALIVE_PROBES.into(),
    )?)
}
