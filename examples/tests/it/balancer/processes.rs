//! The balancer as a process in front of the tour: real requests, real signals, real deaths.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;

use super::load::{Load, Lost};
use crate::tour::{PATIENCE, Tour, get, say};

/// A balancer in front of some tours; all of them are killed when it is dropped.
struct Front {
    folder: TempDir,
    tours: Vec<Option<Tour>>,
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    web: SocketAddr,
    /// The page of the operator.
    page: SocketAddr,
}

/// Where a listener of this name is.
async fn listening(output: &mut Lines<BufReader<ChildStdout>>, name: &str) -> String {
    let beginning = format!("listening {name}://");
    loop {
        // There is the log between.
        let line = timeout(PATIENCE, output.next_line()).await.unwrap();
        let line = line.unwrap().expect("the balancer ended at its start");
        if let Some(address) = line.strip_prefix(&beginning) {
            return address.to_owned();
        }
    }
}

impl Front {
    async fn start(tours: usize, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut started, mut backends) = (Vec::new(), String::new());
        for (number, name) in (0..tours).zip(["a", "b", "c"]) {
            let tour = Tour::start(&folder.path().join(number.to_string()), &[]).await;
            let address = tour.http;
            backends += &format!("{{ name = \"{name}\", address = \"{address}\" }}, ");
            started.push(Some(tour));
        }
        let config = format!(
            "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1\"]\ngroup = \"tours\"\n\
             [groups.tours]\nbackends = [{backends}]\n\
             check = {{ interval_s = 0.05, send = \"GET /status HTTP/1.0\\r\\n\\r\\n\", expect = \"200 OK\" }}\n\
             [console]\nsocket = \"console\"\n{more}\n"
        );
        let path = folder.path().join("balancer.toml");
        fs::write(&path, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_balancer"))
            .arg("--balancer")
            .arg(&path)
            .args(["--port", "0", "--log-format", "json"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let web = listening(&mut output, "web").await.parse().unwrap();
        let page = listening(&mut output, "http").await.parse().unwrap();
        listening(&mut output, "console").await;
        Self {
            folder,
            tours: started,
            child,
            output,
            web,
            page,
        }
    }

    /// What the console answers to a command.
    async fn ask(&self, command: &str) -> String {
        let path = self.folder.path().join("console");
        let mut socket = UnixStream::connect(path).await.unwrap();
        let lines = format!("{command}\r\nquit\r\n");
        socket.write_all(lines.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let reading = socket.read_to_string(&mut answer);
        timeout(PATIENCE, reading).await.unwrap().unwrap();
        answer
    }

    /// What the console says of a backend.
    async fn backend(&self, name: &str) -> String {
        let answer = self.ask("backends").await;
        let line = answer.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// How many connections a backend was given.
    async fn served(&self, name: &str) -> u64 {
        let line = self.backend(name).await;
        let (before, _) = line.split_once(" served").unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    }

    async fn until(&self, name: &str, part: &str) {
        let waiting = async { while !self.backend(name).await.contains(part) {} };
        let waited = timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{}", self.backend(name).await);
    }

    async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    /// The end of the balancer: it must be a good one. What it printed at last.
    async fn end(&mut self) -> Vec<String> {
        let status = timeout(PATIENCE, self.child.wait()).await;
        assert!(status.expect("the balancer hangs").unwrap().success());
        let mut lines = Vec::new();
        while let Some(line) = self.output.next_line().await.unwrap() {
            lines.push(line);
        }
        lines
    }
}

/// What the operator's page answers; it wants to be asked by its own name.
async fn page(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

const CLIENTS: usize = 8;

/// Nobody notices but those whose request the dead one had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_dies_under_load_and_comes_back() {
    let mut front = Front::start(3, "").await;
    let load = Load::start(front.web, CLIENTS);
    load.wait(300).await;
    let dead = front.tours[0].take().unwrap();
    let address = dead.http.to_string();
    dead.kill().await;
    front.until("tours/a", " down (").await;
    load.wait(600).await;
    let served = front.served("tours/a").await;
    load.wait(300).await;
    assert_eq!(front.served("tours/a").await, served);
    let data = front.folder.path().join("0");
    front.tours[0] = Some(Tour::start(&data, &["--http", &address]).await);
    front.until("tours/a", " up, weight").await;
    let serving = async { while front.served("tours/a").await <= served {} };
    let waited = timeout(PATIENCE, serving).await;
    assert!(waited.is_ok(), "{}", front.backend("tours/a").await);
    let lost = load.end().await;
    assert!(lost.len() <= CLIENTS, "{lost:?}");
    assert!(!lost.contains(&Lost::Refused), "{lost:?}");
    for name in ["tours/b", "tours/c"] {
        let backend = front.backend(name).await;
        assert!(backend.contains(" 0 broken, "), "{backend}");
        assert!(backend.contains(" 0 falls, "), "{backend}");
    }
}

/// A backend that is drained loses nobody at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_is_replaced_under_load_without_a_loss() {
    let mut front = Front::start(2, "").await;
    let load = Load::start(front.web, CLIENTS);
    load.wait(200).await;
    assert_eq!(
        front.ask("drain tours/a").await,
        "tours/a is draining\r\n\r\n\r\n"
    );
    front.until("tours/a", " 0 open; ").await;
    let old = front.tours[0].take().unwrap();
    let address = old.http.to_string();
    old.terminate().await;
    old.end().await;
    load.wait(200).await;
    let data = front.folder.path().join("0");
    front.tours[0] = Some(Tour::start(&data, &["--http", &address]).await);
    front.until("tours/a", " up, weight").await;
    front.ask("enable tours/a").await;
    load.wait(200).await;
    assert_eq!(load.end().await, []);
}

/// A new process takes the listeners over with a new configuration, and no request is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_configuration_is_taken_over_under_load() {
    let mut front = Front::start(2, "").await;
    let load = Load::start(front.web, CLIENTS);
    load.wait(200).await;
    let path = front.folder.path().join("balancer.toml");
    let old = fs::read_to_string(&path).unwrap();
    let new = old.replacen("\" }", "\", weight = 0 }", 1);
    assert_ne!(old, new);
    fs::write(&path, new).unwrap();
    front.signal("-USR2").await;
    // The new process says where it is at the same place.
    let web = listening(&mut front.output, "web").await;
    assert_eq!(web, front.web.to_string());
    let ended = timeout(PATIENCE, front.child.wait()).await.unwrap();
    assert!(ended.unwrap().success());
    load.wait(200).await;
    assert_eq!(load.end().await, []);
    assert_eq!(front.served("tours/a").await, 0);
    assert!(front.served("tours/b").await > 0);
    let answer = front.ask("shutdown").await;
    assert!(answer.starts_with("shutting down"), "{answer}");
    // Until the new process has closed it.
    let rest = async { while front.output.next_line().await.unwrap().is_some() {} };
    timeout(PATIENCE, rest).await.unwrap();
}

/// SIGTERM ends the balancer, but no request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_balancer_drains_under_load() {
    let mut front = Front::start(2, "[limits]\ndrain_deadline_s = 2").await;
    let mut socket = connect_async(format!(
        "ws://{}/room/lobby/socket?name=guest&after=0",
        front.web
    ))
    .await
    .unwrap()
    .0;
    let load = Load::start(front.web, CLIENTS);
    load.wait(200).await;
    front.signal("-TERM").await;
    let lost = load.end_of_server().await;
    assert!(lost.iter().all(|one| *one == Lost::Refused), "{lost:?}");
    assert_eq!(lost.len(), CLIENTS);
    // The socket goes on until the deadline.
    socket.send(say("id-1", "still here")).await.unwrap();
    let heard = async {
        while let Some(Ok(message)) = socket.next().await {
            if message
                .to_text()
                .is_ok_and(|text| text.contains("still here"))
            {
                return;
            }
        }
        panic!("the socket was closed");
    };
    timeout(PATIENCE, heard).await.unwrap();
    let report = front.end().await;
    let cut = |line: &&String| line.contains("\"cut\"") && line.contains(" balanced ");
    assert_eq!(report.iter().filter(cut).count(), 1, "{report:?}");
}

#[tokio::test]
async fn curl_does_not_notice_the_balancer() {
    let front = Front::start(2, "").await;
    let Some(curl) = std::env::var_os("CYCLONE_TEST_CURL") else {
        panic!("CYCLONE_TEST_CURL is not set: run `cargo xtask test`");
    };
    let direct = front.tours[0].as_ref().unwrap().http;
    let page = get(direct, "/static/tour.css").await;
    for more in ["--http1.1", "--http1.0", "--http2-prior-knowledge"] {
        let running = Command::new(&curl)
            .args(["-sS", "--fail", more])
            .arg(format!("http://{}/static/tour.css", front.web))
            .output();
        let output = timeout(PATIENCE, running).await.unwrap().unwrap();
        assert!(output.status.success(), "{more}: {output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), page, "{more}");
    }
    let groups = front.ask("groups").await;
    assert_eq!(
        groups,
        "tours round-robin, 2 backends, 0 clients wait; serves web\r\n\r\n\r\n"
    );
    for (command, answer) in [
        ("disable tours/x", "error: there is no backend `tours/x`"),
        ("switch web tours", "web is served by tours"),
        ("switch web blue", "error: there is no group `blue`"),
        ("backends blue", "error: there is no group `blue`"),
        ("services", "health-checks up"),
    ] {
        assert!(front.ask(command).await.starts_with(answer), "{command}");
    }
}

#[tokio::test]
async fn the_page_and_the_metrics_show_backends() {
    let front = Front::start(2, "").await;
    get(front.web, "/status").await;
    front.until("tours/a", " 0 open; 1 served").await;
    let metrics = page(front.page, "/metrics").await;
    for line in [
        "cyclone_backend_connections_total{backend=\"tours/a\"} 1",
        "cyclone_backend_connections_total{backend=\"tours/b\"} 0",
        "cyclone_backend_group_queued{backend_group=\"tours\"} 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    // It accepts a moment before it says so.
    let ready = async {
        while !page(front.page, "/ready")
            .await
            .starts_with("HTTP/1.1 200 ")
        {}
    };
    timeout(PATIENCE, ready).await.expect("it is not ready");
}

#[tokio::test]
async fn a_configuration_is_checked_without_doing_anything() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_balancer"));
        command
            .args(["--check", "--port", "0", "--balancer"])
            .arg(path);
        let running = command.output();
        timeout(PATIENCE, running).await.unwrap().unwrap()
    };
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("balancer/balancer.toml");
    assert!(check(&sample).await.status.success());
    let path = folder.path().join("wrong.toml");
    fs::write(&path, "[listeners]\n[groups]\n").unwrap();
    let output = check(&path).await;
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("wrong.toml") && error.contains("there are no listeners"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The backends of a balancer that has no descriptor left are as well as they were.
#[tokio::test]
async fn a_balancer_without_descriptors_does_not_blame_its_backends() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1\"]\ngroup = \"g\"\n\
         [groups.g]\nqueue_timeout_s = 3600\ncheck = {{ interval_s = 0.02, fall = 1 }}\n\
         backends = [{{ name = \"a\", address = \"{}\", max_connections = 1 }}]\n\
         [limits]\nmax_connections = 1000\n",
        super::echo('a').await
    );
    let path = folder.path().join("balancer.toml");
    fs::write(&path, config).unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 50 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_balancer"))
        .arg("--balancer")
        .arg(&path)
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let web = listening(&mut output, "web").await;
    // One is served and the others wait, each with a descriptor, until there is none.
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(TcpStream::connect(&web).await.unwrap());
    }
    let said = async {
        loop {
            let line = output.next_line().await.unwrap().expect("it ended");
            if line.contains("cannot check") || line.contains("taken out") {
                return line;
            }
        }
    };
    let said = timeout(PATIENCE, said).await.unwrap();
    assert!(said.contains("cannot check"), "{said}");
}

/// What reads the output of a process may die, and the process after an upgrade begins with that output.
#[tokio::test]
async fn a_balancer_needs_nobody_who_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[listeners.web]\nendpoints = [\"tcp:0:interface=127.0.0.1\"]\ngroup = \"g\"\n\
         [groups.g]\nbackends = [{{ name = \"a\", address = \"{}\" }}]\n\
         [console]\nsocket = \"console\"\n",
        super::nowhere().await
    );
    let path = folder.path().join("balancer.toml");
    fs::write(&path, config).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_balancer"))
        .arg("--balancer")
        .arg(&path)
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let asked = async {
        let socket = folder.path().join("console");
        loop {
            assert_eq!(child.try_wait().unwrap(), None, "it ended");
            if let Ok(mut socket) = UnixStream::connect(&socket).await {
                socket.write_all(b"shutdown\r\n").await.unwrap();
                let mut answer = String::new();
                socket.read_to_string(&mut answer).await.unwrap();
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = timeout(PATIENCE, asked).await.unwrap();
    assert!(answer.starts_with("shutting down"), "{answer}");
    let ended = timeout(PATIENCE, child.wait()).await.unwrap();
    assert!(ended.unwrap().success());
}
