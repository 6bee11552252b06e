//! Sizes: just under, at, and just over.

use cyclone_web::{
    Application, Limits, MAX_FIELD, MAX_FILE_IN_MEMORY, MAX_FORM_MEMORY, MultipartConfig,
    RequestContext, Result, url,
};
use http::StatusCode;

use super::{MULTIPART, field, file, form};
use crate::support::{call, post, text};

async fn count(cx: &mut RequestContext) -> Result {
    let fields = cx.form_arguments().map_or(0, cyclone_web::Arguments::len);
    let on_disk = cx.files().iter().filter(|file| !file.is_in_memory());
    cx.text(format!("{fields} {} {}", cx.files().len(), on_disk.count()))
}

fn app(config: MultipartConfig) -> Application {
    Application::new().multipart(config).post("/", count)
}

async fn status(app: &Application, parts: &[String]) -> u16 {
    let response = call(app, post("/", MULTIPART, form(parts))).await;
    response.status().as_u16()
}

#[tokio::test]
async fn a_field() {
    let small = app(MultipartConfig::new().field(8));
    for (length, expected) in [(7, 200), (8, 200), (9, 413)] {
        assert_eq!(
            status(&small, &[field("a", &"x".repeat(length))]).await,
            expected
        );
    }
    let default = app(MultipartConfig::new());
    let limit = usize::try_from(MAX_FIELD).unwrap();
    for (length, expected) in [(limit - 1, 200), (limit, 200), (limit + 1, 413)] {
        assert_eq!(
            status(&default, &[field("a", &"x".repeat(length))]).await,
            expected
        );
    }
}

#[tokio::test]
async fn a_file() {
    let app = app(MultipartConfig::new().file(8));
    for (length, expected) in [(7, 200), (8, 200), (9, 413)] {
        assert_eq!(
            status(&app, &[file("a", "x", &"x".repeat(length))]).await,
            expected
        );
    }
}

#[tokio::test]
async fn all_fields_together() {
    let app = app(MultipartConfig::new());
    let header = "Content-Disposition: form-data; name=\"a\"".len();
    let room = usize::try_from(MAX_FORM_MEMORY).unwrap() - 5 * header;
    let fields = |last: usize| -> Vec<String> {
        let largest = usize::try_from(MAX_FIELD).unwrap() - header;
        let lengths = [largest, largest, largest, largest / 2, last];
        let fields = lengths.iter();
        fields
            .map(|length| field("a", &"x".repeat(*length)))
            .collect()
    };
    let largest = usize::try_from(MAX_FIELD).unwrap() - header;
    let last = room - 3 * largest - largest / 2;
    for (last, expected) in [(last - 1, 200), (last, 200), (last + 1, 413)] {
        assert_eq!(status(&app, &fields(last)).await, expected, "{last}");
    }
}

#[tokio::test]
async fn files_beyond_the_memory_go_to_the_disk() {
    let app = app(MultipartConfig::new());
    let at = usize::try_from(MAX_FILE_IN_MEMORY).unwrap();
    for (length, on_disk) in [(at - 1, 0), (at, 0), (at + 1, 1)] {
        let body = form(&[file("a", "x", &"x".repeat(length))]);
        let response = call(&app, post("/", MULTIPART, body)).await;
        assert_eq!(text(&response), format!("0 1 {on_disk}"), "{length}");
    }
    // Fifteen leave less than one more takes.
    let many = vec![file("a", "x", &"x".repeat(at)); 20];
    let response = call(&app, post("/", MULTIPART, form(&many))).await;
    assert_eq!(text(&response), "0 20 5");
}

/// The limit of the body is that of the whole form, of the route or of the application.
#[tokio::test]
async fn the_whole() {
    let body = form(&[file("a", "x", &"x".repeat(1000))]);
    let length = body.len() as u64;
    for (limit, expected) in [(length + 1, 200), (length, 200), (length - 1, 413)] {
        let config = MultipartConfig::new().file_in_memory(0);
        let of_route = Application::new()
            .multipart(config.clone())
            .post(url("/").body_limit(limit), count);
        let of_application = app(config).limits(Limits::new().body(limit));
        for app in [of_route, of_application] {
            let response = call(&app, post("/", MULTIPART, body.clone())).await;
            assert_eq!(response.status(), expected, "{limit}");
        }
    }
}

#[tokio::test]
async fn text_that_is_none() {
    let app = app(MultipartConfig::new());
    let latin = "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nx\r\n";
    let raw = [b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\xe9\r\n--b--".as_slice()];
    for body in [form(&[latin.to_owned()]).into_bytes(), raw.concat()] {
        let response = call(&app, post("/", MULTIPART, body)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(text(&response).contains("not utf-8"));
    }
}

/// A directory that is not there is no fault of the client.
#[tokio::test]
async fn a_disk_that_fails() {
    let config = MultipartConfig::new()
        .file_in_memory(0)
        .directory("/nonexistent/here");
    let response = call(
        &app(config),
        post("/", MULTIPART, form(&[file("a", "x", "y")])),
    )
    .await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!text(&response).contains("nonexistent"));
}
