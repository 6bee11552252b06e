//! What a channel can be told.

use std::ops::Deref;

use super::command::Command;
use super::error::EslError;
use super::esl::{Esl, new_uuid};
use super::message::Reply;
use super::waits::Completion;
use super::wanted::Subscriptions;

mod applications;

/// A channel of FreeSWITCH's, that is one leg of a call.
///
/// The answer to an application says that the channel will execute it, not that it has. Those sent one after the other
/// are executed in that order, each when the one before has ended. [`begin`](Self::begin) waits for one to end.
///
/// The helpers have the names of fiorix/eventsocket, which are those of the dialplan.
#[derive(Clone, Debug)]
pub struct Channel {
    esl: Esl,
    /// None where the connection belongs to the channel.
    uuid: Option<String>,
    /// The channel that an execution ends with.
    own: Option<String>,
}

impl Deref for Channel {
    type Target = Esl;

    fn deref(&self) -> &Esl {
        &self.esl
    }
}

impl Channel {
    pub(super) fn new(esl: Esl, uuid: Option<String>, own: Option<String>) -> Self {
        let own = own.or_else(|| uuid.clone());
        Self { esl, uuid, own }
    }

    /// Its UUID, if it was told.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.own.as_deref()
    }

    /// Sends a message with these headers.
    ///
    /// # Errors
    /// As for [`Esl::order`].
    ///
    /// # Cancel safety
    /// As for [`Esl::send`].
    pub async fn sendmsg(&self, headers: &[(&str, &str)]) -> Result<Reply, EslError> {
        let command = Command::sendmsg(self.uuid.as_deref());
        let command = headers.iter().fold(command, |command, (name, value)| {
            command.header(name, *value)
        });
        self.order(&command).await
    }

    /// Lets the channel execute an application of the dialplan, when those before it have ended (`event-lock`).
    ///
    /// # Errors
    /// As for [`Esl::order`].
    ///
    /// # Cancel safety
    /// As for [`Esl::send`].
    pub async fn execute(&self, application: &str, argument: &str) -> Result<Reply, EslError> {
        let mut headers = vec![
            ("call-command", "execute"),
            ("execute-app-name", application),
        ];
        if !argument.is_empty() {
            headers.push(("execute-app-arg", argument));
        }
        headers.push(("event-lock", "true"));
        self.sendmsg(&headers).await
    }

    /// As [`execute`](Self::execute); the end of the application is waited for by the returned value.
    ///
    /// # Errors
    /// As for [`Esl::order`]; [`EslError::NotSent`] also when the events of the channel do not come.
    ///
    /// # Cancel safety
    /// As for [`Esl::send`].
    pub async fn begin(&self, application: &str, argument: &str) -> Result<Completion, EslError> {
        self.begin_as(&new_uuid(), application, argument).await
    }

    /// As [`begin`](Self::begin), under a name of one's own.
    ///
    /// # Errors
    /// As for [`begin`](Self::begin).
    ///
    /// # Cancel safety
    /// As for [`Esl::send`].
    pub async fn begin_as(
        &self,
        uuid: &str,
        application: &str,
        argument: &str,
    ) -> Result<Completion, EslError> {
        let shared = &self.esl.shared;
        // Of what waits in the channel when it hangs up, the first is never told.
        let names = &["CHANNEL_EXECUTE_COMPLETE", "CHANNEL_HANGUP_COMPLETE"];
        Subscriptions::ensure(shared, names).await?;
        let completion = shared.waits.begin(uuid.to_owned(), self.own.clone())?;
        let mut headers = vec![
            ("call-command", "execute"),
            ("execute-app-name", application),
        ];
        if !argument.is_empty() {
            headers.push(("execute-app-arg", argument));
        }
        headers.extend([("event-lock", "true"), ("Event-UUID", uuid)]);
        self.sendmsg(&headers).await?;
        Ok(completion)
    }

    /// Ends the call, with a cause such as `NORMAL_CLEARING` or `USER_BUSY`.
    ///
    /// # Errors
    /// As for [`Esl::order`].
    ///
    /// # Cancel safety
    /// As for [`Esl::send`].
    pub async fn hangup(&self, cause: &str) -> Result<Reply, EslError> {
        self.sendmsg(&[("call-command", "hangup"), ("hangup-cause", cause)])
            .await
    }
}
