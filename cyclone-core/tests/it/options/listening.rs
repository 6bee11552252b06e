//! Where the program listens, for combinations of options.

use super::Told;

fn endpoints(arguments: &[&str], file: &str) -> Vec<String> {
    let settings = Told::nothing()
        .on_line(arguments)
        .in_file(file)
        .settings::<()>();
    settings.endpoints.iter().map(ToString::to_string).collect()
}

#[test]
fn the_default_port_gives_way_to_what_was_asked_for() {
    let default = "tcp:8888:interface=127.0.0.1";
    assert_eq!(endpoints(&[], ""), [default]);
    assert_eq!(endpoints(&["--unix=/run/a"], ""), ["unix:/run/a"]);
    assert_eq!(
        endpoints(&["--endpoint=tcp:1", "--endpoint", "tcp:2"], ""),
        ["tcp:1", "tcp:2"]
    );
    assert_eq!(
        endpoints(&["-u/run/a", "-p8888"], ""),
        [default, "unix:/run/a"]
    );
    assert_eq!(
        endpoints(&["-u/run/a"], "listen = '127.0.0.1'"),
        [default, "unix:/run/a"]
    );
    let all = endpoints(&["--endpoint=tcp:1"], "port = 5\nunix = '/run/a'");
    assert_eq!(all, ["tcp:5:interface=127.0.0.1", "unix:/run/a", "tcp:1"]);
}

#[test]
fn the_environment_has_several_endpoints_between_commas() {
    let told = Told::nothing()
        .in_environment("MY_APP_ENDPOINT", r"tcp:1,unix:/a\,b,tcp:2:interface=\:\:1");
    let endpoints = told.settings::<()>().endpoints;
    let endpoints: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    assert_eq!(endpoints, ["tcp:1", "unix:/a,b", r"tcp:2:interface=\:\:1"]);
}

#[test]
fn a_list_in_a_file_keeps_its_commas() {
    let told = Told::nothing().in_file("endpoint = ['unix:/a,b', 'tcp:2']");
    let endpoints = told.settings::<()>().endpoints;
    assert_eq!(endpoints[0].to_string(), "unix:/a,b");
    assert_eq!(endpoints.len(), 2);
    assert_eq!(
        super::effective(&told.settings::<()>(), "endpoint")
            .split("  #")
            .next(),
        Some("endpoint = [\"unix:/a,b\", \"tcp:2\"]")
    );
}

#[test]
fn an_endpoint_may_be_one_text_in_a_file() {
    assert_eq!(endpoints(&[], "endpoint = 'tcp:2'"), ["tcp:2"]);
    // As if it were not there.
    assert_eq!(
        endpoints(&[], "endpoint = []"),
        ["tcp:8888:interface=127.0.0.1"]
    );
}

#[test]
fn errors_of_endpoints_name_the_part_and_the_place() {
    let complaint = Told::nothing()
        .in_file("\nendpoint = ['tcp:1', 'tcp:x']")
        .complaint::<()>();
    assert_eq!(
        complaint,
        "app.toml:2: `endpoint`: invalid value `tcp:x`: endpoint `tcp:x`: `x` is no port"
    );
    let told = Told::nothing().in_environment("MY_APP_ENDPOINT", "tcp:1:colour=red");
    assert_eq!(
        told.complaint::<()>(),
        "environment variable `MY_APP_ENDPOINT`: invalid value `tcp:1:colour=red`: \
         endpoint `tcp:1:colour=red`: unknown option `colour`",
    );
    let complaint = Told::nothing()
        .on_line(&["--endpoint", "ftp:1"])
        .complaint::<()>();
    assert!(
        complaint.contains("endpoint `ftp:1`: unknown kind `ftp`"),
        "{complaint}"
    );
}

#[test]
fn a_certificate_that_somebody_named_must_be_there() {
    let told = Told::nothing().on_line(&["--ssl-cert=nowhere.crt"]);
    let error = told.error::<()>();
    assert_eq!(error.option(), Some("ssl-cert"));
    assert!(
        error.to_string().starts_with("option `--ssl-cert`: `"),
        "{error}"
    );
    assert!(
        error.to_string().contains("nowhere.crt`: No such file"),
        "{error}"
    );
    let told = Told::nothing();
    std::fs::write(told.path("a.crt"), "").unwrap();
    let cert = format!("ssl-cert = '{}'", told.path("a.crt").display());
    let told = told.in_file(&cert);
    let complaint = told.complaint::<()>();
    assert!(
        complaint.starts_with("option `--ssl-key` (by default): `"),
        "{complaint}"
    );
}

#[test]
fn there_is_no_tls_without_a_certificate() {
    let told = Told::nothing();
    let told_there = told.path("").display().to_string();
    let settings = told
        .on_line(&["--ssl-port=1", "--rundir", &told_there])
        .settings::<()>();
    assert!(settings.tls_endpoints.is_empty());
}

/// Two files that nobody reads before the server is bound.
#[cfg(feature = "tls")]
fn with_files(cert: &str, key: &str) -> Told {
    let told = Told::nothing();
    for name in [cert, key] {
        std::fs::write(told.path(name), "").unwrap();
    }
    let directory = told.path("").display().to_string();
    told.on_line(&["--rundir", &directory])
}

#[cfg(feature = "tls")]
fn tls_endpoints(told: &Told) -> Vec<String> {
    let endpoints = told.settings::<()>().tls_endpoints;
    let directory = format!("{}/", told.directory.path().display());
    endpoints
        .iter()
        .map(|endpoint| endpoint.to_string().replace(&directory, ""))
        .collect()
}

#[cfg(feature = "tls")]
#[test]
fn a_certificate_makes_the_port_of_tls() {
    let told = with_files("server.crt", "server.key");
    let default = "tls:8443:interface=127.0.0.1:cert=server.crt:key=server.key";
    assert_eq!(tls_endpoints(&told), [default]);
    // Plain and encrypted ones are different lists, for different applications.
    assert_eq!(told.settings::<()>().endpoints.len(), 1);
    let told = with_files("a:b.crt", "a.key").on_line(&[
        "--ssl-cert=a:b.crt",
        "--ssl-key=a.key",
        "--ssl-port=0",
        "--ssl-listen=::",
        "--tls-endpoint=tcp:1",
        "--ssl-app-opts=x",
    ]);
    assert_eq!(
        tls_endpoints(&told),
        [r"tls:0:interface=\:\::cert=a\:b.crt:key=a.key", "tcp:1"]
    );
}

#[cfg(feature = "tls")]
#[test]
fn half_of_the_default_certificate_is_none() {
    let told = with_files("server.crt", "other.key");
    assert!(tls_endpoints(&told).is_empty());
    let told = told.in_file("ssl-key = 'other.key'");
    assert_eq!(
        tls_endpoints(&told),
        ["tls:8443:interface=127.0.0.1:cert=server.crt:key=other.key"]
    );
}
