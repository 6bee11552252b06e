//! The commands that every console has.

use std::fmt::Write as _;
use std::time::Duration;

use cyclone_core::runner::logging::LogHandle;
use cyclone_core::{ConnectionId, Context, Registry, ServerHandle, SourceSnapshot};

use super::command::{Answer, Call, Command, CommandError};
use super::limits::MAX_SHOWN_CONNECTIONS;
use super::log_level::LogLevel;

type Outcome = Result<Answer, CommandError>;

pub(super) fn all() -> impl Iterator<Item = Command> {
    [
        Command::new("status", "", "the server in short", status),
        Command::new(
            "connections",
            "[PROTOCOL]",
            "open connections, oldest first",
            connections,
        ),
        Command::new("close", "ID", "ends a connection at once", close),
        Command::new("services", "", "the services and how they are", services),
        Command::new("pools", "", "pools and links, and what they did", pools),
        Command::new("log", "LEVEL", "sets what is logged", log),
        Command::new(
            "shutdown",
            "[now]",
            "ends the server: drains it, or cuts at once",
            shutdown,
        ),
        Command::new("quit", "", "ends this conversation", quit),
    ]
    .into_iter()
}

async fn status(call: Call) -> Outcome {
    let [] = call.exactly()?;
    let snapshot = call.resources().get::<ServerHandle>()?.snapshot();
    let mut text = format!("{} for {}\n", snapshot.readiness, span(snapshot.uptime));
    let connections = &snapshot.connections;
    let _ = writeln!(
        text,
        "connections {} of {} open, {} accepted, {} refused",
        connections.open, connections.limit, connections.accepted, connections.refused
    );
    for protocol in connections.protocols.iter().filter(|one| one.open > 0) {
        let _ = writeln!(text, "  {} {}", protocol.protocol, protocol.open);
    }
    let services = &snapshot.services;
    let up = services.iter().filter(|one| one.health.is_up()).count();
    let _ = writeln!(text, "services {up} of {} up", services.len());
    let limits = snapshot.limits();
    for limit in limits.iter().filter(|limit| limit.name != "connections") {
        let _ = writeln!(text, "{} {} of {}", limit.name, limit.used, limit.limit);
    }
    Ok(text.into())
}

/// `3 d 04:05:06`, without the days on the first.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let clock = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    );
    match seconds / 86_400 {
        0 => clock,
        days => format!("{days} d {clock}"),
    }
}

async fn connections(call: Call) -> Outcome {
    let protocol = call.at_most_one()?;
    let registry = call.resources().get::<Registry>()?;
    let mut all = registry.snapshot();
    all.retain(|one| protocol.is_none_or(|protocol| one.protocol() == protocol));
    let mut text = String::new();
    for connection in all.iter().take(MAX_SHOWN_CONNECTIONS) {
        let _ = writeln!(text, "{connection}");
    }
    match all.len() {
        0 => text += "none\n",
        open if open > MAX_SHOWN_CONNECTIONS => {
            let _ = writeln!(text, "and {} more", open - MAX_SHOWN_CONNECTIONS);
        }
        _ => {}
    }
    Ok(text.into())
}

async fn close(call: Call) -> Outcome {
    let [id] = call.exactly()?;
    let number = id.trim_start_matches('#').parse::<u64>();
    let number = number.map_err(|_| CommandError::usage(format!("`{id}` is no number")))?;
    let registry = call.resources().get::<Registry>()?;
    if registry.close(ConnectionId::from(number)) {
        return Ok("closed\n".into());
    }
    Err(CommandError::failed(format!(
        "there is no connection {number}"
    )))
}

async fn services(call: Call) -> Outcome {
    let [] = call.exactly()?;
    let handle = call.resources().get::<ServerHandle>()?;
    let mut text = String::new();
    for service in handle.services() {
        let _ = writeln!(text, "{service}");
    }
    if text.is_empty() {
        text += "none\n";
    }
    Ok(text.into())
}

async fn pools(call: Call) -> Outcome {
    let [] = call.exactly()?;
    let snapshot = call.resources().get::<ServerHandle>()?.snapshot();
    let mut text = String::new();
    for source in &snapshot.sources {
        if matches!(source.kind, "pool" | "link") {
            describe(source, &mut text);
        }
    }
    if text.is_empty() {
        text += "none\n";
    }
    Ok(text.into())
}

/// `pool orders up: connections 3 of 10, connections idle 2, ...`
fn describe(source: &SourceSnapshot, text: &mut String) {
    let _ = write!(text, "{} {}", source.kind, source.name);
    if let Some(health) = &source.health {
        let _ = write!(text, " {health}");
    }
    for (at, metric) in source.metrics.iter().enumerate() {
        let name = metric.name.trim_end_matches("_total").replace('_', " ");
        let separator = if at == 0 { ":" } else { "," };
        let _ = write!(text, "{separator} {name} {}", metric.value);
        if let Some(limit) = metric.limit {
            let _ = write!(text, " of {limit}");
        }
    }
    text.push('\n');
}

