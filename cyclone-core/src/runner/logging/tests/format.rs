//! How lines look.

use tracing::{debug, error, info, info_span, trace, warn};

use super::Logs;
use crate::runner::logging::{LogFormat, LogOptions, MAX_LOG_LINE_BYTES};

const HERE: &str = module_path!();

/// Whether a text has the shape: `0` is any digit, anything else is itself.
fn is_like(text: &str, shape: &str) -> bool {
    let alike = |(is, shape): (char, char)| {
        if shape == '0' {
            is.is_ascii_digit()
        } else {
            is == shape
        }
    };
    text.chars().count() == shape.chars().count() && text.chars().zip(shape.chars()).all(alike)
}

/// What a format makes of some events, line by line.
fn lines(format: LogFormat, work: impl FnOnce()) -> Vec<String> {
    let logs = Logs::start(|options: &mut LogOptions| options.format = format);
    logs.log(work);
    logs.read("a.log").lines().map(str::to_owned).collect()
}

#[test]
fn pretty_lines_are_those_of_cyclone() {
    let lines = lines(LogFormat::Pretty, || {
        error!("a");
        warn!("b");
        info!(users = 3, name = "x y", "c");
        debug!("d");
        trace!(target: "elsewhere", "e");
    });
    for (line, (letter, target, rest)) in lines.iter().zip([
        ("E", HERE, "a"),
        ("W", HERE, "b"),
        ("I", HERE, "c users=3 name=\"x y\""),
        ("D", HERE, "d"),
        ("T", "elsewhere", "e"),
    ]) {
        let (prefix, text) = line.split_once("] ").unwrap();
        let number: String = prefix.rsplit(':').next().unwrap().to_owned();
        let shape = format!(
            "[{letter} 000000 00:00:00 {target}:{}",
            "0".repeat(number.len())
        );
        assert!(is_like(prefix, &shape), "{line}");
        assert_eq!(text, rest);
    }
    assert_eq!(lines.len(), 5);
}

#[test]
fn compact_lines_have_all_of_the_time() {
    let lines = lines(LogFormat::Compact, || info!(users = 3, "c"));
    let (time, rest) = lines[0].split_once(' ').unwrap();
    let time = time.replace('-', "+");
    assert!(is_like(&time, "0000+00+00T00:00:00.000000+00:00"), "{time}");
    assert_eq!(rest, format!("INFO {HERE}: c users=3"));
}

#[test]
fn spans_stand_before_the_message() {
    let work = || {
        let connection = info_span!("connection", id = 7, peer = "a b");
        let _connection = connection.enter();
        let _request = info_span!("request").entered();
        info!("served");
    };
    let text = "connection{id=7 peer=\"a b\"}: request: served";
    assert!(lines(LogFormat::Pretty, work)[0].ends_with(&format!("] {text}")));
    assert!(lines(LogFormat::Compact, work)[0].ends_with(&format!("{HERE}: {text}")));
}

#[test]
fn json_lines_have_the_names_that_we_promise() {
    let lines = lines(LogFormat::Json, || {
        let _span = info_span!("connection", id = 7).entered();
        info!(users = 3, name = "x\n\"y\"", "c");
    });
    let line = &lines[0];
    let time = line
        .strip_prefix("{\"timestamp\":\"")
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(is_like(time, "0000-00-00T00:00:00.000000Z"), "{time}");
    let number = line
        .split("\"line_number\":")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let expected = format!(
        "{{\"timestamp\":\"{time}\",\"level\":\"INFO\",\
         \"fields\":{{\"message\":\"c\",\"users\":3,\"name\":\"x\\n\\\"y\\\"\"}},\"target\":\"{HERE}\",\
         \"filename\":\"{}\",\"line_number\":{number},\
         \"span\":{{\"id\":7,\"name\":\"connection\"}},\"spans\":[{{\"id\":7,\"name\":\"connection\"}}]}}",
        file!(),
    );
    assert_eq!(*line, expected);
    assert_eq!(lines.len(), 1);
}

