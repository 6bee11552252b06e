//! Providers are spoken to by the HTTP client of this crate.

use bytes::Bytes;
use http::{Request, Response};

use super::http_client::{MAX_OAUTH_RESPONSE, OAuthHttp, OAuthHttpError};
use crate::client::Client;

/// With the feature `client`. Nothing is sent twice and no redirect is followed, whatever the client does for others.
impl OAuthHttp for Client {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, OAuthHttpError> {
        let (parts, body) = request.into_parts();
        let asked = self
            .request(parts.method, parts.uri.to_string())
            .headers(&parts.headers)
            .body(body)
            .redirects(0)
            .retries(0)
            .body_limit(u64::try_from(MAX_OAUTH_RESPONSE).ok());
        let response = asked.send().await?;
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        *answer.body_mut() = response.bytes().await?;
        Ok(answer)
    }
}
