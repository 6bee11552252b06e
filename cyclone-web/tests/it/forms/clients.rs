//! Uploads of real clients: curl, Python, Chromium.

use std::net::SocketAddr;
use std::process::Stdio;

use cyclone_core::RunningServer;
use cyclone_web::{Application, Arguments, MultipartConfig, RequestContext, Result};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::listen;

/// A name that every client has its own way to write.
const FILE_NAME: &str = "a\"b \u{e9}\u{65e5}.txt";

/// A program that `cargo xtask test` provides.
fn foreign(variable: &str) -> Command {
    let program = std::env::var_os(variable);
    let program =
        program.unwrap_or_else(|| panic!("{variable} is not set; run `cargo xtask test`"));
    Command::new(program)
}

/// Every byte, and what looks like the line of a boundary.
fn content() -> Vec<u8> {
    let every: Vec<u8> = (0..=255).collect();
    [&every[..], b"\r\n--\r\n--b--\r\n"].concat()
}

async fn show(cx: &mut RequestContext) -> Result {
    let mut lines = Vec::new();
    for (name, value) in cx.form_arguments().into_iter().flat_map(Arguments::iter) {
        lines.push(format!("{name:?} {value:?}"));
    }
    for file in cx.files() {
        let media = file.content_type().unwrap_or("none");
        let bytes = file.bytes().await?;
        let what = match bytes == content() {
            true => "as sent".to_owned(),
            false => format!("{} bytes", bytes.len()),
        };
        lines.push(format!(
            "{:?} {:?} {media} {what}",
            file.name(),
            file.file_name()
        ));
    }
    cx.text(lines.join("\n"))
}

async fn page(cx: &mut RequestContext) -> Result {
    cx.html(
        "<!doctype html><meta charset=utf-8><form method=post enctype=multipart/form-data>\
         <input name='na\"me'><textarea name=note></textarea>\
         <input type=file name=photo multiple><input type=file name=none><button>send</button></form>",
    )
}

/// The server, the directory with the file, and its path.
async fn server() -> (RunningServer, SocketAddr, TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sent.bin");
    std::fs::write(&path, content()).unwrap();
    let config = MultipartConfig::new()
        .file_in_memory(100)
        .directory(directory.path());
    let app = Application::new()
        .multipart(config)
        .get("/", page)
        .post("/", show);
    let (server, address) = listen(app).await;
    (
        server,
        address,
        directory,
        path.to_str().unwrap().to_owned(),
    )
}

async fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// curl waits for `100 Continue` where the body is large.
#[tokio::test]
async fn curl() {
    let (_server, address, _directory, path) = server().await;
    let answer = run(foreign("CYCLONE_TEST_CURL")
        .args(["--silent", "--show-error", "--max-time", "60"])
        .args([
            "--form-string",
            "name= Ad\u{e9} ",
            "-F",
            "empty=",
            "-F",
            "note=a\r\nb;type=text/plain",
        ])
        .arg("-F")
        .arg(format!(
            "photo=@{path};filename=\"a\\\"b \u{e9}\u{65e5}.txt\";type=text/x-thing"
        ))
        .args(["-F", &format!("plain=@{path}")])
        .args(["-H", "Expect: 100-continue"])
        .arg(format!("http://{address}/")))
    .await;
    let expected = [
        "\"name\" \" Ad\u{e9} \"".to_owned(),
        "\"empty\" \"\"".to_owned(),
        r#""note" "a\r\nb""#.to_owned(),
        format!("\"photo\" {FILE_NAME:?} text/x-thing as sent"),
        "\"plain\" \"sent.bin\" application/octet-stream as sent".to_owned(),
    ];
    assert_eq!(answer.lines().collect::<Vec<_>>(), expected);
}

const PYTHON: &str = r#"
import sys, httpx, requests
url, path, name = sys.argv[1:]
content = open(path, "rb").read()
fields = {"name": " Ad\u00e9 ", "empty": ""}
files = [("photo", (name, content, "text/x-thing")), ("plain", ("sent.bin", content))]
print(requests.post(url, data=fields, files=files, timeout=60).text)
print(httpx.post(url, data=fields, files=files, timeout=60).text)
# In chunks of no known number.
with httpx.Client(timeout=60) as client:
    form = client.build_request("POST", url, data=fields, files=files)
    pieces = b"".join(form.stream)
    stream = (pieces[at:at + 11] for at in range(0, len(pieces), 11))
    print(client.post(url, content=stream, headers={"content-type": form.headers["content-type"]}).text)
"#;

#[tokio::test]
async fn python() {
    let (_server, address, _directory, path) = server().await;
    let url = format!("http://{address}/");
    let answer =
        run(foreign("CYCLONE_TEST_PYTHON").args(["-c", PYTHON, &url, &path, FILE_NAME])).await;
    let expected = |plain: &str| {
        [
            "\"name\" \" Ad\u{e9} \"".to_owned(),
            "\"empty\" \"\"".to_owned(),
            format!("\"photo\" {FILE_NAME:?} text/x-thing as sent"),
            format!("\"plain\" \"sent.bin\" {plain} as sent"),
        ]
    };
    let guessed = "application/octet-stream";
    let all = [expected("none"), expected(guessed), expected(guessed)].concat();
    assert_eq!(answer.lines().collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn chromium() {
    let (_server, address, _directory, path) = server().await;
    let modules = std::env::var_os("CYCLONE_TEST_NODE_MODULES");
    let modules = modules.expect("CYCLONE_TEST_NODE_MODULES is not set; run `cargo xtask test`");
    // Only to say what is missing: the script reads it.
    let _ = foreign("CYCLONE_TEST_CHROMIUM");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/forms/browser.cjs");
    let url = format!("http://{address}/");
    let answer = run(foreign("CYCLONE_TEST_NODE")
        .env("NODE_PATH", modules)
        .args([script, &url, &path, FILE_NAME]))
    .await;
    let expected = [
        "\"na\\\"me\" \" Ad\u{e9} \"".to_owned(),
        r#""note" "a\r\nb""#.to_owned(),
        format!("\"photo\" {FILE_NAME:?} text/x-thing as sent"),
        "\"photo\" \"large.bin\" application/octet-stream 3000000 bytes".to_owned(),
    ];
    assert_eq!(answer.lines().collect::<Vec<_>>(), expected);
}
