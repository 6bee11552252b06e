//! What can be done with a file that was sent.

use cyclone_web::{Application, MultipartConfig, RequestContext, UploadedFile};
use tokio::sync::mpsc;

use super::{MULTIPART, file, form};
use crate::support::{call, post, text};

/// A file that has left its request.
async fn upload(content: &str, config: MultipartConfig) -> UploadedFile {
    let (sender, mut files) = mpsc::unbounded_channel();
    struct Take(mpsc::UnboundedSender<UploadedFile>);
    impl cyclone_web::RequestHandler for Take {
        async fn post(&self, cx: &mut RequestContext) -> cyclone_web::Result {
            self.0.send(cx.file("f")?.clone()).unwrap();
            cx.finish()
        }
    }
    let app = Application::new()
        .multipart(config)
        .route("/", Take(sender));
    let response = call(&app, post("/", MULTIPART, form(&[file("f", "x", content)]))).await;
    assert_eq!(response.status(), 200);
    files.recv().await.unwrap()
}

fn both() -> [MultipartConfig; 2] {
    let config = MultipartConfig::new();
    [config.clone(), config.file_in_memory(0)]
}

#[tokio::test]
async fn a_file_outlives_its_request_as_long_as_somebody_has_it() {
    for config in both() {
        let file = upload("content", config).await;
        assert_eq!((file.len(), file.is_empty()), (7, false));
        assert_eq!(file.bytes().await.unwrap(), "content");
        for (start, length, expected) in [
            (0, 3, "con"),
            (3, 100, "tent"),
            (7, 1, ""),
            (u64::MAX, u64::MAX, ""),
            (1, 0, ""),
        ] {
            assert_eq!(file.read(start, length).await.unwrap(), expected);
        }
        let body = http_body_util::BodyExt::collect(file.to_body())
            .await
            .unwrap();
        assert_eq!(body.to_bytes(), "content");
    }
}

#[tokio::test]
async fn a_file_is_kept_where_nothing_is() {
    for config in both() {
        let directory = tempfile::tempdir().unwrap();
        let file = upload("content", config.directory(directory.path())).await;
        let target = directory.path().join("kept");
        file.persist(&target).await.unwrap();
        let again = file.persist(&target).await.unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        drop(file);
        assert_eq!(std::fs::read(&target).unwrap(), b"content");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

/// Many pieces, none of them of a round size, through the memory and the disk and back.
#[tokio::test]
async fn a_large_file_is_what_was_sent() {
    let content: String = (0..300_000).map(|number| format!("{number},")).collect();
    let app = Application::new().multipart(MultipartConfig::new()).post(
        "/",
        async |cx: &mut RequestContext| {
            let file = cx.file("f")?;
            assert!(!file.is_in_memory());
            let body = file.to_body();
            Ok(http::Response::new(body).into())
        },
    );
    let body = form(&[file("f", "x", &content)]);
    let chunks: Vec<_> = body
        .as_bytes()
        .chunks(7919)
        .map(bytes::Bytes::copy_from_slice)
        .collect();
    let chunks = chunks.into_iter().map(Ok::<_, std::convert::Infallible>);
    let body = cyclone_web::Body::from_stream(futures_util::stream::iter(chunks));
    let response = call(&app, post("/", MULTIPART, body)).await;
    assert!(text(&response) == content);
}
