use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, getpid};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{ASK_TIMEOUT, MAX_REQUESTS, Requests, path, upgrade};
use crate::runner::pidfile::PidFile;

const LIMIT: Duration = Duration::from_secs(60);

fn running() -> (TempDir, PathBuf, PidFile, Requests) {
    let directory = tempfile::tempdir().unwrap();
    let pid_file = directory.path().join("program.pid");
    let file = PidFile::create(&pid_file).unwrap();
    let mut requests = Requests::bind(&pid_file).unwrap();
    requests.listen().unwrap();
    (directory, pid_file, file, requests)
}

async fn asked(pid_file: &Path) -> Result<i32, String> {
    let outcome = upgrade(Some(pid_file), LIMIT).await;
    outcome.map_err(|exit| exit.reason().to_owned())
}

#[tokio::test]
async fn who_asks_hears_how_it_went() {
    let (_directory, pid_file, _file, mut requests) = running();
    let mode = std::fs::metadata(path(&pid_file))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for outcome in [Ok(getpid()), Err("it is broken".to_owned())] {
        let (heard, ()) = tokio::join!(asked(&pid_file), async {
            let request = requests.next().await.unwrap();
            request.answer(&outcome).await;
        });
        assert_eq!(heard, outcome.map(Pid::as_raw_pid));
    }
    let (heard, ()) = tokio::join!(asked(&pid_file), async {
        drop(requests.next().await);
    });
    assert_eq!(heard, Err("the running program has ended".to_owned()));
    requests.remove();
    assert!(!path(&pid_file).exists());
}

#[tokio::test]
async fn without_a_running_program_there_is_nobody_to_ask() {
    let (_directory, pid_file, file, requests) = running();
    drop(file);
    let nobody = format!("no program runs by pid file {}", pid_file.display());
    assert_eq!(asked(&pid_file).await, Err(nobody));
    drop(requests);
    let exit = upgrade(None, LIMIT).await.unwrap_err();
    assert_eq!(exit.code(), 64);
}

#[tokio::test]
async fn an_upgrade_may_take_any_time() {
    let (_directory, pid_file, _file, mut requests) = running();
    let (heard, ()) = tokio::join!(upgrade(Some(&pid_file), Duration::MAX), async {
        let request = requests.next().await.unwrap();
        request.answer(&Ok(getpid())).await;
    });
    assert_eq!(heard.unwrap(), getpid().as_raw_pid());
}

#[tokio::test]
async fn a_successor_listens_on_the_same_socket() {
    let (_directory, pid_file, _file, old) = running();
    let mut new = Requests::inherit(&pid_file, old.share().unwrap());
    drop(old);
    new.listen().unwrap();
    let (heard, ()) = tokio::join!(asked(&pid_file), async {
        let request = new.next().await.unwrap();
        request.answer(&Ok(getpid())).await;
    });
    assert_eq!(heard, Ok(getpid().as_raw_pid()));
    // What a dead process left is replaced.
    drop(new);
    let again = Requests::bind(&pid_file).unwrap();
    again.remove();
}

#[tokio::test]
async fn what_is_no_request_is_not_answered_and_stops_nobody() {
    let (_directory, pid_file, _file, mut requests) = running();
    for nonsense in ["", "upgrade", "UPGRADE\n", "shutdown\n"] {
        let mut stream = UnixStream::connect(path(&pid_file)).await.unwrap();
        stream.write_all(nonsense.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        // A reset is an end too: what was written last may not have been read.
        let _ = stream.read_to_string(&mut answer).await;
        assert_eq!(answer, "");
    }
    let (heard, ()) = tokio::join!(asked(&pid_file), async {
        let request = requests.next().await.unwrap();
        request.answer(&Ok(getpid())).await;
    });
    assert_eq!(heard, Ok(getpid().as_raw_pid()));
}

#[tokio::test(start_paused = true)]
async fn so_many_can_be_silent_and_no_more_before_others_have_to_wait() {
    for (silent, waits) in [
        (MAX_REQUESTS - 1, false),
        (MAX_REQUESTS, true),
        (MAX_REQUESTS + 1, true),
    ] {
        let (_directory, pid_file, _file, mut requests) = running();
        let begin = tokio::time::Instant::now();
        let mut held = Vec::new();
        for _ in 0..silent {
            held.push(UnixStream::connect(path(&pid_file)).await.unwrap());
        }
        let mut asker = UnixStream::connect(path(&pid_file)).await.unwrap();
        asker.write_all(super::UPGRADE).await.unwrap();
        requests.next().await.unwrap().answer(&Ok(getpid())).await;
        // Who says nothing is sent away after a while.
        assert_eq!(begin.elapsed() >= ASK_TIMEOUT, waits, "{silent}");
    }
}
