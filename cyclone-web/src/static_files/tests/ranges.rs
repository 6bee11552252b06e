use super::*;
use crate::range::MAX_RANGES;

#[tokio::test]
async fn single_ranges_of_small_and_large_files() {
    let content = large();
    let site = Site::new(&[("a.bin", &content[..1000]), ("big.bin", &content)]);
    for (name, size) in [("a.bin", 1000), ("big.bin", content.len())] {
        for (range, start, end) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=10-19".to_owned(), 10, 20),
            ("bytes=0-".to_owned(), 0, size),
            ("bytes=-7".to_owned(), size - 7, size),
            (format!("bytes={}-", size - 1), size - 1, size),
            ("bytes=5-99999999999999999999".to_owned(), 5, size),
            ("bytes=0-9,10-19,5-6".to_owned(), 0, 20),
        ] {
            let reply = site.get_with(name, &[("range", &range)]).await;
            assert_eq!(reply.status, 206, "{name} {range}");
            let expected = format!("bytes {start}-{}/{size}", end - 1);
            assert_eq!(reply.header("content-range"), expected);
            assert_eq!(reply.header("content-length"), (end - start).to_string());
            assert_eq!(reply.body, content[start..end], "{name} {range}");
            assert_eq!(reply.header("last-modified"), MODIFIED);
        }
        let reply = site
            .get_with(name, &[("range", &format!("bytes={size}-"))])
            .await;
        assert_eq!(reply.status, 416);
        assert_eq!(reply.header("content-range"), format!("bytes */{size}"));
        assert!(reply.body.is_empty());
        for range in ["bytes=5-4", "items=0-1", "bytes=", "bytes=x"] {
            let reply = site.get_with(name, &[("range", range)]).await;
            assert_eq!(
                (reply.status.as_u16(), reply.body.len()),
                (200, size),
                "{range}"
            );
        }
        // Ranges are for GET.
        let head = site
            .send(Method::HEAD, name, &[("range", "bytes=0-0")])
            .await;
        assert_eq!(
            (head.status.as_u16(), head.header("content-range")),
            (200, "")
        );
    }
}

#[tokio::test]
async fn several_ranges_are_sent_as_multipart() {
    let content = large();
    let site = Site::new(&[("a.bin", &content[..1000]), ("big.bin", &content)]);
    for (name, size) in [("a.bin", 1000), ("big.bin", content.len())] {
        let range = format!("bytes=0-1,-3,{}-{}", size / 2, size / 2 + 299);
        let reply = site.get_with(name, &[("range", &range)]).await;
        assert_eq!(reply.status, 206);
        assert_eq!(reply.header("content-range"), "");
        let content_type = reply.header("content-type");
        let boundary = content_type
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let mut expected = Vec::new();
        for (start, end) in [(0, 2), (size / 2, size / 2 + 300), (size - 3, size)] {
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Range: bytes {start}-{}/{size}\r\n\r\n",
                end - 1
            );
            expected.extend_from_slice(head.as_bytes());
            expected.extend_from_slice(&content[start..end]);
        }
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert_eq!(reply.body, expected);
        assert_eq!(reply.header("content-length"), expected.len().to_string());
    }
}

#[tokio::test]
async fn too_many_ranges_get_the_whole() {
    let site = Site::new(&[("a.bin", &large()[..1000])]);
    for (count, status) in [
        (MAX_RANGES - 1, 206),
        (MAX_RANGES, 206),
        (MAX_RANGES + 1, 200),
    ] {
        let ranges: Vec<String> = (0..count).map(|n| format!("{0}-{0}", n * 2)).collect();
        let range = format!("bytes={}", ranges.join(","));
        let reply = site.get_with("a.bin", &[("range", &range)]).await;
        assert_eq!(reply.status, status, "{count}");
    }
}

#[tokio::test]
async fn if_range_guards_against_mixing_versions() {
    let site = Site::new(&[("a.txt", b"hello"), ("big.bin", &large())]);
    for name in ["a.txt", "big.bin"] {
        let etag = site.get(name).await.header("etag").to_owned();
        for (if_range, status) in [
            (etag.as_str(), 206),
            (MODIFIED, 206),
            ("\"other\"", 200),
            (&format!("W/{etag}"), 200),
            ("Sun, 06 Nov 1994 08:49:38 GMT", 200),
        ] {
            let headers = [("range", "bytes=1-2"), ("if-range", if_range)];
            let reply = site.get_with(name, &headers).await;
            assert_eq!(reply.status, status, "{name} {if_range}");
        }
        // A range beyond the end of another version is no error.
        let headers = [("range", "bytes=99999999-"), ("if-range", "\"other\"")];
        assert_eq!(site.get_with(name, &headers).await.status, 200);
    }
    // A large file changed just now has a weak tag, which no range may trust.
    site.write_at(
        "big.bin",
        &large(),
        SystemTime::now() + Duration::from_secs(60),
    );
    let site = site.with(|files| files.check_interval(Duration::ZERO));
    let etag = site.get("big.bin").await.header("etag").to_owned();
    assert!(etag.starts_with("W/"), "{etag}");
    let headers = [("range", "bytes=1-2"), ("if-range", etag.as_str())];
    assert_eq!(site.get_with("big.bin", &headers).await.status, 200);
    set_modified(&site.path("big.bin"), modified());
    let etag = site.get("big.bin").await.header("etag").to_owned();
    assert!(etag.starts_with('"'), "{etag}");
}
