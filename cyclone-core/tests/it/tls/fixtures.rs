//! Keys and certificates in the forms that only other programs write, made with OpenSSL.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::support::foreign;

/// What makes them, one after the other: arguments, split at spaces.
const RECIPE: &[&str] = &[
    "ecparam -name prime256v1 -genkey -out sec1.key",
    "req -x509 -new -key sec1.key -days 30 -subj /CN=sec1 -addext subjectAltName=DNS:sec1.example -addext basicConstraints=critical,CA:FALSE -out sec1.crt",
    "x509 -in sec1.crt -outform DER -out sec1.der",
    "ec -in sec1.key -aes256 -passout pass:secret -out encrypted-sec1.key",
    "pkey -in sec1.key -aes256 -passout pass:secret -out encrypted-pkcs8.key",
    "genrsa -out rsa.key 2048",
    "rsa -in rsa.key -traditional -out pkcs1.key",
    "pkcs8 -topk8 -nocrypt -in rsa.key -out pkcs8.key",
    "req -x509 -new -key pkcs8.key -days 30 -subj /CN=pkcs1 -addext subjectAltName=DNS:pkcs1.example -addext basicConstraints=critical,CA:FALSE -out pkcs1.crt",
    "genrsa -out small.key 1024",
    "req -x509 -new -key small.key -days 30 -subj /CN=small -out small.crt",
];

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tls-keys");
    let folder = folder.join(std::process::id().to_string());
    std::fs::create_dir_all(&folder).unwrap();
    for step in RECIPE {
        make(&folder, step);
    }
    folder
});

fn make(folder: &Path, arguments: &str) {
    let made = foreign("CYCLONE_TEST_OPENSSL")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "openssl {arguments}: {said}");
}

/// The path of one of them.
pub(super) fn fixture(name: &str) -> PathBuf {
    FOLDER.join(name)
}
