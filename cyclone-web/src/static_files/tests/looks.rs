use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};

use futures_util::FutureExt as _;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::advance;

use super::*;
use crate::static_files::StaticStatistics;

const SECOND: Duration = Duration::from_secs(1);

/// Tells the site that its files were left alone for long.
fn settled(mut files: StaticFiles) -> StaticFiles {
    files.edit().clock = || SystemTime::now() + Duration::from_secs(10);
    files
}

#[track_caller]
fn assert_counts(site: &Site, hits: u64, misses: u64, looks: u64, loads: u64) {
    let now: StaticStatistics = site.files.statistics();
    let now = (now.hits, now.misses, now.looks, now.loads);
    assert_eq!(
        now,
        (hits, misses, looks, loads),
        "hits, misses, looks, loads"
    );
}

/// The directory is gone, so whoever looks at it would not answer like this.
#[tokio::test(start_paused = true)]
async fn a_hit_does_not_touch_the_disk() {
    let site = Site::new(&[("a.js", b"hello"), ("index.html", b"home")]);
    let site = site.with(|files| files.default_filename("index.html"));
    let first = site.get("a.js").await;
    assert_eq!(site.get("").await.text(), "home");
    assert_counts(&site, 0, 2, 2, 2);
    fs::remove_dir_all(site.path("")).unwrap();
    advance(Duration::from_millis(999)).await;

    let hit = site.get("a.js").await;
    assert_eq!(
        (hit.status, hit.headers, hit.body),
        (first.status, first.headers.clone(), first.body)
    );
    let head = site.send(Method::HEAD, "a.js", &[]).await;
    assert_eq!(
        (head.status.as_u16(), head.headers),
        (200, first.headers.clone())
    );
    let etag = first.headers["etag"].to_str().unwrap();
    let unchanged = site.get_with("a.js", &[("if-none-match", etag)]).await;
    assert_eq!(unchanged.status, 304);
    let range = site.get_with("a.js", &[("range", "bytes=1-2")]).await;
    assert_eq!((range.status.as_u16(), range.text()), (206, "el"));
    let ranges = site.get_with("a.js", &[("range", "bytes=0-0,4-4")]).await;
    assert_eq!(ranges.status, 206);
    let unsatisfiable = site.get_with("a.js", &[("range", "bytes=9-")]).await;
    assert_eq!(unsatisfiable.status, 416);
    assert_eq!(site.get("%61.js").await.text(), "hello");
    assert_eq!(site.get("").await.text(), "home");
    let url = site.files.static_url("a.js");
    let versioned = site.get(url.strip_prefix("/static/").unwrap()).await;
    assert_eq!(versioned.text(), "hello");
    assert_counts(&site, 10, 2, 2, 2);

    // The rules for names hold all the same.
    for (path, status) in [("../www/a.js", 403), ("a.js%00", 404), (".a.js", 404)] {
        assert_eq!(site.status(path).await, status, "{path}");
    }
    assert_counts(&site, 10, 2, 2, 2);
    advance(Duration::from_millis(1)).await;
    assert_eq!(site.status("a.js").await, 404);
    assert_counts(&site, 10, 3, 3, 2);
}

