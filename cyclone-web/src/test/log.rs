//! What a test expects to be logged.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::dispatcher::DefaultGuard;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Dispatch, Event, Level, Metadata};

/// Expects a line in the log of this thread that has this level and contains this text: Tornado's `ExpectLog`. The line
/// is kept from the log, so that what is expected does not look like a failure; all others go where they went before.
///
/// A line is the message and then the fields, `handler failed error=no such table`.
/// It sees what is logged on the thread of the test, so the test needs the runtime of one thread that `#[tokio::test]`
/// has.
///
/// ```
/// use cyclone_web::test::expect_log;
/// use tracing::Level;
///
/// let expected = expect_log(Level::WARN, "disk is full");
/// tracing::warn!(free = 0, "disk is full");
/// assert_eq!(expected.finish(), ["disk is full free=0"]);
/// ```
pub fn expect_log(level: Level, text: impl Into<String>) -> ExpectedLog {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let text = text.into();
    let watch = Watch {
        level,
        text: text.clone(),
        seen: Arc::clone(&seen),
        before: tracing::dispatcher::get_default(Dispatch::clone),
    };
    let guard = tracing::dispatcher::set_default(&Dispatch::new(watch));
    ExpectedLog {
        level,
        text,
        seen,
        is_checked: false,
        _guard: guard,
    }
}

/// A line that is expected in the log; see [`expect_log`].
///
/// # Panics
/// When it is dropped and the line has not come, unless the thread panics already.
#[must_use = "it looks only while it lives"]
pub struct ExpectedLog {
    level: Level,
    text: String,
    seen: Arc<Mutex<Vec<String>>>,
    is_checked: bool,
    _guard: DefaultGuard,
}

impl ExpectedLog {
    /// The lines that have come so far.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lines(&self.seen).clone()
    }

    /// Ends the watch and gives back the lines.
    ///
    /// # Panics
    /// When none has come.
    pub fn finish(mut self) -> Vec<String> {
        self.check();
        self.seen()
    }

    #[expect(clippy::panic, reason = "the test has failed")]
    fn check(&mut self) {
        if !std::mem::replace(&mut self.is_checked, true) && lines(&self.seen).is_empty() {
            panic!("nothing was logged at {} with `{}`", self.level, self.text);
        }
    }
}

impl Drop for ExpectedLog {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

impl fmt::Debug for ExpectedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpectedLog")
            .field("level", &self.level)
            .field("text", &self.text)
            .field("seen", &self.seen())
            .finish_non_exhaustive()
    }
}

fn lines(seen: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stands before the subscriber that there was.
struct Watch {
    level: Level,
    text: String,
    seen: Arc<Mutex<Vec<String>>>,
    before: Dispatch,
}

impl Subscriber for Watch {
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        (metadata.is_event() && *metadata.level() == self.level) || self.before.enabled(metadata)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.before.new_span(attributes)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.before.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.before.record_follows_from(span, follows);
    }

    fn event(&self, event: &Event<'_>) {
        if *event.metadata().level() == self.level {
            let mut line = Line::default();
            event.record(&mut line);
            let line = line.whole();
            if line.contains(&self.text) {
                lines(&self.seen).push(line);
                return;
            }
        }
        if self.before.enabled(event.metadata()) {
            self.before.event(event);
        }
    }

    fn enter(&self, span: &Id) {
        self.before.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.before.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.before.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.before.try_close(id)
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn whole(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
