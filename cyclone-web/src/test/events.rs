//! An event stream of a test.

use std::time::Duration;

use cyclone_sse::{DecodedEvent, Decoder};
use http::header::{ACCEPT, CONTENT_TYPE};

use super::{TestClient, TestError, TestErrorKind, TestRequest, TestStream};

/// Server-sent events, one after the other. Dropping it closes the connection, as a browser does that goes away.
#[derive(Debug)]
pub struct TestEvents {
    stream: TestStream,
    decoder: Decoder,
}

impl TestClient {
    /// Opens an event stream; `client.get(..).events()` does so with more headers.
    ///
    /// # Errors
    /// As [`TestRequest::events`].
    pub async fn events(&self, target: impl AsRef<str>) -> Result<TestEvents, TestError> {
        self.get(target).events().await
    }
}

impl TestRequest {
    /// Says which event was the last that the client had, as a browser does that comes back.
    pub fn last_event_id(self, id: &str) -> Self {
        self.header("last-event-id", id)
    }

    /// Sends it, and reads the answer as an event stream.
    ///
    /// # Errors
    /// When the answer is no event stream; others as for requests.
    pub async fn events(self) -> Result<TestEvents, TestError> {
        let stream = self.header(ACCEPT, "text/event-stream").stream().await?;
        let media = stream.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        if stream.status() != 200 || !media.starts_with("text/event-stream") {
            let message = format!("no event stream: {} {media}", stream.status());
            return Err(TestError::new(TestErrorKind::Response, message));
        }
        Ok(TestEvents {
            stream,
            decoder: Decoder::new(),
        })
    }
}

impl TestEvents {
    /// Waits for the next event; `None` at the end of the stream. Comments, which keep a stream alive, are skipped.
    ///
    /// # Errors
    /// When the connection breaks, an event is too long, or the time limit passes.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<DecodedEvent>, TestError> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.stream.chunk().await? else {
                return Ok(None);
            };
            self.decoder.feed(&chunk).map_err(|error| {
                TestError::new(TestErrorKind::Response, "the stream is malformed").because(error)
            })?;
        }
    }

    /// The id that a browser would come back with; empty when there is none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// How long the server asked the browser to wait before it comes back.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.decoder.retry()
    }

    /// The head of the answer.
    #[must_use]
    pub fn head(&self) -> &TestStream {
        &self.stream
    }
}
