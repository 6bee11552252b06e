//! Acceptance: certificates are replaced while h2load runs, and no request fails.

use tokio::process::Command;
use tokio::time::timeout;

use super::{Site, program, said};
use crate::tour::PATIENCE;

const REQUESTS: usize = 1_000;
const CLIENTS: usize = 10;

impl Site {
    fn h2load(&self, options: &[&str]) -> Command {
        let mut h2load = program("CYCLONE_TEST_H2LOAD");
        let (requests, clients) = (REQUESTS.to_string(), CLIENTS.to_string());
        h2load.args(["-n", &requests, "-c", &clients]).args(options);
        h2load.args(["--connect-to", &format!("127.0.0.1:{}", self.port())]);
        h2load.arg(format!("https://example.org:{}/", self.port()));
        h2load
    }

    /// The serial number of the certificate that a new client is shown.
    async fn serial(&self) -> String {
        let address = format!("127.0.0.1:{}", self.port());
        let mut openssl = self
            .certificates
            .openssl(&["s_client", "-connect", &address]);
        let shown = said(openssl.args(["-servername", "example.org"])).await;
        std::fs::write(self.path("shown.pem"), shown).unwrap();
        let mut openssl = self.certificates.openssl(&["x509", "-noout", "-serial"]);
        said(openssl.args(["-in", "shown.pem"])).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_is_replaced_under_load() {
    let site = Site::start().await;
    let before = site.serial().await;
    let loading = async {
        let mut runs = 0;
        // Each run makes new connections and keeps them, over HTTP/1.1 and HTTP/2 in turns.
        while site.tls.state().generation < 4 || runs < 2 {
            let options: &[&str] = match runs % 2 {
                0 => &["--h1"],
                _ => &["-m", "4"],
            };
            let text = said(&mut site.h2load(options)).await;
            let all = format!(
                "requests: {REQUESTS} total, {REQUESTS} started, {REQUESTS} done, {REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout"
            );
            assert!(text.contains(&all), "{text}");
            runs += 1;
        }
    };
    let replacing = async {
        for generation in 2..=4 {
            let names = "DNS:example.org,DNS:*.example.org,IP:127.0.0.1";
            // Two files: in between they do not belong together, which changes nothing.
            site.certificates
                .issue("server", "ca", "serverAuth", names)
                .await;
            let mut watch = site.tls.watch();
            let replaced = watch.wait_for(|state| state.generation >= generation);
            timeout(PATIENCE, replaced)
                .await
                .expect("it is not read")
                .unwrap();
        }
    };
    tokio::join!(loading, replacing);
    let after = site.serial().await;
    assert_ne!(before, after);
    let newest = site.tls.certificates()[0].serial().to_uppercase();
    assert_eq!(after.trim(), format!("serial={newest}"));
    assert!(site.tls.state().failure.is_none());
    assert_eq!(site.server.registry().refused(), 0);
}
