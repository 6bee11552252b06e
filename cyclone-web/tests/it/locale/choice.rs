//! The language of a request.

use cyclone_web::locale::Translations;
use cyclone_web::{Application, Body, RequestContext, RequestHandler, Response, Result};
use http::Request;

use crate::locale_support::{POLISH, SPANISH, folder};
use crate::support::{call, get, text};

struct Page;

impl RequestHandler for Page {
    async fn prepare(&self, cx: &mut RequestContext) -> Result<Option<Response>> {
        if let Some(code) = cx.header("x-set").map(str::to_owned) {
            cx.set_locale(&code);
        }
        Ok(None)
    }

    async fn get(&self, cx: &mut RequestContext) -> Result {
        let locale = cx.locale();
        assert_eq!(cx.locale().code(), locale.code());
        cx.text(locale.translate("Hello").to_owned())
    }

    fn user_locale(&self, cx: &RequestContext) -> Option<String> {
        cx.header("x-user").map(str::to_owned)
    }
}

async fn function(cx: &mut RequestContext) -> Result {
    let locale = cx.locale();
    cx.text(locale.translate("Hello").to_owned())
}

async fn choose(cx: &mut RequestContext) -> Result {
    let locale = cx.set_locale_cookie("pl-PL")?;
    cx.text(locale.code().to_owned())
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get(path);
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

fn application(translations: Translations) -> Application {
    Application::new()
        .translations(translations.cookie("lang"))
        .user_locale(|cx| cx.header("x-app").map(str::to_owned))
        .route("/", Page)
        .get("/function", function)
        .get("/choose", choose)
}

#[tokio::test]
async fn user_then_cookie_then_header_then_default() {
    let (_folder, path) = folder(&[("pl", POLISH), ("es", SPANISH)]);
    let app = application(Translations::from_gettext(path, "site").unwrap());
    const PL: &str = "Cześć";
    let accept = ("accept-language", "es");
    for (headers, expected, vary) in [
        (&[][..], "Hello", Some("accept-language")),
        (
            &[("accept-language", "da, es-MX;q=0.7, pl;q=0.9")],
            PL,
            Some("accept-language"),
        ),
        (
            &[("accept-language", "da"), accept],
            "Hola",
            Some("accept-language"),
        ),
        (
            &[("accept-language", "da, fr")],
            "Hello",
            Some("accept-language"),
        ),
        (&[accept, ("cookie", "a=b; lang=pl")], PL, Some("cookie")),
        (
            &[accept, ("cookie", "lang=da")],
            "Hola",
            Some("accept-language"),
        ),
        (
            &[accept, ("cookie", "lang=es"), ("x-user", "pl_PL")],
            PL,
            None,
        ),
        (
            &[accept, ("cookie", "lang=pl"), ("x-user", "da")],
            PL,
            Some("cookie"),
        ),
        (
            &[accept, ("cookie", "lang=pl"), ("x-app", "en")],
            PL,
            Some("cookie"),
        ),
        (&[accept, ("x-app", "pl")], PL, None),
        (&[accept, ("x-user", "es"), ("x-app", "pl")], "Hola", None),
        (&[accept, ("x-user", "es"), ("x-set", "pl")], PL, None),
        (&[accept, ("x-set", "da")], "Hello", None),
    ] {
        let response = call(&app, request("/", headers)).await;
        assert_eq!(text(&response), expected, "{headers:?}");
        let found = response
            .headers()
            .get_all("vary")
            .iter()
            .collect::<Vec<_>>();
        assert_eq!(found, vary.iter().collect::<Vec<_>>(), "{headers:?}");
    }
    let response = call(
        &app,
        request("/function", &[accept, ("x-app", "pl"), ("x-user", "es")]),
    )
    .await;
    assert_eq!(text(&response), PL);
}

#[tokio::test]
async fn a_choice_is_kept_in_a_cookie() {
    let (_folder, path) = folder(&[("pl", POLISH)]);
    let translations = Translations::from_gettext(path, "site").unwrap();
    let app = application(translations.clone());
    let response = call(&app, get("/choose")).await;
    assert_eq!(text(&response), "pl");
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert_eq!(cookie, "lang=pl; Path=/; Max-Age=31536000; SameSite=Lax");
    let next = call(&app, request("/", &[("cookie", "lang=pl")])).await;
    assert_eq!(text(&next), "Cześć");

    let without = Application::new()
        .translations(translations)
        .get("/choose", choose);
    assert_eq!(call(&without, get("/choose")).await.status(), 500);
}

#[tokio::test]
async fn without_translations_messages_stay_as_they_are() {
    let app = Application::new().route("/", Page);
    let response = call(
        &app,
        request("/", &[("accept-language", "pl"), ("x-set", "es")]),
    )
    .await;
    assert_eq!(text(&response), "Hello");
    assert!(!response.headers().contains_key("vary"));
}

#[tokio::test]
async fn changed_catalogues_are_read_in_debug_mode_only() {
    let (_folder, path) = folder(&[("pl", POLISH)]);
    let file = path.join("pl/LC_MESSAGES/site.po");
    let app = application(Translations::from_gettext(&path, "site").unwrap());
    let debugging = application(Translations::from_gettext(&path, "site").unwrap()).debug(true);
    let polish = || request("/", &[("accept-language", "pl")]);
    std::fs::write(&file, POLISH.replace("Cześć", "Dzień dobry")).unwrap();
    assert_eq!(text(&call(&app, polish()).await), "Cześć");
    assert_eq!(text(&call(&debugging, polish()).await), "Dzień dobry");
    // A broken one leaves what was there.
    std::fs::write(&file, "msgid").unwrap();
    assert_eq!(text(&call(&debugging, polish()).await), "Dzień dobry");
}
