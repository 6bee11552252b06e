use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use http_body::Body as _;

use super::*;
use crate::body::Body;
use crate::static_files::STATIC_CHUNK;
use crate::static_files::file::read_at_once;
use crate::static_files::stream::{FileBody, Part};

async fn pieces(body: &mut Body) -> Result<Vec<usize>, crate::body::BodyError> {
    let mut sizes = Vec::new();
    while let Some(frame) = body.frame().await {
        sizes.push(frame?.into_data().unwrap().len());
    }
    Ok(sizes)
}

async fn open(site: &Site, name: &str) -> Body {
    let uri = Uri::from_static("/static/x");
    let response = site
        .files
        .serve(&Method::GET, &uri, name, &HeaderMap::new())
        .await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

#[tokio::test]
async fn large_files_come_in_large_pieces() {
    let site = Site::new(&[("big.bin", &large())]);
    let chunk = usize::try_from(STATIC_CHUNK).unwrap();
    let mut body = open(&site, "big.bin").await;
    assert_eq!(body.size_hint().exact(), Some(large().len() as u64));
    assert_eq!(pieces(&mut body).await.unwrap(), [chunk, chunk, 7]);
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_file_that_shrinks_breaks_the_response_off() {
    let site = Site::new(&[("big.bin", &large())]);
    let mut body = open(&site, "big.bin").await;
    body.frame().await.unwrap().unwrap();
    let file = fs::File::options()
        .write(true)
        .open(site.path("big.bin"))
        .unwrap();
    file.set_len(STATIC_CHUNK + 5).unwrap();
    assert!(pieces(&mut body).await.is_err());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_file_that_grows_is_sent_as_it_was_announced() {
    let site = Site::new(&[("big.bin", &large())]);
    let mut body = open(&site, "big.bin").await;
    let mut file = fs::File::options()
        .append(true)
        .open(site.path("big.bin"))
        .unwrap();
    file.write_all(&large()).unwrap();
    let sizes = pieces(&mut body).await.unwrap();
    assert_eq!(sizes.iter().sum::<usize>(), large().len());
}

/// Time stands still, so what is known of the file is trusted; what is opened is another.
#[tokio::test(start_paused = true)]
async fn a_large_file_replaced_since_the_last_look_is_looked_at_again() {
    let site = Site::new(&[("big.bin", &large())]);
    let before = site.get("big.bin").await;
    let mut changed = large();
    changed.extend_from_slice(b"more");
    site.write_at("big.bin", &changed, modified() + Duration::from_secs(9));
    let after = site.get("big.bin").await;
    assert_eq!((after.status.as_u16(), after.body), (200, changed));
    assert_ne!(after.headers["etag"], before.headers["etag"]);
    fs::remove_file(site.path("big.bin")).unwrap();
    assert_eq!(site.status("big.bin").await, 404);
}

#[tokio::test]
async fn size_just_under_at_and_over_a_piece() {
    let chunk = usize::try_from(STATIC_CHUNK).unwrap();
    for (size, expected) in [
        (chunk - 1, vec![chunk - 1]),
        (chunk, vec![chunk]),
        (chunk + 1, vec![chunk, 1]),
        (2 * chunk, vec![chunk, chunk]),
    ] {
        let content = &large()[..size];
        let site = Site::new(&[("a.bin", content)]).with(|files| files.cached_file_size(0));
        let mut body = open(&site, "a.bin").await;
        assert_eq!(pieces(&mut body).await.unwrap(), expected);
        assert_eq!(site.get("a.bin").await.body, content);
    }
}

/// An open file of so many pieces, its body, and what tells whether it is still open.
fn body_of(pieces: u64) -> (fs::File, FileBody, Weak<fs::File>) {
    let file = tempfile::tempfile().unwrap();
    file.set_len(pieces * STATIC_CHUNK).unwrap();
    let reader = Arc::new(file.try_clone().unwrap());
    let open = Arc::downgrade(&reader);
    let all = Part::File {
        start: 0,
        length: pieces * STATIC_CHUNK,
    };
    (file, FileBody::new(reader, [all].into()), open)
}

async fn next(body: &mut FileBody) -> Option<std::io::Result<usize>> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap().len()))
}

/// The third piece is not read before the second is taken: the memory of a response is two pieces.
#[tokio::test]
async fn one_piece_is_read_ahead_and_no_more() {
    let chunk = usize::try_from(STATIC_CHUNK).unwrap();
    let (file, mut body, _) = body_of(3);
    body.set_waits();
    assert_eq!(body.has_read_ahead(), None, "not before it is asked for");
    assert_eq!(next(&mut body).await.unwrap().unwrap(), chunk);
    while !body.has_read_ahead().unwrap() {
        tokio::task::yield_now().await;
    }
    file.set_len(0).unwrap();
    // This one was read before the file was cut, the next one was not.
    assert_eq!(next(&mut body).await.unwrap().unwrap(), chunk);
    let error = next(&mut body).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(next(&mut body).await.is_none());
}

/// A file that the system has in memory, of three pieces and a bit, and its body.
fn in_memory(content: &[u8]) -> (FileBody, bool) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    // Not all file systems can say what they have in memory.
    let at_once = read_at_once(&file, 0, &mut [0]).is_some();
    let all = Part::File {
        start: 0,
        length: content.len() as u64,
    };
    (FileBody::new(Arc::new(file), [all].into()), at_once)
}

#[test]
fn what_the_system_has_in_memory_needs_no_thread() {
    let (runtime, release) = busy_disk();
    let content = large();
    let (body, at_once) = in_memory(&content);
    let release = at_once.then_some(release);
    let read = runtime.block_on(body.collect()).unwrap();
    assert_eq!(read.to_bytes(), content);
    drop(release);
}

/// Its memory is used again only when nobody has the piece any more.
#[tokio::test]
async fn a_piece_stays_as_it_is_while_somebody_has_it() {
    let content = large();
    let (mut body, _) = in_memory(&content);
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        pieces.push(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(pieces.concat(), content);
}

/// What is read at once may be less than a piece; here it is because the file ends, which whoever waits sees.
#[tokio::test]
async fn a_file_that_ends_within_a_piece_breaks_the_response_off() {
    for waits in [false, true] {
        let (file, mut body, _) = body_of(2);
        if waits {
            body.set_waits();
        }
        let length = STATIC_CHUNK + 5;
        file.set_len(0).unwrap();
        (&file)
            .write_all(&vec![b'x'; usize::try_from(length).unwrap()])
            .unwrap();
        let mut sent = 0;
        let error = loop {
            match next(&mut body).await.unwrap() {
                Ok(size) => sent += size as u64,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        assert!((STATIC_CHUNK..=length).contains(&sent), "{sent}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_reading() {
    let (_file, mut body, open) = body_of(3);
    body.set_waits();
    next(&mut body).await.unwrap().unwrap();
    assert!(open.upgrade().is_some());
    drop(body);
    while open.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_failure_closes_the_file() {
    let (file, mut body, open) = body_of(2);
    file.set_len(1).unwrap();
    next(&mut body).await.unwrap().unwrap_err();
    while open.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
    assert!(next(&mut body).await.is_none() && body.is_end_stream());
}
