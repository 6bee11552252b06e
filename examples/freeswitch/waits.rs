//! Completions: events that end what a command began.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::error::EslError;
use super::event::Event;

/// Jobs and executions of a connection that may be waited for at once.
pub const MAX_COMPLETIONS: usize = 1024;

/// Who waits for which UUID.
#[derive(Debug, Default)]
pub(super) struct Waits {
    waiting: Mutex<HashMap<String, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// The channel without which it will not be completed.
    channel: Option<String>,
    completed: oneshot::Sender<Result<Event, EslError>>,
}

/// The end of a background job, or of an application that a channel executes. Dropped, nobody waits for it any more;
/// FreeSWITCH goes on with it.
#[derive(Debug)]
#[must_use = "it is not waited for"]
pub struct Completion {
    uuid: String,
    waits: Arc<Waits>,
    /// Until it has come.
    completed: Option<oneshot::Receiver<Result<Event, EslError>>>,
}

impl Waits {
    /// Begins to wait, before the command is sent: its end may come before its answer.
    pub(super) fn begin(
        self: &Arc<Self>,
        uuid: String,
        channel: Option<String>,
    ) -> Result<Completion, EslError> {
        let not_sent = |reason| Err(EslError::NotSent { reason });
        let mut waiting = self.lock();
        if waiting.len() >= MAX_COMPLETIONS {
            return not_sent("too many jobs are waited for");
        }
        if waiting.contains_key(&uuid) {
            return not_sent("a job of this name is waited for");
        }
        let (sender, completed) = oneshot::channel();
        let new = Waiting {
            channel,
            completed: sender,
        };
        waiting.insert(uuid.clone(), new);
        drop(waiting);
        Ok(Completion {
            uuid,
            waits: Arc::clone(self),
            completed: Some(completed),
        })
    }

    /// Tells whoever waits for this event, or for a channel that it ends.
    pub(super) fn see(&self, event: &Event) {
        if let Some(uuid) = event.completes() {
            let waiting = self.lock().remove(uuid);
            if let Some(waiting) = waiting {
                let _ = waiting.completed.send(Ok(event.clone()));
            }
        }
        if event.name() == "CHANNEL_HANGUP_COMPLETE"
            && let Some(channel) = event.channel_uuid()
        {
            self.fail("the channel hung up", |waiting| {
                waiting.channel.as_deref() == Some(channel)
            });
        }
    }

    /// Gives everybody up: the connection that the ends would have come over is gone.
    pub(super) fn fail_all(&self) {
        self.fail("the connection ended before it was done", |_| true);
    }

    fn fail(&self, reason: &'static str, which: impl Fn(&Waiting) -> bool) {
        let gone = self
            .lock()
            .extract_if(|_, waiting| which(waiting))
            .collect::<Vec<_>>();
        for (_, waiting) in gone {
            let _ = waiting
                .completed
                .send(Err(EslError::OutcomeUnknown { reason }));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Completion {
    /// The `Job-UUID` of a job, the `Application-UUID` of an execution.
    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Waits for the end: a `BACKGROUND_JOB` whose [text](Event::text) is what the command printed, or a
    /// `CHANNEL_EXECUTE_COMPLETE`.
    ///
    /// # Errors
    /// [`EslError::OutcomeUnknown`] when the connection, or the channel, ends before.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; but once it has resolved there is nothing more to wait for.
    pub async fn wait(&mut self) -> Result<Event, EslError> {
        let reason = "there is nothing more to wait for";
        let nothing = Err(EslError::OutcomeUnknown { reason });
        let Some(completed) = &mut self.completed else {
            return nothing;
        };
        let completed = completed.await.unwrap_or(nothing);
        self.completed = None;
        completed
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        // Once it has come nobody is there to be removed.
        let Some(mut completed) = self.completed.take() else {
            return;
        };
        completed.close();
        let mut waiting = self.waits.lock();
        // Somebody else may wait for the same name by now.
        if waiting
            .get(&self.uuid)
            .is_some_and(|waiting| waiting.completed.is_closed())
        {
            waiting.remove(&self.uuid);
        }
    }
}
