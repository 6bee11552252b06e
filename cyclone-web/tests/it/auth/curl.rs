//! curl logs in.

use std::process::Stdio;

use cyclone_web::{Application, Digest, DigestAlgorithm};
use tokio::process::Command;

use super::{digest, foreign, vault};
use crate::support::listen;

/// What curl gets for each of the targets over one connection: the body, and the status.
async fn curl(app: Application, arguments: &[&str], targets: &[&str]) -> String {
    let (_server, address) = listen(app).await;
    let mut command = Command::new(foreign("CYCLONE_TEST_CURL"));
    command
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--write-out",
            " %{http_code}\\n",
        ])
        .args(["--globoff", "--fail-with-body"])
        .args(arguments)
        .args(
            targets
                .iter()
                .map(|target| format!("http://{address}{target}")),
        )
        .stderr(Stdio::inherit());
    let output = command.output().await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn basic() {
    let app = Application::new().get("/", vault);
    let answer = curl(app, &["--basic", "--user", "ada:love:lace \u{e9}"], &["/"]).await;
    assert_eq!(answer, "welcome, ada 200\n");
}

/// Every request after the first counts on with the nonce it has.
#[tokio::test]
async fn digest_with_each_algorithm() {
    for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Md5] {
        let server = Digest::new("the vault").unwrap().algorithms([algorithm]);
        let targets = ["/", "/other/a%20b?c=d%22e", "/?", "/"];
        let login = ["--digest", "--user", "ada:lovelace"];
        let answer = curl(digest::app(&server), &login, &targets).await;
        let line = format!("ada by {} 200\n", algorithm.name());
        assert_eq!(answer, line.repeat(targets.len()));
    }
}

#[tokio::test]
async fn any_scheme_that_the_server_offers() {
    let server = Digest::new("the vault").unwrap();
    let answer = curl(
        digest::app(&server),
        &["--anyauth", "--user", "ada:lovelace"],
        &["/"],
    )
    .await;
    assert_eq!(answer, "ada by SHA-256 200\n");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    for login in ["ada:wrong", "bob:lovelace", "ada:"] {
        let server = Digest::new("the vault").unwrap();
        let answer = curl(digest::app(&server), &["--digest", "--user", login], &["/"]).await;
        assert!(answer.ends_with(" 401\n"), "{answer}");
    }
}

/// The nonce is old as soon as it is made, and used up where there is room for one: curl asks again by itself.
#[tokio::test]
async fn a_used_up_nonce_is_replaced_without_asking() {
    let server = Digest::new("the vault").unwrap().max_nonces(1);
    let app = digest::app(&server);
    let targets = ["/", "/", "/"];
    let login = ["--digest", "--user", "ada:lovelace"];
    let (one, two) = tokio::join!(
        curl(app.clone(), &login, &targets),
        curl(app.clone(), &login, &targets)
    );
    for answer in [one, two] {
        assert_eq!(answer, "ada by SHA-256 200\n".repeat(3));
    }
}
