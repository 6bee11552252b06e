//! Signed cookies of an application.

use std::time::{Duration, SystemTime};

use cyclone_web::{Application, CookieSecrets, RequestContext, Result, SetCookie, SignedVersion};
use http::StatusCode;

use super::{cookie_line, set_cookie, with_headers};
use crate::support::{call, get, text};

const SECRET: &str = "32 bytes that nobody can guess..";

async fn set(cx: &mut RequestContext) -> Result {
    cx.set_signed_cookie("user", cx.argument("name")?)?;
    cx.finish()
}

async fn read(cx: &mut RequestContext) -> Result {
    let user = cx.signed_cookie("user")?;
    let version = cx.signed_cookie_key_version("user")?;
    cx.text(format!("{} {version:?}", user.unwrap_or_default()))
}

fn app(secrets: CookieSecrets) -> Application {
    Application::new()
        .cookie_secrets(secrets)
        .get("/set", set)
        .get("/read", read)
}

async fn read_with(app: &Application, cookie: &str) -> String {
    let response = call(app, with_headers(get("/read"), &[("cookie", cookie)])).await;
    text(&response).to_owned()
}

#[tokio::test]
async fn a_signed_cookie_comes_back_and_a_changed_one_does_not() {
    let app = app(CookieSecrets::new(SECRET).unwrap());
    let response = call(&app, get("/set?name=%C3%A4da%20%22;")).await;
    let line = cookie_line(&response, "user").unwrap();
    assert!(
        line.contains("; Max-Age=2592000; HttpOnly; SameSite=Lax"),
        "{line}"
    );
    let cookie = set_cookie(&response, "user").unwrap();
    let whole = read_with(&app, &format!("user={cookie}")).await;
    assert_eq!(whole, "\u{e4}da \"; Some(0)");
    // Python quotes what it does not take for legal.
    let quoted = read_with(&app, &format!("user=\"{cookie}\"")).await;
    assert_eq!(quoted, whole);
    let changed = cookie.replace("4:user", "4:uses");
    assert_eq!(read_with(&app, &format!("user={changed}")).await, " None");
    assert_eq!(read_with(&app, &format!("admin={cookie}")).await, " None");
    // A sibling domain may plant one before it.
    let planted = format!("user=evil; user={cookie}");
    assert_eq!(read_with(&app, &planted).await, whole);
}

#[tokio::test]
async fn keys_change_while_users_stay_logged_in() {
    let versions = |list: &[u32], current| {
        let list = list
            .iter()
            .map(|version| (*version, format!("{SECRET}{version}")));
        app(CookieSecrets::with_versions(list, current).unwrap())
    };
    let response = call(&versions(&[1], 1), get("/set?name=ada")).await;
    let cookie = format!("user={}", set_cookie(&response, "user").unwrap());
    assert_eq!(
        read_with(&versions(&[1, 2], 2), &cookie).await,
        "ada Some(1)"
    );
    assert_eq!(read_with(&versions(&[2], 2), &cookie).await, " None");
    let response = call(&versions(&[1, 2], 2), get("/set?name=ada")).await;
    let cookie = format!("user={}", set_cookie(&response, "user").unwrap());
    assert_eq!(
        read_with(&versions(&[1, 2], 2), &cookie).await,
        "ada Some(2)"
    );
}

#[tokio::test]
async fn values_of_the_first_format_are_read_unless_refused() {
    let secrets = CookieSecrets::new(SECRET).unwrap();
    let v1 = secrets
        .sign_v1_at("user", b"ada", SystemTime::now())
        .unwrap();
    let cookie = format!("user={v1}");
    assert_eq!(read_with(&app(secrets.clone()), &cookie).await, "ada None");
    let strict = app(secrets.min_version(SignedVersion::V2));
    assert_eq!(read_with(&strict, &cookie).await, " None");
}

