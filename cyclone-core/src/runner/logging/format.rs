//! How a line looks.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{
    self as lines, FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter,
};
use tracing_subscriber::registry::LookupSpan;

use super::clock;
use super::output::Output;
use super::start::{Filtered, Lines};

/// How a line looks, and how a line of our own about lines does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Pretty { coloured: bool },
    Compact,
    Json,
    Syslog,
}

/// The layer that writes lines of a style.
pub(super) fn lines(style: Style, output: Arc<Output>) -> Lines {
    let layer = lines::layer::<Filtered>()
        .with_ansi(false)
        .with_writer(ToOutput { output, style });
    match style {
        Style::Json => {
            let layer = layer
                .json()
                .with_timer(Utc)
                .with_file(true)
                .with_line_number(true);
            layer.with_current_span(true).with_span_list(true).boxed()
        }
        style => layer.event_format(style).boxed(),
    }
}

impl<S, N> FormatEvent<S, N> for Style
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        self.begin(&mut writer, metadata)?;
        let mut body = String::new();
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            body.push_str(span.name());
            let extensions = span.extensions();
            match extensions.get::<FormattedFields<N>>() {
                Some(fields) if !fields.is_empty() => write!(body, "{{{fields}}}: ")?,
                _ => body.push_str(": "),
            }
        }
        context
            .field_format()
            .format_fields(Writer::new(&mut body), event)?;
        escape(&mut writer, &body, matches!(self, Self::Pretty { .. }))?;
        writeln!(writer)
    }
}

impl Style {
    /// What stands before the message.
    fn begin(self, writer: &mut impl fmt::Write, metadata: &Metadata<'_>) -> fmt::Result {
        let (level, target) = (*metadata.level(), metadata.target());
        match self {
            Self::Pretty { coloured } => {
                let (on, off) = if coloured {
                    (colour(level), "\u{1b}[0m")
                } else {
                    ("", "")
                };
                write!(writer, "{on}[{} {} {target}", letter(level), clock::short())?;
                if let Some(line) = metadata.line() {
                    write!(writer, ":{line}")?;
                }
                write!(writer, "]{off} ")
            }
            Self::Compact => write!(writer, "{} {level} {target}: ", clock::local()),
            Self::Syslog => write!(writer, "{target}: "),
            Self::Json => Ok(()),
        }
    }

    /// A line that says how many are missing.
    pub(super) fn missing(self, lines: u64) -> Vec<u8> {
        let text = match self {
            Self::Json => format!(
                "{{\"timestamp\":\"{}\",\"level\":\"WARN\",\"fields\":{{\"message\":\"log lines were dropped\",\
                 \"dropped\":{lines}}},\"target\":\"{TARGET}\"}}\n",
                clock::utc(),
            ),
            style => format!(
                "{}log lines were dropped dropped={lines}\n",
                style.own_beginning()
            ),
        };
        text.into_bytes()
    }

    /// A line with the beginning of one that is longer than `most` bytes.
    pub(super) fn shortened(self, line: &[u8], most: usize) -> Vec<u8> {
        /// Room for what is around the beginning.
        const FRAME: usize = 512;
        let bytes = line.len();
        let most = most.saturating_sub(FRAME);
        match self {
            Self::Json => {
                // Each character can become six.
                let beginning = String::from_utf8_lossy(&line[..most / 6]);
                let mut text = format!(
                    "{{\"timestamp\":\"{}\",\"level\":\"WARN\",\"fields\":{{\"message\":\"a log line was too long\",\
                     \"bytes\":{bytes},\"beginning\":\"",
                    clock::utc(),
                );
                for character in beginning.chars() {
                    match character {
                        '"' | '\\' => text.extend(['\\', character]),
                        character if character.is_control() => {
                            text.push_str(&format!("\\u{:04x}", u32::from(character)));
                        }
                        character => text.push(character),
                    }
                }
                text.push_str(&format!("\"}},\"target\":\"{TARGET}\"}}\n"));
                text.into_bytes()
            }
            _ => {
                let mut text = String::from_utf8_lossy(&line[..most]).into_owned();
                let _ = writeln!(text, "... ({} more bytes)", bytes - most);
                text.into_bytes()
            }
        }
    }

    fn own_beginning(self) -> String {
        match self {
            Self::Pretty { coloured } => {
                let (on, off) = if coloured {
                    (colour(Level::WARN), "\u{1b}[0m")
                } else {
                    ("", "")
                };
                format!("{on}[W {} {TARGET}]{off} ", clock::short())
            }
            Self::Compact => format!("{} WARN {TARGET}: ", clock::local()),
            Self::Syslog | Self::Json => format!("{TARGET}: "),
        }
    }
}

/// The target of what we say about logs.
const TARGET: &str = "cyclone_core::runner::logging";

/// Writes text so that it can neither look like another line nor move a terminal's cursor.
fn escape(writer: &mut impl fmt::Write, body: &str, lines: bool) -> fmt::Result {
    let mut rest = body.trim_end_matches('\n');
    while let Some(at) = rest.find(|character: char| character.is_control() && character != '\t') {
        let (clean, found) = rest.split_at(at);
        writer.write_str(clean)?;
        let mut characters = found.chars();
        match characters.next() {
            Some('\n') if lines => writer.write_str("\n    ")?,
            Some(character) => write!(writer, "{}", character.escape_default())?,
            None => {}
        }
        rest = characters.as_str();
    }
    writer.write_str(rest)
}

const fn letter(level: Level) -> char {
    match level {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        Level::INFO => 'I',
        Level::DEBUG => 'D',
        Level::TRACE => 'T',
    }
}

/// Tornado's colours: red, yellow, green, blue; magenta for what Tornado has not.
const fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}

struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", clock::utc())
    }
}

/// Gives each whole line to the output: the layer writes a line at once.
struct ToOutput {
    output: Arc<Output>,
    style: Style,
}

struct OneLine<'a>(&'a ToOutput);

impl<'a> MakeWriter<'a> for ToOutput {
    type Writer = OneLine<'a>;

    fn make_writer(&'a self) -> OneLine<'a> {
        OneLine(self)
    }
}

impl io::Write for OneLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match (self.0.style, std::str::from_utf8(line)) {
            (Style::Json, Ok(text)) if text.chars().any(is_left_by_json) => {
                self.0.output.write(escape_json(text).as_bytes());
            }
            _ => self.0.output.write(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Control characters that JSON takes as they are (RFC 8259, section 7), and terminals do not.
const fn is_left_by_json(character: char) -> bool {
    matches!(character, '\u{7f}'..='\u{9f}')
}

/// Escapes them: they stand in strings alone.
fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_left_by_json(character) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}
