//! The crates behind the features `websocket` and `sse`, on the context.

use super::RequestContext;
use crate::error::Result;

#[cfg(feature = "websocket")]
impl RequestContext {
    /// Turns the connection into a WebSocket served by `handler`.
    ///
    /// The session begins when the response has been written; the connection stays in the registry and is told
    /// of the shutdown. Path parameters and arguments are read before, and given to the handler.
    ///
    /// ```
    /// use cyclone_web::websocket::{Message, WebSocket, WebSocketHandler};
    /// use cyclone_web::{Application, RequestContext, Result};
    ///
    /// struct Echo;
    /// impl WebSocketHandler for Echo {
    ///     async fn message(&mut self, socket: &WebSocket, message: Message) -> cyclone_web::websocket::Result {
    ///         socket.send(message).await?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// async fn echo(cx: &mut RequestContext) -> Result {
    ///     cx.websocket(Echo)
    /// }
    /// let app = Application::new().get("/echo", echo);
    /// # let _ = app;
    /// ```
    ///
    /// # Errors
    /// None: a request that is no valid handshake, or of an origin that is refused, is answered with its
    /// status.
    pub fn websocket<H>(&mut self, handler: H) -> Result
    where
        H: cyclone_websocket::WebSocketHandler,
    {
        let mut request = self.take_request();
        let response = match cyclone_websocket::upgrade(&mut request, handler) {
            Ok(response) => response.map(|()| crate::Body::empty()),
            Err(refused) => refused.into_response().map(crate::Body::from),
        };
        Ok(response.into())
    }
}

#[cfg(feature = "sse")]
impl RequestContext {
    /// Answers with server-sent events until the stream ends or the client goes away.
    ///
    /// The connection shows as `sse` in the registry, and the stream ends when the server shuts down.
    ///
    /// ```
    /// use cyclone_core::Context;
    /// use cyclone_web::sse::{EventStream, SseChannel};
    /// use cyclone_web::{Application, RequestContext, Result};
    ///
    /// async fn news(cx: &mut RequestContext) -> Result {
    ///     let channel: SseChannel = cx.resources().get::<SseChannel>()?.clone();
    ///     let last = cx.last_event_id();
    ///     let events = channel.subscribe(last.as_deref()).await?;
    ///     cx.event_stream(EventStream::follow(events))
    /// }
    /// let app = Application::new().requires::<SseChannel>().get("/news", news);
    /// # let _ = app;
    /// ```
    ///
    /// # Errors
    /// None; it is a [`Result`] so that it can be returned as it is.
    pub fn event_stream(&mut self, stream: cyclone_sse::EventStream) -> Result {
        let stream = stream.session(self.session().clone());
        Ok(stream.into_response().into())
    }

    /// Where a client that comes back wants to go on: its `Last-Event-ID`.
    #[must_use]
    pub fn last_event_id(&self) -> Option<String> {
        let mut request = http::Request::new(());
        *request.uri_mut() = self.uri().clone();
        *request.headers_mut() = self.headers().clone();
        cyclone_sse::last_event_id(&request).map(str::to_owned)
    }
}