async fn log(call: Call) -> Outcome {
    let [level] = call.exactly()?;
    let resources = call.resources();
    let set = if let Ok(log) = resources.get::<LogLevel>() {
        log.set(level)
    } else if let Ok(log) = resources.get::<LogHandle>() {
        // That of the runner.
        log.set_level(level).map_err(|error| error.to_string())
    } else {
        Err("the log cannot be set from here".to_owned())
    };
    set.map_err(CommandError::failed)?;
    tracing::info!(operator = ?call.operator(), level, "log level set");
    Ok(format!("the log is set to {level}\n").into())
}

async fn shutdown(call: Call) -> Outcome {
    let now = match call.at_most_one()? {
        None => false,
        Some("now") => true,
        Some(_) => return Err(CommandError::usage("")),
    };
    let handle = call.resources().get::<ServerHandle>()?.clone();
    // This one is no reason to wait.
    let others = handle.registry().len().saturating_sub(1);
    tracing::warn!(operator = ?call.operator(), now, "shutdown from the console");
    if now {
        let answer = Answer::from(format!("cutting {others} other connections\n"));
        return Ok(answer.and_then(move || handle.shutdown_now()));
    }
    handle.shutdown();
    Ok(format!("shutting down, {others} other connections drain\n").into())
}

async fn quit(call: Call) -> Outcome {
    let [] = call.exactly()?;
    Ok(Answer::default().and_quit())
}

#[cfg(test)]
mod tests {
    use cyclone_core::{Health, Inspect, Inspection, Metric, Resources, Server, Session};

    use super::*;
    use crate::console::Commands;

    async fn run(resources: Resources, line: &str) -> Result<String, String> {
        let session = Session::detached_with(resources);
        let answer = Commands::standard().run(line, "me", &session).await;
        answer
            .map(|answer| answer.text.clone())
            .map_err(|error| error.to_string())
    }

    /// What a server that runs answers.
    async fn ask(server: Server, line: &str) -> String {
        let running = server.start().await.unwrap();
        run(running.resources().clone(), line).await.unwrap()
    }

    struct Counted(&'static str);

    impl Inspect for Counted {
        fn kind(&self) -> &'static str {
            self.0
        }

        fn inspect(&self) -> Inspection {
            Inspection::new()
                .health(Health::Degraded("slow".into()))
                .metric(Metric::gauge("connections_idle", "", 3u64).limit(10u64))
                .metric(Metric::counter("created_total", "", 7u64))
        }
    }

    #[tokio::test]
    async fn pools_shows_the_numbers_of_pools_and_links() {
        let server = Server::new()
            .inspect("orders", Counted("pool"))
            .inspect("other", Counted("bus"))
            .inspect("phone", Counted("link"));
        let numbers = "degraded: slow: connections idle 3 of 10, created 7";
        assert_eq!(
            ask(server, "pools").await,
            format!("pool orders {numbers}\nlink phone {numbers}\n")
        );
        assert_eq!(ask(Server::new(), "pools").await, "none\n");
    }

    #[tokio::test]
    async fn status_shows_what_has_a_limit() {
        let server = Server::new()
            .max_connections(7)
            .inspect("orders", Counted("pool"));
        let text = ask(server, "status").await;
        assert!(text.starts_with("ready for 00:00:0"), "{text}");
        let part = "connections 0 of 7 open, 0 accepted, 0 refused\nservices 0 of 0 up\n";
        assert!(text.contains(part), "{text}");
        assert!(
            text.contains("\npool orders connections idle 3 of 10\n"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn log_says_why_it_cannot() {
        let log = LogLevel::new(|level| match level {
            "debug" => Ok(()),
            other => Err(format!("`{other}` is no level")),
        });
        let resources = Resources::builder().insert(log).build();
        assert!(run(resources.clone(), "log debug").await.is_ok());
        let refused = run(resources.clone(), "log loud").await;
        assert_eq!(refused, Err("`loud` is no level".to_owned()));
        assert_eq!(
            run(resources, "log").await,
            Err("usage: log LEVEL".to_owned())
        );
        let nowhere = run(Resources::default(), "log debug").await;
        assert_eq!(nowhere, Err("the log cannot be set from here".to_owned()));
    }

    #[tokio::test]
    async fn a_server_without_the_resource_says_so() {
        let error = run(Resources::default(), "status").await.unwrap_err();
        assert!(error.contains("ServerHandle"), "{error}");
    }

    #[test]
    fn spans_have_days_from_the_second_day() {
        let of = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(of(86_399), "23:59:59");
        assert_eq!(of(86_400), "1 d 00:00:00");
        assert_eq!(of(93_784), "1 d 02:03:04");
    }
}
