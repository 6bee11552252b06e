//! Providers of OAuth 2.0.

use std::borrow::Cow;

type Text = Cow<'static, str>;

/// How a client proves to the provider that it is itself. (RFC 6749, 2.3.1)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuth {
    /// By HTTP Basic.
    #[default]
    Basic,
    /// In the form.
    Form,
}

/// The endpoints of a provider of OAuth 2.0, and its peculiarities.
///
/// ```
/// use cyclone_web::OAuth2Provider;
///
/// let own = OAuth2Provider::new("https://id.example.org/authorize", "https://id.example.org/token")
///     .user_endpoint("https://id.example.org/me");
/// assert_ne!(own, OAuth2Provider::github());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Provider {
    pub(super) authorization: Text,
    pub(super) token: Text,
    pub(super) user: Option<Text>,
    pub(super) scope: Text,
    pub(super) issuer: Option<Text>,
    pub(super) client_auth: ClientAuth,
    /// Facebook wants each use of a token to be signed with the secret.
    pub(super) proves_secret: bool,
}

impl OAuth2Provider {
    /// Any provider, by its authorization and token endpoints. They have to be `https`, except on the loopback
    /// interface.
    pub fn new(authorization: impl Into<Text>, token: impl Into<Text>) -> Self {
        Self {
            authorization: authorization.into(),
            token: token.into(),
            user: None,
            scope: Cow::Borrowed(""),
            issuer: None,
            client_auth: ClientAuth::Basic,
            proves_secret: false,
        }
    }

    /// GitHub, for the user's name and addresses.
    #[must_use]
    pub fn github() -> Self {
        Self::new(
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
        )
        .user_endpoint("https://api.github.com/user")
        .scope("read:user user:email")
        .client_auth(ClientAuth::Form)
    }

    /// Google without OpenID Connect, which is the better choice: `OpenIdConnect::google`.
    #[must_use]
    pub fn google() -> Self {
        Self::new(
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
        )
        .user_endpoint("https://openidconnect.googleapis.com/v1/userinfo")
        .scope("openid email profile")
        .client_auth(ClientAuth::Form)
    }

    /// Facebook, for the user's name and address; requests are signed with `appsecret_proof`.
    #[must_use]
    pub fn facebook() -> Self {
        let mut facebook = Self::new(
            "https://www.facebook.com/v21.0/dialog/oauth",
            "https://graph.facebook.com/v21.0/oauth/access_token",
        )
        .user_endpoint("https://graph.facebook.com/v21.0/me?fields=id,name,email")
        .scope("public_profile email")
        .client_auth(ClientAuth::Form);
        facebook.proves_secret = true;
        facebook
    }

    /// X, for the user's name.
    #[must_use]
    pub fn x() -> Self {
        Self::new(
            "https://x.com/i/oauth2/authorize",
            "https://api.x.com/2/oauth2/token",
        )
        .user_endpoint("https://api.x.com/2/users/me")
        .scope("users.read tweet.read")
    }

    /// Sets where the provider tells who the user is.
    #[must_use]
    pub fn user_endpoint(mut self, url: impl Into<Text>) -> Self {
        self.user = Some(url.into());
        self
    }

    /// Sets what is asked for, names with spaces between.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Text>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Sets the `iss` that answers have to have (RFC 9207).
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<Text>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets how the client proves that it is itself; by HTTP Basic unless set.
    #[must_use]
    pub fn client_auth(mut self, by: ClientAuth) -> Self {
        self.client_auth = by;
        self
    }
}
