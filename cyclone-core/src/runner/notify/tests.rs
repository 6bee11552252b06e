use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Notify, connect, watchdog};

/// A service manager, and a connection to it.
fn manager() -> (tempfile::TempDir, UnixDatagram, Notify) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let connected = connect(path.as_os_str().as_encoded_bytes()).unwrap();
    let notify = Notify {
        manager: Some(connected),
        watchdog: None,
    };
    (directory, manager, notify)
}

fn heard(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let read = manager.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..read].to_vec()).unwrap()
}

#[test]
fn each_state_is_one_datagram() {
    let (_directory, manager, notify) = manager();
    notify.ready("serving");
    assert_eq!(heard(&manager), "READY=1\nSTATUS=serving");
    notify.stopping("SIGTERM");
    assert_eq!(heard(&manager), "STOPPING=1\nSTATUS=SIGTERM");
    notify.status("two\nlines");
    assert_eq!(heard(&manager), "STATUS=two; lines");
    notify.main_process(rustix::process::Pid::from_raw(77).unwrap());
    assert_eq!(heard(&manager), "MAINPID=77");
    notify.alive();
    assert_eq!(heard(&manager), "WATCHDOG=1");
    // sd_notify(3): the time of the monotonic clock has to come with it.
    notify.reloading();
    let reloading = heard(&manager);
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(since.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
}

#[test]
fn the_socket_is_still_reached_when_its_path_is_gone() {
    let (directory, manager, notify) = manager();
    directory.close().unwrap();
    notify.alive();
    assert_eq!(heard(&manager), "WATCHDOG=1");
}

#[test]
fn a_busy_service_manager_hears_it_later() {
    let (directory, manager, notify) = manager();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    other.connect(directory.path().join("notify")).unwrap();
    let mut waiting = 0;
    while other.send(b"X=1").is_ok() {
        waiting += 1;
    }
    assert!(waiting > 0);
    let said = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let saying = scope.spawn(|| {
            notify.ready("serving");
            said.store(true, Ordering::Release);
        });
        // Long enough to lose it.
        for _ in 0..10_000 {
            match saying.is_finished() {
                true => break,
                false => std::thread::yield_now(),
            }
        }
        assert!(!said.load(Ordering::Acquire), "it did not wait");
        for _ in 0..waiting {
            assert_eq!(heard(&manager), "X=1");
        }
        assert_eq!(heard(&manager), "READY=1\nSTATUS=serving");
    });
}

#[test]
fn abstract_addresses_begin_with_an_at_sign() {
    let name = format!("cyclone-notify-test-{}", rustix::process::getpid());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    let connected = connect(format!("@{name}").as_bytes()).unwrap();
    connected.send(b"READY=1").unwrap();
    assert_eq!(heard(&manager), "READY=1");
}

#[test]
fn without_a_service_manager_nothing_happens() {
    let notify = Notify::default();
    notify.ready("serving");
    notify.reloading();
    assert_eq!(notify.watchdog(), None);
}

#[test]
fn the_watchdog_is_told_at_half_of_its_time() {
    let own = rustix::process::getpid().to_string();
    let half = Some(Duration::from_secs(5));
    assert_eq!(watchdog(Some("10000000"), None), half);
    assert_eq!(watchdog(Some("10000000"), Some(&own)), half);
    assert_eq!(
        watchdog(Some("10000000"), Some("1")),
        None,
        "it is for another process"
    );
    for nothing in [None, Some(""), Some("0"), Some("soon"), Some("-1")] {
        assert_eq!(watchdog(nothing, None), None);
    }
}