#[tokio::test]
async fn a_hit_shares_the_bytes() {
    let site = Site::new(&[("a.txt", b"hello")]);
    let data = async || {
        let uri = Uri::from_static("/static/a.txt");
        let response = site
            .files
            .serve(&Method::GET, &uri, "a.txt", &HeaderMap::new())
            .await;
        let frame = response.into_body().frame().await.unwrap().unwrap();
        frame.into_data().unwrap()
    };
    let (first, second) = (data().await, data().await);
    assert_eq!(first.as_ptr(), second.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn after_a_second_an_unchanged_file_is_looked_at_but_not_read() {
    let site = Site::new(&[("a.js", b"plain"), ("a.js.gz", b"gzip!")]);
    fs::create_dir(site.path("a.js.br")).unwrap();
    let site = site.with(|files| settled(files.precompressed(true)));
    site.get("a.js").await;
    for round in 1..4 {
        advance(SECOND - Duration::from_millis(1)).await;
        assert_eq!(site.get("a.js").await.text(), "plain");
        advance(Duration::from_millis(1)).await;
        assert_eq!(site.get("a.js").await.text(), "plain");
        assert_counts(&site, round, round + 1, round + 1, 1);
    }
    // The one in the other coding counts too.
    site.write("a.js.gz", b"GZIP!");
    advance(SECOND).await;
    assert_eq!(
        site.get_with("a.js", &[("accept-encoding", "gzip")])
            .await
            .text(),
        "GZIP!"
    );
    assert_counts(&site, 3, 5, 5, 2);
}

/// Its time stamps may be those of a change that is yet to come.
#[tokio::test(start_paused = true)]
async fn a_file_changed_just_now_is_read_again() {
    let site = Site::new(&[("a.js", b"hello")]);
    site.get("a.js").await;
    advance(SECOND).await;
    site.get("a.js").await;
    assert_counts(&site, 0, 2, 2, 2);
}

#[test]
fn age_of_a_change_just_under_at_and_over_what_settles_it() {
    use crate::static_files::file::{open, stamp};
    let site = Site::new(&[("a.js", b"hello")]);
    let stamp = stamp(&site.path(""), "a.js").unwrap();
    let (_, metadata) = open(&site.path(""), "a.js").unwrap().unwrap();
    #[cfg(unix)]
    let changed = {
        use std::os::unix::fs::MetadataExt as _;
        let nanos = u64::try_from(metadata.ctime_nsec()).unwrap();
        let seconds = Duration::from_secs(u64::try_from(metadata.ctime()).unwrap());
        UNIX_EPOCH + seconds + Duration::from_nanos(nanos)
    };
    #[cfg(not(unix))]
    let changed = metadata.modified().unwrap();
    for (age, expected) in [(1999, false), (2000, true), (2001, true)] {
        let now = changed + Duration::from_millis(age);
        assert_eq!(stamp.is_settled(now), expected, "{age}");
    }
    assert!(!stamp.is_settled(changed - SECOND));
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_change_that_keeps_size_and_time_is_noticed() {
    use crate::static_files::file::stamp;
    let site = Site::new(&[("a.txt", b"one")]).with(settled);
    assert_eq!(site.get("a.txt").await.text(), "one");
    let before = stamp(&site.path(""), "a.txt");
    // The clock of the file system is coarse.
    let mut writes = 0..100_000;
    while stamp(&site.path(""), "a.txt") == before && writes.next().is_some() {
        site.write("a.txt", b"two");
    }
    advance(SECOND).await;
    assert_eq!(site.get("a.txt").await.text(), "two");
}

/// The file is the same to the byte and the inode; only where it is has changed.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_directory_moved_out_of_the_root_and_linked_is_noticed() {
    use std::os::unix::fs::symlink;
    let site = Site::new(&[("dir/a.txt", b"inside")]).with(settled);
    assert_eq!(site.get("dir/a.txt").await.text(), "inside");
    let outside = site.directory.path().join("moved");
    fs::rename(site.path("dir"), &outside).unwrap();
    symlink(&outside, site.path("dir")).unwrap();
    advance(SECOND).await;
    assert_eq!(site.status("dir/a.txt").await, 403);
    assert_eq!(site.files.statistics().entries, 0);
}

/// Starts so many requests, as far as they go without the disk.
async fn crowd(site: &Arc<Site>, path: &'static str, count: usize) -> JoinSet<Reply> {
    let mut requests = JoinSet::new();
    let started = Arc::new(AtomicUsize::new(0));
    for _ in 0..count {
        let (site, started) = (Arc::clone(site), Arc::clone(&started));
        requests.spawn(async move {
            started.fetch_add(1, Relaxed);
            site.get(path).await
        });
    }
    while started.load(Relaxed) < count {
        tokio::task::yield_now().await;
    }
    requests
}

fn answered(requests: &mut JoinSet<Reply>) -> Vec<Reply> {
    std::iter::from_fn(|| requests.try_join_next())
        .map(Result::unwrap)
        .collect()
}

#[test]
fn a_crowd_shares_one_load() {
    let site = Arc::new(Site::new(&[("a.txt", b"one")]));
    let (runtime, release) = busy_disk();
    runtime.block_on(async {
        let mut requests = crowd(&site, "a.txt", 64).await;
        assert!(answered(&mut requests).is_empty());
        assert_counts(&site, 0, 64, 0, 0);
        drop(release);
        for reply in requests.join_all().await {
            assert_eq!(reply.text(), "one");
        }
    });
    assert_counts(&site, 0, 64, 1, 1);
}

#[test]
fn a_crowd_shares_one_failure() {
    let site = Arc::new(Site::new(&[]));
    let (runtime, release) = busy_disk();
    runtime.block_on(async {
        let requests = crowd(&site, "none.txt", 64).await;
        drop(release);
        for reply in requests.join_all().await {
            assert_eq!(reply.status, 404);
        }
        assert_counts(&site, 0, 64, 1, 0);
        // It is not remembered.
        site.write("none.txt", b"there");
        assert_eq!(site.get("none.txt").await.text(), "there");
    });
}

/// One waits for the look, the others get what is known; after another second they wait too.
#[test]
fn a_crowd_shares_one_look_at_what_may_have_changed() {
    for (age, old) in [(1000, 63), (1999, 63), (2000, 0)] {
        let site = Arc::new(Site::new(&[("a.txt", b"one")]));
        let (runtime, release) = busy_disk();
        runtime.block_on(async {
            release.send(()).unwrap();
            assert_eq!(site.get("a.txt").await.text(), "one");
            let (release, wait) = mpsc::channel::<()>();
            drop(spawn_blocking(move || wait.recv()));
            site.write_at("a.txt", b"two", modified() + SECOND);
            advance(Duration::from_millis(age)).await;
            let mut requests = crowd(&site, "a.txt", 64).await;
            let before = answered(&mut requests);
            assert_eq!(before.len(), old, "{age}");
            assert!(before.iter().all(|reply| reply.text() == "one"));
            drop(release);
            let after = requests.join_all().await;
            assert!(after.iter().all(|reply| reply.text() == "two"));
            assert_counts(&site, old as u64, 65 - old as u64, 2, 2);
        });
    }
}

#[test]
fn a_look_outlives_whoever_began_it() {
    let site = Arc::new(Site::new(&[("a.txt", b"one")]));
    let (runtime, release) = busy_disk();
    runtime.block_on(async {
        let mut first = Box::pin(site.get("a.txt"));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(site.get("a.txt"));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        drop(release);
        assert_eq!(second.await.text(), "one");
        assert_counts(&site, 0, 2, 1, 1);
        assert_eq!(site.get("a.txt").await.text(), "one");
        assert_counts(&site, 1, 2, 1, 1);
    });
}

/// Several runtimes share the files; one has ended, and no thread of it looks any more.
#[test]
fn a_look_that_never_began_is_forgotten() {
    let site = Site::new(&[("a.txt", b"one")]);
    let (runtime, release) = busy_disk();
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    {
        let _enter = handle.enter();
        let reply = site.get("a.txt").now_or_never().unwrap();
        assert_eq!(reply.status, 503);
    }
    drop(release);
    let other = Builder::new_current_thread().build().unwrap();
    other.block_on(async { assert_eq!(site.get("a.txt").await.text(), "one") });
    assert_counts(&site, 0, 2, 1, 1);
}

/// An interval of zero asks for the truth: a look that began before the request is not enough.
#[test]
fn without_an_interval_nothing_is_shared() {
    let site = Site::new(&[("a.txt", b"one")]).with(|files| files.check_interval(Duration::ZERO));
    let site = Arc::new(site);
    let (runtime, release) = busy_disk();
    runtime.block_on(async {
        let requests = crowd(&site, "a.txt", 8).await;
        drop(release);
        assert_eq!(requests.join_all().await.len(), 8);
    });
    assert_eq!(site.files.statistics().looks, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_threads_load_each_file_once() {
    let site = Arc::new(Site::new(&[
        ("a.txt", b"one"),
        ("b.txt", b"two"),
        ("big.bin", &large()),
    ]));
    let requests = crowd_of(&site, 300);
    for reply in requests.join_all().await {
        assert_eq!(reply.status, 200);
    }
    let now = site.files.statistics();
    assert_eq!((now.loads, now.hits + now.misses, now.entries), (3, 300, 3));
}

fn crowd_of(site: &Arc<Site>, count: usize) -> JoinSet<Reply> {
    let mut requests = JoinSet::new();
    for n in 0..count {
        let site = Arc::clone(site);
        requests.spawn(async move { site.get(["a.txt", "b.txt", "big.bin"][n % 3]).await });
    }
    requests
}
