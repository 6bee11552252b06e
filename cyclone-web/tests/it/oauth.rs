//! Logins at other sites.

use std::collections::HashMap;

use bytes::Bytes;
use cyclone_web::{Application, Body, OAuthHttp, OAuthHttpError};
use http::{Request, Response, header};

use crate::support::{call, get};

mod oauth1;
mod oauth2;
mod openid;
mod provider;
mod real;

/// Speaks to a provider that is an application of this process.
struct InProcess(Application);

impl OAuthHttp for InProcess {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, OAuthHttpError> {
        Ok(call(&self.0, request.map(Body::from)).await)
    }
}

/// A browser with a jar.
#[derive(Clone)]
struct Browser {
    app: Application,
    cookies: HashMap<String, String>,
}

impl Browser {
    fn new(app: &Application) -> Self {
        Self {
            app: app.clone(),
            cookies: HashMap::new(),
        }
    }

    async fn get(&mut self, target: &str) -> Response<Bytes> {
        let mut request = get(target);
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            let cookies = cookies.join("; ").parse().unwrap();
            request.headers_mut().insert(header::COOKIE, cookies);
        }
        let answer = call(&self.app, request).await;
        for set in answer.headers().get_all(header::SET_COOKIE) {
            let (pair, attributes) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(attributes.contains("HttpOnly") || attributes.contains("Max-Age=0"));
            match attributes.contains("Max-Age=0") {
                true => drop(self.cookies.remove(name)),
                false => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        answer
    }

    /// Begins a login: what the browser is sent to the provider with.
    async fn begin(&mut self, target: &str) -> (String, HashMap<String, String>) {
        let answer = self.get(target).await;
        assert_eq!(answer.status(), 302);
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        let (url, query) = location.split_once('?').unwrap();
        let query = form_urlencoded::parse(query.as_bytes());
        (url.to_owned(), query.into_owned().collect())
    }
}

/// The target that a provider sends a browser back to.
fn back(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new("/login?".to_owned());
    for (name, value) in pairs {
        query.append_pair(name, value);
    }
    query.finish().replacen("?&", "?", 1)
}
