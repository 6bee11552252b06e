//! Requests of our own, from a handler.

use cyclone_core::Context as _;

use super::RequestContext;
use crate::client::Client;
use crate::error::Result;

impl RequestContext {
    /// The HTTP client of the server's resources.
    ///
    /// ```
    /// use cyclone_web::{Application, RequestContext, Result, client::Client};
    ///
    /// async fn weather(cx: &mut RequestContext) -> Result {
    ///     let response = cx.http_client()?.get("https://weather.example.org/").send().await?;
    ///     let text = response.error_for_status()?.text().await?;
    ///     cx.text(text)
    /// }
    ///
    /// let app = Application::new().requires::<Client>().get("/", weather);
    /// let server = cyclone_core::Server::new().resource(Client::new());
    /// # let _ = (app, server);
    /// ```
    ///
    /// # Errors
    /// A 500 when the server has none.
    pub fn http_client(&self) -> Result<&Client> {
        Ok(self.resources().get::<Client>()?)
    }
}
