use super::share_tls;
use crate::runner::options::{Parsed, Program, Settings};

fn settings(told: &[&str]) -> Settings {
    let told = ["x"].into_iter().chain(told.iter().copied());
    match Program::new("x").parse_from(told, [("", ""); 0]) {
        Ok(Parsed::Run(settings)) => *settings,
        other => panic!("{other:?}"),
    }
}

/// Whether two workers would have the same certificates and sessions.
fn are_shared(settings: &Settings) -> Vec<bool> {
    let all = settings.endpoints.iter().chain(&settings.tls_endpoints);
    let workers = all.map(|endpoint| [endpoint.clone(), endpoint.clone()]);
    workers
        .map(|endpoints| {
            let [one, two] = endpoints.map(|endpoint| endpoint.load_tls().unwrap());
            one == two
        })
        .collect()
}

#[test]
fn workers_of_one_process_share_certificates_and_sessions() {
    let mut settings = settings(&[
        "--endpoint=tls:0:selfsigned=localhost",
        "--endpoint=tcp:0",
        "--tls-endpoint=tls:0:selfsigned=localhost",
    ]);
    assert_eq!(are_shared(&settings), [false, true, false]);
    share_tls(&mut settings);
    assert_eq!(are_shared(&settings), [true; 3]);
}

#[test]
fn what_cannot_be_read_stays_for_the_server_to_tell() {
    let mut settings = settings(&["--endpoint=tls:0:cert=/nowhere/a.pem"]);
    let before = settings.endpoints.clone();
    share_tls(&mut settings);
    assert_eq!(settings.endpoints, before);
}
