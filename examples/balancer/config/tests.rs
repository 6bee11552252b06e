use super::*;

const LEAST: &str = r#"
[listeners.web]
endpoints = ["tcp:8080:interface=127.0.0.1"]
group = "blue"
[groups.blue]
backends = [{ name = "one", address = "127.0.0.1:1" }]
"#;

fn refused(text: &str) -> String {
    Config::parse(text).unwrap_err().to_string()
}

#[test]
fn the_least_configuration_has_every_default() {
    let config = Config::parse(LEAST).unwrap();
    let group = &config.groups["blue"];
    assert_eq!(group.scheduler, Scheduler::RoundRobin);
    assert_eq!(group.proxy, ProxyHeaders::Off);
    assert_eq!(group.max_queued, DEFAULT_MAX_QUEUED);
    assert_eq!(group.queue_timeout_s, DEFAULT_QUEUE_TIMEOUT);
    assert_eq!(group.check.rise, DEFAULT_RISE);
    assert_eq!(group.backends[0].weight, 1);
    assert_eq!(config.limits.idle_limit_s, DEFAULT_IDLE_LIMIT);
    assert_eq!(config.limits.drain_idle_limit_s, None);
}

#[test]
fn everything_can_be_set() {
    let text = r#"
        [listeners.web]
        endpoints = ["tcp:8080", "unix:/tmp/web.sock:mode=600"]
        group = "blue"
        [groups.blue]
        scheduler = "least-connections"
        proxy = "v2"
        max_queued = 0
        queue_timeout_s = 0.5
        check = { interval_s = 1, timeout_s = 0.25, rise = 1, fall = 1, send = "PING\r\n", expect = "PONG" }
        [[groups.blue.backends]]
        name = "one"
        address = "unix:/tmp/one.sock"
        weight = 0
        max_connections = 1
        [limits]
        max_connections = 10
        connect_timeout_s = 1.5
        idle_limit_s = 60
        drain_deadline_s = 5
        drain_idle_limit_s = 1
        [console]
        ssh = "tcp:2222"
        host_key = "key"
        authorized_keys = "keys"
        passwords = "passwords"
        socket = "console.sock"
    "#;
    let config = Config::parse(text).unwrap();
    assert_eq!(config.listeners["web"].endpoints.len(), 2);
    let group = &config.groups["blue"];
    assert_eq!(group.queue_timeout_s, Duration::from_millis(500));
    assert_eq!(group.check.send.as_deref(), Some("PING\r\n"));
    assert_eq!(group.backends[0].address.to_string(), "unix:/tmp/one.sock");
    assert_eq!(
        config.limits.drain_idle_limit_s,
        Some(Duration::from_secs(1))
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (from, to, part) in [
        (
            "group = \"blue\"",
            "group = \"red\"",
            "listeners.web: there is no group `red`",
        ),
        (
            "[\"tcp:8080:interface=127.0.0.1\"]",
            "[]",
            "listeners.web: it has no endpoints",
        ),
        ("tcp:8080:interface=127.0.0.1", "tcp:x", "`tcp:x`: "),
        (
            "{ name = \"one\", address = \"127.0.0.1:1\" }",
            "",
            "groups.blue: it has no backends",
        ),
        ("\"one\"", "\"a/b\"", "groups.blue.backends.a/b: a name"),
        ("\"one\"", "\"\"", "a name is no empty word"),
        (
            "127.0.0.1:1",
            "127.0.0.1",
            "`127.0.0.1` is neither HOST:PORT nor unix:PATH",
        ),
        (
            "127.0.0.1:1",
            "unix:",
            "`unix:` is neither HOST:PORT nor unix:PATH",
        ),
        (
            "127.0.0.1:1\"",
            "127.0.0.1:1\", max_connections = 0",
            "max_connections must be 1",
        ),
        (
            "[groups.blue]",
            "[groups.blue]\ncheck = { fall = 0 }",
            "rise and fall must be 1",
        ),
        (
            "[groups.blue]",
            "[groups.blue]\ncheck = { expect = \"\" }",
            "expect has 1 to 4096",
        ),
        (
            "[groups.blue]",
            "[groups.blue]\nscheduler = \"fastest\"",
            "unknown variant `fastest`",
        ),
        (
            "[groups.blue]",
            "[groups.blue]\nqueue_timeout_s = 0",
            "seconds are more than 0",
        ),
        (
            "[groups.blue]",
            "[groups.blue]\nqueue_timeout_s = -1",
            "seconds are more than 0",
        ),
        (
            "[groups.blue]",
            "[groups.blue]\nqueue_timeout_s = inf",
            "seconds are more than 0",
        ),
        (
            "[groups.blue]",
            "[groups.blue]\nqueue = 1",
            "unknown field `queue`",
        ),
        (
            "[groups.blue]",
            "[console]\n[groups.blue]",
            "neither `ssh` nor `socket`",
        ),
        (
            "[groups.blue]",
            "[limits]\nmax_connections = 0\n[groups.blue]",
            "limits.max_connections",
        ),
    ] {
        let text = LEAST.replace(from, to);
        assert_ne!(text, LEAST, "{from}");
        let error = refused(&text);
        assert!(error.contains(part), "{to}: {error}");
    }
    assert!(refused("[groups]\n[listeners]").contains("there are no listeners"));
    let twice = LEAST.replace(
        "backends = [",
        "backends = [{ name = \"one\", address = \"a:2\" }, ",
    );
    assert!(refused(&twice).contains("the name is there twice"));
}

#[test]
fn weights_and_times_end_at_their_limits() {
    let with_weight = |weight: u32| {
        let to = format!("127.0.0.1:1\", weight = {weight}");
        Config::parse(&LEAST.replace("127.0.0.1:1\"", &to))
    };
    assert!(with_weight(MAX_WEIGHT - 1).is_ok());
    assert!(with_weight(MAX_WEIGHT).is_ok());
    assert!(with_weight(MAX_WEIGHT + 1).is_err());
    let with_time = |seconds: u64| {
        let to = format!("[groups.blue]\nqueue_timeout_s = {seconds}");
        Config::parse(&LEAST.replace("[groups.blue]", &to))
    };
    let year = LONGEST.as_secs();
    assert!(with_time(year - 1).is_ok() && with_time(year).is_ok());
    assert!(with_time(year + 1).is_err());
}
