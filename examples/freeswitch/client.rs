//! The inbound side: we connect to FreeSWITCH, and again whenever the connection is lost.

use std::ops::Deref;
use std::time::Duration;

use cyclone_core::{Link, LinkError, LinkState};
use tokio::select;
use tokio::time::timeout;

use super::channel::Channel;
use super::command::Command;
use super::error::EslError;
use super::esl::{Esl, new_uuid};
use super::waits::Completion;
use super::wanted::{Subscriptions, Wanted};
pub use builder::EslClientBuilder;
pub use connector::{EslConnection, EslConnector};

mod builder;
mod connector;
mod session;

/// A client of FreeSWITCH's event socket that is always reconnecting. Clones are handles of the same client, which is
/// closed when the last one is dropped.
///
/// Every new connection is told what was subscribed to before anything else is sent, and subscribers are told that
/// there is [a gap](super::Gap::Reconnected).
///
/// ```no_run
/// use std::time::Duration;
/// use cyclone_examples::freeswitch::{EslClient, Notice};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = EslClient::builder("127.0.0.1:8021").password("ClueCon").spawn();
/// client.wait_up(Duration::from_secs(10)).await?;
/// client.subscribe(&["CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"]).await?;
/// let mut events = client.events();
///
/// let mut job = client.bgapi("originate user/1000 &park").await?;
/// println!("{}", job.wait().await?.text());
/// while let Some(notice) = events.recv().await {
///     match notice {
///         Notice::Event(event) => println!("{} {:?}", event.name(), event.channel_uuid()),
///         Notice::Gap(gap) => println!("events may be missing: {gap:?}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EslClient {
    esl: Esl,
    link: Link<EslConnector>,
}

impl Deref for EslClient {
    type Target = Esl;

    fn deref(&self) -> &Esl {
        &self.esl
    }
}

impl EslClient {
    /// Settings for a client of the event socket at `HOST:PORT`.
    pub fn builder(address: impl Into<String>) -> EslClientBuilder {
        EslClientBuilder::new(address.into())
    }

    /// Waits until there is a connection that was told every subscription.
    ///
    /// # Errors
    /// [`LinkError::Timeout`] after `limit`, with why the last attempt failed; [`LinkError::Closed`].
    ///
    /// # Cancel safety
    /// Safe: it only looks.
    pub async fn wait_up(&self, limit: Duration) -> Result<(), LinkError> {
        let mut link = self.link.clone();
        let mut error = None;
        let up = async {
            select! {
                () = self.esl.shared.opened() => Ok(()),
                closed = async {
                    loop {
                        match link.changed().await {
                            LinkState::Closed => return Err(LinkError::Closed),
                            LinkState::Down { error: newest, .. } => error = Some(newest),
                            _ => {}
                        }
                    }
                } => closed,
            }
        };
        match timeout(limit, up).await {
            Ok(result) => result,
            Err(_elapsed) => Err(LinkError::Timeout {
                waited: limit,
                error,
            }),
        }
    }

    /// Subscribes to events by their names, now and on every connection to come. What follows `CUSTOM` in one text are
    /// subclasses: `"CUSTOM sofia::register"`.
    ///
    /// Without a connection it is done with the next. What is subscribed to by [`send`](Esl::send) is forgotten with the
    /// connection.
    ///
    /// # Errors
    /// [`EslError::Refused`], [`EslError::BadCommand`], or [`EslError::NotSent`] when there are too many; then nothing
    /// has changed.
    ///
    /// # Cancel safety
    /// It is done all the same when the future is dropped.
    pub async fn subscribe(&self, names: &[impl AsRef<str> + Sync]) -> Result<(), EslError> {
        let names = owned(names);
        self.change(move |wanted| wanted.add(&names)).await
    }

    /// Ends subscriptions to events by their names.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// As for [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(&self, names: &[impl AsRef<str> + Sync]) -> Result<(), EslError> {
        let names = owned(names);
        self.change(move |wanted| wanted.remove(&names)).await
    }

    /// Lets only events through that have this value of a header, or that of another filter.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// As for [`subscribe`](Self::subscribe).
    pub async fn filter(&self, header: &str, value: &str) -> Result<(), EslError> {
        let (header, value) = (header.to_owned(), value.to_owned());
        self.change(move |wanted| wanted.add_filter(&header, &value))
            .await
    }

    /// Removes a filter.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// As for [`subscribe`](Self::subscribe).
    pub async fn unfilter(&self, header: &str, value: &str) -> Result<(), EslError> {
        let (header, value) = (header.to_owned(), value.to_owned());
        self.change(move |wanted| wanted.remove_filter(&header, &value))
            .await
    }

    /// Asks for the log from this level on (0 is worst, 7 is everything), or for none of it.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// As for [`subscribe`](Self::subscribe).
    pub async fn log(&self, level: Option<u8>) -> Result<(), EslError> {
        self.change(move |wanted| wanted.set_log_level(level)).await
    }

    async fn change(
        &self,
        change: impl FnOnce(&mut Wanted) + Send + 'static,
    ) -> Result<(), EslError> {
        Subscriptions::change(&self.esl.shared, change).await
    }

    /// Runs a command of FreeSWITCH's console in the background; its end is waited for by the returned value.
    ///
    /// # Errors
    /// As for [`order`](Esl::order); [`EslError::NotSent`] also for events in XML, which are not looked into, and when
    /// too many jobs are waited for.
    ///
    /// # Cancel safety
    /// As for [`send`](Esl::send).
    pub async fn bgapi(&self, command: &str) -> Result<Completion, EslError> {
        self.bgapi_as(&new_uuid(), command).await
    }

    /// As [`bgapi`](Self::bgapi), under a name of one's own.
    ///
    /// # Errors
    /// As for [`bgapi`](Self::bgapi).
    ///
    /// # Cancel safety
    /// As for [`send`](Esl::send).
    pub async fn bgapi_as(&self, job_uuid: &str, command: &str) -> Result<Completion, EslError> {
        let shared = &self.esl.shared;
        Subscriptions::ensure(shared, &["BACKGROUND_JOB"]).await?;
        let completion = shared.waits.begin(job_uuid.to_owned(), None)?;
        self.order(&Command::bgapi(command, job_uuid)).await?;
        Ok(completion)
    }

    /// A channel of FreeSWITCH's by its UUID, to be told what to do.
    #[must_use]
    pub fn channel(&self, uuid: impl Into<String>) -> Channel {
        Channel::new(self.esl.clone(), Some(uuid.into()), None)
    }

    /// The connection underneath, with its state and its health.
    #[must_use]
    pub fn link(&self) -> &Link<EslConnector> {
        &self.link
    }

    /// Says `exit` and closes for good; what is on its way is answered first, within the close time limit of the link.
    ///
    /// # Cancel safety
    /// It closes all the same when the future is dropped.
    pub async fn close(&self) {
        self.link.close().await;
    }
}

fn owned(names: &[impl AsRef<str>]) -> Vec<String> {
    let names = names.iter().map(AsRef::as_ref);
    names.map(str::to_owned).collect()
}