#[test]
fn nobody_forges_a_line_or_moves_a_cursor() {
    let evil = "a\n[E 261121 10:30:00 b:1] c\r\u{1b}[2K\u{9b}d\te\u{7f}";
    let work = || {
        info!(name = %evil, "{evil}");
        let _span = info_span!("request", path = %evil).entered();
        info!("f\n");
    };
    for format in [LogFormat::Pretty, LogFormat::Compact, LogFormat::Json] {
        let lines = lines(format, work);
        let controls = |c: char| c.is_control() && c != '\t';
        assert!(
            !lines.iter().any(|line| line.contains(controls)),
            "{format:?}: {lines:?}"
        );
        if format == LogFormat::Pretty {
            // Further lines are indented, as in cyclone: none begins like one of ours.
            assert!(
                lines
                    .iter()
                    .filter(|line| !line.starts_with("    "))
                    .count()
                    == 2,
                "{lines:?}"
            );
            assert!(lines[0].ends_with("] a"), "{lines:?}");
            assert!(
                lines[1].starts_with("    [E 261121 10:30:00 b:1] c"),
                "{lines:?}"
            );
        } else {
            assert_eq!(lines.len(), 2, "{lines:?}");
        }
    }
}

#[test]
fn long_lines_are_shortened() {
    let logs = |format, length| {
        let text = "x".repeat(length);
        lines(format, || info!(target: "t", "{text}")).remove(0)
    };
    let frame = logs(LogFormat::Compact, 0).len() + 1;
    for (length, whole) in [
        (MAX_LOG_LINE_BYTES - frame - 1, true),
        (MAX_LOG_LINE_BYTES - frame, true),
        (MAX_LOG_LINE_BYTES - frame + 1, false),
        (MAX_LOG_LINE_BYTES * 2, false),
    ] {
        let line = logs(LogFormat::Compact, length);
        assert!(line.len() < MAX_LOG_LINE_BYTES, "{}", line.len());
        assert_eq!(line.ends_with('x'), whole, "{length}");
        if !whole {
            let kept = line.matches('x').count();
            assert!(kept > MAX_LOG_LINE_BYTES - 1024);
            // The end of the line is one of the bytes.
            assert!(
                line.ends_with(&format!("... ({} more bytes)", length - kept + 1)),
                "{}",
                &line[line.len() - 40..]
            );
        }
    }
    let line = logs(LogFormat::Json, MAX_LOG_LINE_BYTES);
    assert!(line.len() < MAX_LOG_LINE_BYTES && line.starts_with('{') && line.ends_with('}'));
    assert!(
        line.contains("\"message\":\"a log line was too long\",\"bytes\":262"),
        "{}",
        &line[..200]
    );
}

#[test]
fn colours_are_for_terminals() {
    use std::sync::Arc;

    use crate::runner::logging::format::{Style, lines};
    use crate::runner::logging::output::Output;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{EnvFilter, Registry, reload};

    let (sink, written) = super::output::Memory::new();
    let style = Style::Pretty { coloured: true };
    let output = Arc::new(Output::new(Box::new(sink), style, 0).unwrap());
    let (filter, _reload) = reload::Layer::new(EnvFilter::new("trace"));
    let subscriber = Registry::default().with(filter).with(lines(style, output));
    tracing::subscriber::with_default(subscriber, || {
        error!("a");
        warn!("a");
        info!("a");
        debug!("a");
        trace!(field = 1, "a\u{1b}[0m");
    });
    let text = written.text();
    let codes: Vec<&str> = text
        .lines()
        .map(|line| line.split("[3").nth(1).unwrap().split('m').next().unwrap())
        .collect();
    assert_eq!(codes, ["1", "3", "2", "4", "5"]);
    // The prefix alone is coloured, and nobody else gets a code through.
    assert!(
        text.lines().all(|line| line.matches('\u{1b}').count() == 2),
        "{text:?}"
    );
    assert!(
        text.lines().all(|line| line.contains("]\u{1b}[0m a")),
        "{text:?}"
    );
}
