//! Panics in the log.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::Cell;
use std::panic::{PanicHookInfo, set_hook, take_hook};

use super::LogHandle;

thread_local! {
    /// This thread logs a panic: another one on the way is not logged.
    static LOGS: Cell<bool> = const { Cell::new(false) };
}

/// Logs every panic from now on. Those that the filter lets through no more go where they went before.
pub(super) fn log(handle: LogHandle) {
    let before = take_hook();
    set_hook(Box::new(move |panic| {
        if LOGS.replace(true) || !tracing::enabled!(target: "panic", tracing::Level::ERROR) {
            before(panic);
        } else {
            event(panic);
            // It may be the last thing that the program does.
            handle.flush();
        }
        LOGS.set(false);
    }));
}

fn event(panic: &PanicHookInfo<'_>) {
    let message = text(panic.payload());
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let location = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(target: "panic", thread, location, %backtrace, "panicked: {message}");
    } else {
        tracing::error!(target: "panic", thread, location, "panicked: {message}");
    }
}

fn text(payload: &dyn Any) -> &str {
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    let text = payload.downcast_ref::<&str>().copied().or_else(owned);
    text.unwrap_or("(not a text)")
}
