//! A login at a provider that others have written (npm `oidc-provider`), in Chromium.

use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use cyclone_web::client::Client;
use cyclone_web::{Application, OpenIdConnect, RequestContext, RequestHandler, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::listen;

/// The provider needs to know where we are, and we where it is.
#[derive(Clone)]
struct Login {
    client: Arc<OnceLock<OpenIdConnect>>,
}

impl RequestHandler for Login {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        let client = self.client.get().unwrap();
        if cx.optional_argument("state")?.is_none() {
            return client.redirect(cx, "/inbox?box=1").await;
        }
        let login = client.finish(cx).await?;
        let user = client.user(&login).await?;
        let subject = login.id_token().subject();
        assert_eq!(user["sub"], subject);
        cx.set_signed_cookie("user", subject)?;
        cx.redirect(login.next())
    }
}

async fn inbox(cx: &mut RequestContext) -> Result {
    let user = cx.signed_cookie("user")?.unwrap_or_default();
    let mailbox = cx.argument("box")?;
    cx.html(format!(
        "<!doctype html><title>inbox</title><body>mail {mailbox} of {user}"
    ))
}

fn node(script: &str) -> Command {
    let variable = |name| {
        let value = std::env::var_os(name);
        value.unwrap_or_else(|| panic!("{name} is not set; run `cargo xtask test`"))
    };
    let mut command = Command::new(variable("CYCLONE_TEST_NODE"));
    // Only to say what is missing: the script reads it.
    let _ = variable("CYCLONE_TEST_CHROMIUM");
    command
        .env("NODE_PATH", variable("CYCLONE_TEST_NODE_MODULES"))
        .arg(format!(
            "{}/tests/it/oauth/{script}",
            env!("CARGO_MANIFEST_DIR")
        ))
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    command
}

/// Signs with RSA, ECDSA and Ed25519, each as the provider has it.
#[tokio::test]
async fn a_login_in_chromium() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let login = Login {
            client: Arc::default(),
        };
        let app = Application::new()
            .cookie_secret("a secret of 32 bytes, or nearly so")
            .route("/login", login.clone())
            .get("/inbox", inbox);
        let (_server, address) = listen(app).await;
        let ours = format!("http://localhost:{}/login", address.port());
        let mut provider = node("provider.cjs");
        let mut provider = provider
            .args([&*ours, algorithm])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut issuer = String::new();
        let mut lines = BufReader::new(provider.stdout.take().unwrap());
        lines.read_line(&mut issuer).await.unwrap();
        let client = OpenIdConnect::new(issuer.trim(), Client::new(), "app", &ours);
        let client = client.client_secret("a secret: +/ of the client");
        assert!(login.client.set(client).is_ok());
        let output = node("browser.cjs").arg(&ours).output().await.unwrap();
        assert!(output.status.success(), "{algorithm}");
        let page = String::from_utf8(output.stdout).unwrap();
        assert_eq!(page, "mail 1 of ada", "{algorithm}");
    }
}
