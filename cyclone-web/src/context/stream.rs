//! Streaming a response.

use std::sync::Arc;

use super::RequestContext;
use super::output::add_media;
use crate::error::{Error, Result};

impl RequestContext {
    /// Sends what has been written, with the head before it the first time, and waits until the connection
    /// took it. From then on the response is a stream: status and headers are fixed.
    ///
    /// A handler is never further ahead of its client than one chunk and what the socket buffers hold: that
    /// is the back-pressure. When the client goes away the handler's future is dropped at this point or at
    /// whichever it waits.
    ///
    /// After a flush, an error or a panic breaks the response off so that the client can tell: no last chunk
    /// in HTTP/1.1, a reset stream in HTTP/2.
    ///
    /// ```
    /// # use cyclone_web::{Application, RequestContext, Result};
    /// # use std::time::Duration;
    /// async fn clock(cx: &mut RequestContext) -> Result {
    ///     for tick in 0..3 {
    ///         cx.write(format!("tick {tick}\n"));
    ///         cx.flush().await?;
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///     }
    ///     cx.finish()
    /// }
    /// # let _ = Application::new().get("/clock", clock);
    /// ```
    ///
    /// # Errors
    /// A 500 when the status allows no body (1xx, 204, 304).
    ///
    /// # Cancel safety
    /// When the future is dropped, what was written may or may not be sent.
    pub async fn flush(&mut self) -> Result<()> {
        let chunk = self.take_written();
        let head = if self.is_flushed() {
            None
        } else {
            Some(self.stream_head()?)
        };
        if head.is_none() && chunk.is_empty() {
            return Ok(());
        }
        let pipe = Arc::clone(self.pipe.get_or_insert_default());
        pipe.flush(head, chunk).await;
        Ok(())
    }

    fn stream_head(&mut self) -> Result<Box<http::response::Parts>> {
        let status = self.status();
        if status.is_informational() || matches!(status.as_u16(), 204 | 304) {
            return Err(Error::internal(format!(
                "a {status} response cannot be flushed"
            )));
        }
        if self.is_head_request() {
            self.pipe.get_or_insert_default().satisfy();
        }
        let media = self.take_media();
        let (status, mut headers) = self.take_head(true);
        add_media(&mut headers, media);
        let mut parts = http::Response::new(()).into_parts().0;
        parts.status = status;
        parts.headers = headers;
        Ok(Box::new(parts))
    }
}