#[tokio::test]
async fn a_cookie_has_the_attributes_it_is_given_and_the_age_it_is_asked() {
    async fn session(cx: &mut RequestContext) -> Result {
        cx.set_signed_cookie_with(SetCookie::new("user", "ada").path("/a").http_only(true))?;
        cx.finish()
    }
    async fn young(cx: &mut RequestContext) -> Result {
        let day = Duration::from_secs(24 * 60 * 60);
        let signed = cx.signed_cookie_value("user", day)?;
        cx.text(signed.map_or("old", |_signed| "young"))
    }
    let secrets = CookieSecrets::new(SECRET).unwrap();
    let app = app(secrets.clone())
        .get("/session", session)
        .get("/young", young);
    let line = cookie_line(&call(&app, get("/session")).await, "user").unwrap();
    assert!(
        line.ends_with("; Path=/a; HttpOnly; SameSite=Lax"),
        "{line}"
    );
    for (hours, expected) in [(23, "young"), (25, "old")] {
        let then = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
        let cookie = format!("user={}", secrets.sign_at("user", b"ada", then));
        let response = call(&app, with_headers(get("/young"), &[("cookie", &cookie)])).await;
        assert_eq!(text(&response), expected);
    }
}

#[tokio::test]
async fn without_a_secret_it_is_an_error() {
    let app = Application::new().get("/set", set).get("/read", read);
    for target in ["/set?name=ada", "/read"] {
        let response = call(&app, get(target)).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[test]
#[should_panic(expected = "a cookie secret is empty")]
fn an_empty_secret_is_found_at_the_start() {
    let _ = Application::new().cookie_secret("");
}

#[tokio::test]
async fn all_cookies_are_cleared() {
    async fn clear(cx: &mut RequestContext) -> Result {
        cx.clear_all_cookies();
        cx.finish()
    }
    let app = Application::new().get("/", clear);
    let jar = "a=1; __Host-b=2; __Secure-c=3; __Host-Http-d=4; a=5; e/f=6; nothing; g=7";
    let response = call(&app, with_headers(get("/"), &[("cookie", jar)])).await;
    let lines = response.headers().get_all("set-cookie").iter();
    let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
    let names: Vec<_> = lines
        .iter()
        .map(|line| line.split_once('=').unwrap().0)
        .collect();
    assert_eq!(names, ["a", "__Host-b", "__Secure-c", "__Host-Http-d", "g"]);
    for line in lines {
        let expected = "=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0";
        assert!(line.contains(expected), "{line}");
        assert_eq!(line.contains("; Secure"), line.starts_with("__"), "{line}");
    }
    // Just under, exactly and over the limit.
    for (sent, cleared) in [(199, 199), (200, 200), (201, 200)] {
        let jar: Vec<_> = (0..sent).map(|number| format!("c{number}=x")).collect();
        let jar = jar.join("; ");
        let response = call(&app, with_headers(get("/"), &[("cookie", &jar)])).await;
        assert_eq!(
            response.headers().get_all("set-cookie").iter().count(),
            cleared
        );
    }
}

#[cfg(feature = "private-cookies")]
#[tokio::test]
async fn a_private_cookie_comes_back_and_shows_nothing() {
    async fn set(cx: &mut RequestContext) -> Result {
        cx.set_private_cookie("session", "the secret of ada")?;
        cx.set_private_cookie_with(SetCookie::host("short", "another"))?;
        cx.finish()
    }
    async fn read(cx: &mut RequestContext) -> Result {
        let session = cx.private_cookie("session")?;
        let short = cx.private_cookie_value("__Host-short", Duration::from_secs(60))?;
        let short = short.map(|value| String::from_utf8(value.into_value()).unwrap());
        cx.text(format!("{session:?} {short:?}"))
    }
    let secrets = CookieSecrets::new(SECRET).unwrap();
    let app = Application::new()
        .cookie_secrets(secrets)
        .get("/set", set)
        .get("/read", read);
    let response = call(&app, get("/set")).await;
    let line = cookie_line(&response, "session").unwrap();
    assert!(
        line.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"),
        "{line}"
    );
    let line = cookie_line(&response, "__Host-short").unwrap();
    assert!(line.ends_with("; Path=/; Secure; SameSite=Lax"), "{line}");
    let session = set_cookie(&response, "session").unwrap();
    assert!(
        session
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
    let short = set_cookie(&response, "__Host-short").unwrap();
    let read = |session: &str, short: &str| {
        let jar = format!("session=planted; session={session}; __Host-short={short}");
        let request = with_headers(get("/read"), &[("cookie", &jar)]);
        let app = app.clone();
        async move { text(&call(&app, request).await).to_owned() }
    };
    let whole = "Some(\"the secret of ada\") Some(\"another\")";
    assert_eq!(read(&session, &short).await, whole);
    assert_eq!(
        read(&short, &session).await,
        "None None",
        "they are bound to their names"
    );
}
