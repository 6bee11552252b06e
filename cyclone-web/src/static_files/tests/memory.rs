use super::*;
use crate::static_files::StaticError;
use crate::static_files::cache::{Cache, Cached};
use crate::static_files::settings::{Settings, Target};

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

#[tokio::test]
async fn cached_file_size_just_under_at_and_over() {
    for (size, kept) in [(999, true), (1000, true), (1001, false)] {
        let content = vec![b'x'; size];
        let site = Site::new(&[("a.txt", &content)]).with(|files| files.cached_file_size(1000));
        assert_eq!(site.get("a.txt").await.body, content);
        let held = site.files.statistics().bytes >= 999 + overhead("a.txt");
        assert_eq!(held, kept, "{size}");
    }
}

/// A larger limit than the default is a quarter of the cache at most, so one file cannot empty it.
#[tokio::test]
async fn a_file_takes_a_quarter_of_the_cache_at_most() {
    let quarter = 2 * MAX_CACHED_FILE;
    for (size, kept) in [(quarter - 1, true), (quarter, true), (quarter + 1, false)] {
        let content = vec![b'x'; usize::try_from(size).unwrap()];
        let site = Site::new(&[("a.txt", &content)]);
        let site = site.with(|files| files.cache_size(4 * quarter).cached_file_size(u64::MAX));
        assert_eq!(site.get("a.txt").await.body, content);
        let statistics = site.files.statistics();
        assert_eq!(statistics.entries, 1);
        assert_eq!(statistics.bytes >= quarter - 1, kept, "{size}");
    }
}

/// What an entry is counted for without content.
fn overhead(name: &str) -> u64 {
    let site = Site::new(&[(name, b"")]);
    let cache = Cache::new(1 << 20, 10);
    fill(&cache, &site, name);
    usage(&cache).1
}

#[tokio::test]
async fn clones_share_the_memory_and_changed_settings_begin_anew() {
    let site = Site::new(&[("a.txt", b"one")]);
    assert_eq!(site.get("a.txt").await.text(), "one");
    let clone = site.files.clone();
    assert_eq!(clone.statistics(), site.files.statistics());
    assert_eq!(clone.statistics().entries, 1);
    assert_eq!(clone.hidden(true).statistics().entries, 0);
    assert_eq!(site.files.statistics().entries, 1);
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
fn evictions_are_counted() {
    let names = ["a", "b", "c", "d", "e"];
    let site = Site::new(&names.map(|name| (name, &b""[..])));
    let cache = Cache::new(1 << 20, 2);
    for (name, evictions) in names.into_iter().zip([0, 0, 1, 2, 3]) {
        fill(&cache, &site, name);
        assert_eq!(cache.usage().2, evictions);
    }
    // To replace or to forget is not to evict.
    fill(&cache, &site, "e");
    cache.remove("e", cache.now());
    assert_eq!((cache.usage().0, cache.usage().2), (1, 3));
}

#[test]
fn the_queue_of_the_hand_does_not_grow_with_every_change() {
    let site = Site::new(&[("a", b""), ("b", b"")]);
    let cache = Cache::new(1 << 20, 10);
    fill(&cache, &site, "a");
    for _ in 0..1000 {
        fill(&cache, &site, "b");
        assert!(cache.queued() <= 4, "{}", cache.queued());
    }
    for _ in 0..1000 {
        fill(&cache, &site, "b");
        cache.remove("b", cache.now());
        assert!(cache.queued() <= 4, "{}", cache.queued());
    }
}

/// A look that took long does not undo what a later one found.
#[tokio::test(start_paused = true)]
async fn the_look_that_began_last_is_right() {
    let site = Site::new(&[("a", b"old")]);
    let cache = Cache::new(1 << 20, 10);
    let load = || match Settings::new(site.path("")).load("a").unwrap() {
        Target::File(entry) => entry,
        Target::Directory => panic!("a directory"),
    };
    let (began, old) = (cache.now(), load());
    tokio::time::advance(Duration::from_millis(1)).await;
    site.write("a", b"new");
    cache.insert(&load(), cache.now());
    cache.insert(&old, began);
    cache.remove("a", began);
    let kept = cache.peek("a").unwrap();
    assert_eq!(kept.identity.file.content.as_deref(), Some(&b"new"[..]));
    // Confirming an entry that is not the one kept does nothing.
    tokio::time::advance(Duration::from_millis(999)).await;
    cache.confirm(&old, cache.now());
    tokio::time::advance(Duration::from_millis(1)).await;
    let interval = Duration::from_secs(1);
    assert!(matches!(
        cache.get("a", interval),
        Cached::Due { overdue: false, .. }
    ));
    cache.confirm(&kept, cache.now());
    assert!(matches!(cache.get("a", interval), Cached::Fresh(_)));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(matches!(
        cache.get("a", interval),
        Cached::Due { overdue: true, .. }
    ));
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
