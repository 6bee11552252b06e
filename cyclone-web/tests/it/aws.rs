//! boto3 signs, we judge.

use std::net::SocketAddr;
use std::process::Stdio;

use cyclone_core::RunningServer;
use cyclone_web::{
    Application, AwsSignatureError, AwsSignatures, Error, RequestContext, RequestHandler, Result,
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::listen;

/// A service that says who has signed, and what it got.
struct Objects {
    signatures: AwsSignatures,
}

impl Objects {
    async fn answer(&self, cx: &mut RequestContext) -> Result {
        let lookup = async |key: &str| Ok((key == "the/key").then(|| "the secret".to_owned()));
        let signer = self.signatures.authenticate(cx, lookup).await?;
        let bytes = cx.body().await?.len();
        cx.set_header("x-signer", signer.access_key())?;
        cx.set_header("x-bytes", bytes.to_string())?;
        let payload = format!("{:?}", signer.payload());
        cx.set_header("x-payload", &payload[..6])?;
        cx.set_header("etag", "\"e\"")?;
        cx.text("")
    }
}

impl RequestHandler for Objects {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        self.answer(cx).await
    }

    async fn put(&self, cx: &mut RequestContext) -> Result {
        self.answer(cx).await
    }

    async fn post(&self, cx: &mut RequestContext) -> Result {
        self.answer(cx).await
    }

    async fn write_error(&self, cx: &mut RequestContext, error: &Error) -> Result {
        let source = error
            .source()
            .and_then(|source| source.downcast_ref::<AwsSignatureError>());
        let code = source.map_or("InternalError", |source| source.code());
        cx.set_header("content-type", "application/xml")?;
        cx.write(format!("<Error><Code>{code}</Code></Error>"));
        cx.finish()
    }
}

async fn server(signatures: AwsSignatures) -> (RunningServer, SocketAddr) {
    let objects = || Objects {
        signatures: signatures.clone(),
    };
    let app = Application::new()
        .route("/", objects())
        .route("/{*path}", objects());
    listen(app).await
}

/// What the script of boto3 says of its requests.
async fn boto3(address: SocketAddr, what: &str) -> Value {
    let python = std::env::var_os("CYCLONE_TEST_PYTHON");
    let python = python.expect("CYCLONE_TEST_PYTHON is not set; run `cargo xtask test`");
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aws/peer.py"))
        .args([format!("http://{address}"), what.to_owned()])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stderr(Stdio::inherit())
        .output()
        .await
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn version_4_of_s3() {
    let (_server, address) = server(AwsSignatures::new("s3").region("eu-central-1")).await;
    let expected = json!({
        "put": [200, "the/key", "11", "Sha256"],
        "get": [200, "the/key", "0", "Sha256"],
        "list": [200, "the/key", "0", "Sha256"],
        "presigned": [200, "the/key", "0", "Unsign"],
        "presigned put": [200, "the/key", "4", "Unsign"],
        "presigned, changed": [403, "SignatureDoesNotMatch"],
        "presigned, of yesterday": [403, "AccessDenied"],
        "body changed": [400, "XAmzContentSHA256Mismatch"],
        "replayed later": [403, "RequestTimeTooSkewed"],
        "wrong secret": [403, "SignatureDoesNotMatch"],
        "unknown key": [403, "InvalidAccessKeyId"],
        "other region": [400, "AuthorizationHeaderMalformed"],
        "not signed": [403, "AccessDenied"],
    });
    assert_eq!(boto3(address, "s3v4").await, expected);
}

#[tokio::test]
async fn hmac_sha1_of_s3() {
    let (_server, address) = server(AwsSignatures::new("s3").allow_version2(true)).await;
    let expected = json!({
        "put": [200, "the/key", "11", "Unsign"],
        "put with md5": [200, "the/key", "4", "Md5(8c"],
        "body changed": [400, "XAmzContentSHA256Mismatch"],
        "get": [200, "the/key", "0", "Unsign"],
        "list": [200, "the/key", "0", "Unsign"],
        "acl": [200, "the/key", "0", "Unsign"],
        "presigned": [200, "the/key", "0", "Unsign"],
        "presigned, changed": [403, "SignatureDoesNotMatch"],
        "presigned, of yesterday": [403, "AccessDenied"],
        "replayed later": [403, "RequestTimeTooSkewed"],
        "wrong secret": [403, "SignatureDoesNotMatch"],
        "unknown key": [403, "InvalidAccessKeyId"],
    });
    assert_eq!(boto3(address, "s3").await, expected);
}

#[tokio::test]
async fn hmac_sha1_is_refused_unless_wanted() {
    let (_server, address) = server(AwsSignatures::new("s3")).await;
    let answers = boto3(address, "s3").await;
    assert_eq!(answers["get"], json!([403, "AccessDenied"]));
    assert_eq!(answers["presigned"], json!([403, "AccessDenied"]));
}

/// Other services do not say the hash of the body, and encode their paths twice.
#[tokio::test]
async fn version_4_of_other_services() {
    let (_server, address) = server(AwsSignatures::new("execute-api")).await;
    let expected = json!({
        "get": [200, "the/key", "0", "Sha256"],
        "post": [200, "the/key", "5", "Sha256"],
        "body changed": [403, "SignatureDoesNotMatch"],
        "presigned": [200, "the/key", "0", "Sha256"],
    });
    assert_eq!(boto3(address, "other").await, expected);
}
