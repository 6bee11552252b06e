use super::*;

#[tokio::test]
async fn names_that_climb_are_refused() {
    let site = Site::new(&[("a.txt", b"a"), ("dir/b.txt", b"b")]);
    fs::write(site.directory.path().join("secret.txt"), "secret").unwrap();
    for path in [
        "../secret.txt",
        "dir/../../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "..%5csecret.txt",
        "dir/../a.txt",
        "c:/windows/win.ini",
        "%5c%5cserver/share",
    ] {
        assert_eq!(site.status(path).await, 403, "{path}");
    }
    for path in [
        "%252e%252e/secret.txt",
        "a.txt%00.html",
        "a%zz",
        "none.txt",
        "a.txt/b",
        "A.txt/",
    ] {
        assert_eq!(site.status(path).await, 404, "{path}");
    }
    assert_eq!(site.get("dir//b.txt").await.text(), "b");
    let absolute = format!("/{}", site.path("a.txt").display());
    let reply = site
        .send_uri(Method::GET, &Uri::from_static("/x"), &absolute, &[])
        .await;
    assert_eq!(reply.status, 404);
}

/// Tornado 6.6: symbolic links that leave the root are 403. Tornado 4.2.1: a directory whose name
/// begins with that of the root is outside it.
#[cfg(unix)]
#[tokio::test]
async fn tornado_4_2_1_and_6_6_links_that_leave_the_root_are_refused() {
    use std::os::unix::fs::symlink;
    let site = Site::new(&[("a.txt", b"a"), ("dir/b.txt", b"b")]);
    let sibling = site.directory.path().join("www-secret");
    fs::create_dir(&sibling).unwrap();
    fs::write(sibling.join("s.txt"), "secret").unwrap();
    symlink(&sibling, site.path("out")).unwrap();
    symlink(sibling.join("s.txt"), site.path("out.txt")).unwrap();
    symlink("../www-secret/s.txt", site.path("relative.txt")).unwrap();
    symlink("/etc", site.path("etc")).unwrap();
    symlink("dir/b.txt", site.path("in.txt")).unwrap();
    symlink("dir", site.path("in")).unwrap();
    symlink("nowhere", site.path("dangling")).unwrap();
    symlink("loop", site.path("loop")).unwrap();
    for path in [
        "out/s.txt",
        "out.txt",
        "relative.txt",
        "etc/passwd",
        "etc",
        "out/",
    ] {
        assert_eq!(site.status(path).await, 403, "{path}");
    }
    assert_eq!(site.get("in.txt").await.text(), "b");
    assert_eq!(site.get("in/b.txt").await.text(), "b");
    assert_eq!(site.status("dangling").await, 404);
    assert_eq!(site.status("loop").await, 404);

    // The root itself may be a link.
    let link = site.directory.path().join("current");
    symlink("www", &link).unwrap();
    let site = site.with(|_| StaticFiles::new(&link));
    assert_eq!(site.get("a.txt").await.text(), "a");
}

/// A link that is switched while its target is in memory is noticed, even when time and size agree.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_switched_to_the_outside_is_noticed() {
    use std::os::unix::fs::symlink;
    let site = Site::new(&[("a.txt", b"inside!")]);
    symlink("a.txt", site.path("link.txt")).unwrap();
    assert_eq!(site.get("link.txt").await.text(), "inside!");
    let secret = site.directory.path().join("s.txt");
    fs::write(&secret, "secret!").unwrap();
    set_modified(&secret, modified());
    fs::remove_file(site.path("link.txt")).unwrap();
    symlink("../s.txt", site.path("link.txt")).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(site.status("link.txt").await, 403);
}

#[cfg(unix)]
#[tokio::test]
async fn a_fifo_blocks_no_thread_and_a_socket_is_no_file() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let site = Site::new(&[]);
    mknodat(
        CWD,
        site.path("fifo"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    assert_eq!(site.status("fifo").await, 403);
    assert_eq!(site.status("socket").await, 403);
    assert_eq!(site.files.version("fifo"), None);
    // Opened all the same, as when it was put in the place of a file just now, it does not block.
    let error = super::super::file::open(&site.path(""), "fifo").unwrap_err();
    assert_eq!(error.status(), 403);
}

#[tokio::test]
async fn names_too_long_for_the_disk_are_not_found() {
    let site = Site::new(&[]);
    for length in [255, 256, 4095, 4096, 4097, 20_000] {
        assert_eq!(site.status(&"a".repeat(length)).await, 404, "{length}");
    }
    assert_eq!(site.status(&"a/".repeat(2000)).await, 404);
}

#[tokio::test]
async fn hidden_files_need_to_be_allowed() {
    let site = Site::new(&[
        (".env", b"secret"),
        (".git/config", b"secret"),
        ("dir/.htpasswd", b"secret"),
        (".well-known/security.txt", b"public"),
    ]);
    for path in [".env", ".git/config", "dir/.htpasswd", "%2eenv", "."] {
        assert_eq!(site.status(path).await, 404, "{path}");
    }
    assert_eq!(site.get(".well-known/security.txt").await.text(), "public");
    let site = site.with(|files| files.hidden(true));
    assert_eq!(site.get(".env").await.text(), "secret");
    assert_eq!(site.status("../www/.env").await, 403);
}

/// CVE-2023-28370 and Tornado 6.6 (`addslash`): a redirect must not lead to another host.
#[tokio::test]
async fn cve_2023_28370_redirects_stay_on_the_host() {
    let site = Site::new(&[]).with(|files| files.default_filename("index.html"));
    fs::create_dir(site.path("evil.example")).unwrap();
    fs::create_dir(site.path("javascript:x")).unwrap();
    for (uri, path) in [
        ("//evil.example", "evil.example"),
        ("///evil.example", "evil.example"),
        ("/static//evil.example", "/evil.example"),
        ("/\\evil.example", "evil.example"),
        ("/static/\\evil.example", "evil.example"),
        ("/static/javascript:x", "javascript:x"),
        ("//evil.example/..", "evil.example/.."),
        ("//evil.example/%2e%2e", "evil.example/%2e%2e"),
        ("//evil.example?//evil.example", "evil.example"),
    ] {
        // Not every one of them gets this far off the wire.
        let Ok(uri) = uri.parse::<Uri>() else {
            continue;
        };
        let reply = site.send_uri(Method::GET, &uri, path, &[]).await;
        if path.contains('.') && path.ends_with("..") || path.ends_with("%2e") {
            assert_eq!(reply.status, 403, "{uri}");
        } else {
            assert_eq!(reply.status, 301, "{uri}");
            assert!(reply.header("location").starts_with("./"), "{uri}");
        }
    }
}

#[tokio::test]
async fn random_paths_never_show_what_is_outside() {
    fastrand::seed(17);
    let site = Site::new(&[("a", b"ok"), ("d/a", b"ok")]).with(|files| files.hidden(true));
    fs::write(site.directory.path().join("a"), "secret").unwrap();
    let pieces = [
        "..", "a", "d", "/", "%2f", "%2e", ".", "%5c", "www", "%00", "//",
    ];
    for _ in 0..2000 {
        let count = fastrand::usize(0..7);
        let path: String = (0..count)
            .filter_map(|_| fastrand::choice(pieces))
            .collect();
        let reply = site.get(&path).await;
        assert_ne!(reply.body, b"secret", "{path}");
        assert!(
            matches!(reply.status.as_u16(), 200 | 403 | 404),
            "{path} {}",
            reply.status
        );
    }
}
