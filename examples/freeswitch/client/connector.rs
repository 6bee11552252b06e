//! How a connection is made.

use std::fmt;

use cyclone_core::Connector;
use tokio::net::TcpStream;

use crate::freeswitch::command::Command;
use crate::freeswitch::error::EslError;
use crate::freeswitch::frame::FrameLimits;
use crate::freeswitch::message::Message;
use crate::freeswitch::wire::Wire;

/// Makes connections that are logged in.
#[derive(Clone)]
pub struct EslConnector {
    pub(super) address: String,
    pub(super) login: Command,
    pub(super) limits: FrameLimits,
}

/// A connection that is logged in.
#[derive(Debug)]
pub struct EslConnection {
    pub(super) wire: Wire<TcpStream>,
}

impl EslConnector {
    async fn log_in(&self, wire: &mut Wire<TcpStream>) -> Result<(), EslError> {
        match wire.next().await? {
            Message::AuthRequest => {}
            Message::Rejected(text) => return Err(EslError::Denied { text }),
            _ => {
                let reason = "it does not begin by asking for a password";
                return Err(EslError::Protocol { reason });
            }
        }
        let reply = wire.ask(&self.login).await?;
        match reply.is_refused() {
            true => Err(EslError::Denied { text: reply.text() }),
            false => Ok(()),
        }
    }
}

impl Connector for EslConnector {
    type Connection = EslConnection;
    type Error = EslError;

    async fn connect(&self) -> Result<EslConnection, EslError> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let mut wire = Wire::new(stream, self.limits);
        self.log_in(&mut wire).await?;
        Ok(EslConnection { wire })
    }

    async fn check(&self, connection: &mut EslConnection) -> Result<(), EslError> {
        connection.wire.ask(&Command::api("uptime")).await.map(drop)
    }

    fn name(&self) -> &'static str {
        "freeswitch"
    }
}

impl fmt::Debug for EslConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EslConnector")
            .field("address", &self.address)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
