//! What owns one connection.

use std::sync::Arc;

use cyclone_core::LinkContext;
use tokio::select;

use super::connector::EslConnection;
use crate::freeswitch::command::Command;
use crate::freeswitch::error::EslError;
use crate::freeswitch::esl::{Shared, request};
use crate::freeswitch::events::{Gap, Notice};
use crate::freeswitch::wire::Patience;

/// Owns one connection: tells it what is subscribed to, lets commands in, and says goodbye.
pub(super) async fn session(
    connection: EslConnection,
    context: LinkContext,
    shared: Arc<Shared>,
    patience: Patience,
) -> Result<(), EslError> {
    let _shut = ShutOnDrop(&shared);
    let generation = context.generation();
    if generation > 1 {
        shared.tell(Notice::Gap(Gap::Reconnected { generation }));
    }
    let (door, mut requests) = Shared::queue();
    let run = connection.wire.run(&mut requests, &shared, patience);
    let work = async {
        shared.subscriptions.restore(&shared, door.clone()).await?;
        context.closing().await;
        shared.shut();
        // The answer is followed by the end of the connection.
        let _ = request(&door, &Command::new("exit")).await;
        std::future::pending().await
    };
    select! {
        error = run => match error {
            EslError::Disconnected if context.is_closing() => Ok(()),
            error => Err(error),
        },
        refused = work => refused,
    }
}

/// Lets nobody in any more, however the session ended.
struct ShutOnDrop<'a>(&'a Shared);

impl Drop for ShutOnDrop<'_> {
    fn drop(&mut self) {
        self.0.shut();
    }
}
