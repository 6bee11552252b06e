//! Logins at other sites: OAuth 1.0a, OAuth 2.0 and OpenID Connect.

mod error;
mod flow;
mod http_client;
mod oauth1;
mod oauth2;
#[cfg(feature = "openid-connect")]
mod openid;
#[cfg(feature = "client")]
mod own_client;
mod provider;
#[cfg(test)]
mod tests;

pub use self::error::{OAuthError, OAuthErrorKind};
pub use self::flow::{LOGIN_AGE, MAX_LOGINS};
pub use self::http_client::{MAX_OAUTH_RESPONSE, OAUTH_TIMEOUT, OAuthHttp, OAuthHttpError};
pub use self::oauth1::{OAuth1, OAuth1Provider, OAuth1Token};
pub use self::oauth2::{OAuth2, OAuth2Login, OAuth2Tokens};
#[cfg(feature = "openid-connect")]
pub use self::openid::{
    IdToken, OPENID_KEYS_AGE, OPENID_KEYS_INTERVAL, OPENID_SKEW, OpenIdConnect, OpenIdLogin,
};
pub use self::provider::{ClientAuth, OAuth2Provider};
