use std::sync::Arc;

use http_body::Body as _;

use super::*;
use crate::body::Body;
use crate::static_files::cache::{Cache, Cached};
use crate::static_files::settings::{Settings, Target};
use crate::static_files::{STATIC_CHUNK, StaticError};

#[tokio::test(start_paused = true)]
async fn small_files_are_served_from_memory_and_looked_at_once_a_second() {
    let site = Site::new(&[("a.txt", b"one")]);
    assert_eq!(site.get("a.txt").await.text(), "one");
    site.write_at("a.txt", b"two", modified() + Duration::from_secs(5));
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(site.get("a.txt").await.text(), "one");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(site.get("a.txt").await.text(), "two");

    fs::remove_file(site.path("a.txt")).unwrap();
    assert_eq!(site.get("a.txt").await.text(), "two");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(site.status("a.txt").await, 404);
    assert_eq!(usage(&site.files.memory.cache), (0, 0));
    // What is not there is looked for every time.
    site.write("a.txt", b"three");
    assert_eq!(site.get("a.txt").await.text(), "three");
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_every_request_looks_at_the_disk() {
    let site = Site::new(&[("a.txt", b"one")]).with(|files| files.check_interval(Duration::ZERO));
    assert_eq!(site.get("a.txt").await.text(), "one");
    site.write_at("a.txt", b"two", modified() + Duration::from_secs(5));
    assert_eq!(site.get("a.txt").await.text(), "two");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_file_moved_over_another_is_noticed_by_its_inode() {
    let site = Site::new(&[("a.txt", b"one"), ("b.txt", b"two")]);
    assert_eq!(site.get("a.txt").await.text(), "one");
    fs::rename(site.path("b.txt"), site.path("a.txt")).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(site.get("a.txt").await.text(), "two");
}

#[tokio::test]
async fn file_size_just_under_at_and_over_the_limit_of_memory() {
    let limit = usize::try_from(MAX_CACHED_FILE).unwrap();
    for (size, kept) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
        let content = vec![b'x'; size];
        let site = Site::new(&[("a.txt", &content)]);
        assert_eq!(site.get("a.txt").await.body, content);
        let (entries, bytes, _) = site.files.memory.cache.usage();
        assert_eq!(entries, 1);
        assert_eq!(bytes >= MAX_CACHED_FILE - 1, kept, "{size}: {bytes}");
        assert_eq!(site.get("a.txt").await.body, content);
    }
}

#[tokio::test]
async fn a_cache_of_no_size_keeps_nothing() {
    let site = Site::new(&[("a.txt", b"one")]).with(|files| files.cache_size(0));
    assert_eq!(site.get("a.txt").await.text(), "one");
    assert_eq!(usage(&site.files.memory.cache), (0, 0));
    site.write("a.txt", b"two");
    assert_eq!(site.get("a.txt").await.text(), "two");
}

/// Entries and bytes.
fn usage(cache: &Cache) -> (usize, u64) {
    let (entries, bytes, _) = cache.usage();
    (entries, bytes)
}

fn fill(cache: &Cache, site: &Site, name: &str) {
    let settings = Settings::new(site.path(""));
    let Target::File(entry) = settings.load(name).unwrap() else {
        panic!("{name}");
    };
    cache.insert(&entry, cache.now());
}

fn has(cache: &Cache, name: &str) -> bool {
    !matches!(cache.get(name, Duration::MAX), Cached::Unknown)
}

#[test]
fn entries_just_under_at_and_over_the_limit_and_second_chance() {
    let site = Site::new(&[("a", b""), ("b", b""), ("c", b""), ("d", b"")]);
    let cache = Cache::new(1 << 20, 3);
    for (name, entries) in [("a", 1), ("b", 2), ("c", 3)] {
        fill(&cache, &site, name);
        assert_eq!(usage(&cache).0, entries);
    }
    assert!(has(&cache, "a"));
    // The hand skips `a`, which was used, and takes `b`.
    fill(&cache, &site, "d");
    assert_eq!(usage(&cache).0, 3);
    assert!(!has(&cache, "b") && has(&cache, "a") && has(&cache, "c") && has(&cache, "d"));
    // All were used: the oldest goes.
    fill(&cache, &site, "b");
    assert_eq!(usage(&cache).0, 3);
    assert!(has(&cache, "b"));
    // Twice the same is one.
    fill(&cache, &site, "b");
    assert_eq!(usage(&cache).0, 3);
    cache.remove("b", cache.now());
    cache.remove("b", cache.now());
    assert_eq!(usage(&cache).0, 2);
}

#[test]
fn bytes_just_under_at_and_over_the_limit() {
    let site = Site::new(&[("a", &[0; 1000]), ("b", &[0; 1000]), ("big", &[0; 9000])]);
    let probe = Cache::new(1 << 20, 10);
    fill(&probe, &site, "a");
    let one = usage(&probe).1;
    assert!(one >= 1000);
    for (limit, entries) in [(2 * one - 1, 1), (2 * one, 2), (2 * one + 1, 2)] {
        let cache = Cache::new(limit, 10);
        fill(&cache, &site, "a");
        fill(&cache, &site, "b");
        assert_eq!(usage(&cache), (entries, entries as u64 * one), "{limit}");
        // Too large alone: others are not driven out for it.
        fill(&cache, &site, "big");
        assert_eq!(usage(&cache).0, entries);
        assert!(has(&cache, "b"));
    }
}

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
    fs::write(site.path("big.bin"), [large(), large()].concat()).unwrap();
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

#[test]
fn errors_of_the_disk_are_told_apart() {
    let status = |error: std::io::Error| StaticError::from_io(error).status().as_u16();
    for (kind, expected) in [
        (std::io::ErrorKind::NotFound, 404),
        (std::io::ErrorKind::NotADirectory, 404),
        (std::io::ErrorKind::InvalidFilename, 404),
        (std::io::ErrorKind::PermissionDenied, 403),
        (std::io::ErrorKind::Other, 500),
    ] {
        assert_eq!(status(kind.into()), expected, "{kind:?}");
    }
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        for (errno, expected) in [
            (Errno::NAMETOOLONG, 404),
            (Errno::LOOP, 404),
            (Errno::MFILE, 503),
            (Errno::NFILE, 503),
            (Errno::NXIO, 403),
            (Errno::IO, 500),
        ] {
            assert_eq!(status(errno.into()), expected, "{errno:?}");
        }
    }
}

#[tokio::test]
async fn many_requests_for_one_file_at_once() {
    let site = Arc::new(Site::new(&[("a.txt", b"one"), ("big.bin", &large())]));
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..64 {
        let site = Arc::clone(&site);
        requests.spawn(async move {
            let (name, expected) = if n % 2 == 0 {
                ("a.txt", 3)
            } else {
                ("big.bin", large().len())
            };
            assert_eq!(site.get(name).await.body.len(), expected);
        });
    }
    while let Some(done) = requests.join_next().await {
        done.unwrap();
    }
    assert_eq!(usage(&site.files.memory.cache).0, 2);
}
