use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use super::{SocketFiles, another, distribute, duplicate};
use crate::runner::worker::Set;

pub(crate) fn spread_listener() -> TcpListener {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    set_socket_reuseaddr(&socket, true).unwrap();
    set_socket_reuseport(&socket, true).unwrap();
    bind(
        &socket,
        &"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap(),
    )
    .unwrap();
    listen(&socket, 16).unwrap();
    socket.into()
}

fn set(sockets: Vec<OwnedFd>) -> Set {
    let sockets = sockets.into_iter().enumerate();
    sockets
        .map(|(at, socket)| (format!("tcp:{at}"), socket))
        .collect()
}

/// Whether both are the same socket, and not only bound alike.
pub(crate) fn same(one: impl AsFd, other: impl AsFd) -> bool {
    let identity = |fd: &dyn AsFd| {
        let found = rustix::fs::fstat(fd.as_fd()).unwrap();
        (found.st_dev, found.st_ino)
    };
    identity(&one) == identity(&other)
}

#[test]
fn workers_have_sockets_of_their_own_where_the_port_is_shared() {
    let (spread, single) = (spread_listener(), TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [&spread, &single].map(|listener| listener.local_addr().unwrap());
    let first = set(vec![spread.into(), single.into()]);
    let second = another(&first).unwrap();
    assert_eq!(second.len(), 2);
    assert!(!same(&first[0].1, &second[0].1));
    assert!(same(&first[1].1, &second[1].1));
    for ((name, socket), port) in second.into_iter().zip(ports) {
        assert_eq!(
            TcpListener::from(socket).local_addr().unwrap(),
            port,
            "{name}"
        );
    }
}

#[test]
fn no_set_of_the_predecessor_is_left_over() {
    let sets = |count: usize| -> Vec<Set> {
        let names = (0..count).map(|at| format!("tcp:{at}"));
        names
            .map(|name| vec![(name, fs::File::open("/dev/null").unwrap().into())])
            .collect()
    };
    let names = |sets: Vec<Set>| -> Vec<Vec<String>> {
        let sets = sets.into_iter();
        sets.map(|set| set.into_iter().map(|(name, _)| name).collect())
            .collect()
    };
    assert_eq!(names(distribute(sets(2), 2)), [["tcp:0"], ["tcp:1"]]);
    let fewer = [vec!["tcp:0", "tcp:2"], vec!["tcp:1", "tcp:3"]];
    assert_eq!(names(distribute(sets(4), 2)), fewer);
    assert_eq!(names(distribute(sets(1), 3)), [["tcp:0"]]);
    assert_eq!(names(distribute(sets(0), 1)), Vec::<Vec<&str>>::new());
}

#[test]
fn a_duplicate_is_the_same_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = set(vec![listener.into()]);
    let second = duplicate(&first).unwrap();
    assert!(same(&first[0].1, &second[0].1));
    drop(first);
    assert!(TcpStream::connect(address).is_ok());
    drop(second);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn files_of_sockets_go_unless_they_are_inherited_or_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let bound = |name: &str| -> (String, OwnedFd) {
        let listener = UnixListener::bind(path(name)).unwrap();
        (format!("unix:{}", path(name).display()), listener.into())
    };
    let tcp = (
        "tcp:80".to_owned(),
        TcpListener::bind("127.0.0.1:0").unwrap().into(),
    );
    let inherited = vec![bound("inherited"), tcp];
    let mut all = duplicate(&inherited).unwrap();
    all.push(bound("own"));
    all.push(bound("replaced"));

    let mut files = SocketFiles::default();
    files.note(&inherited, true);
    files.note(&all, false);
    fs::remove_file(path("replaced")).unwrap();
    fs::write(path("replaced"), "another file").unwrap();
    files.remove(false);
    assert!(path("inherited").exists() && !path("own").exists() && path("replaced").exists());

    files.note(&inherited, true);
    files.remove(true);
    assert!(!path("inherited").exists());
}
