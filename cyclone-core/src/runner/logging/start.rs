//! The pieces put together.

use std::sync::{Arc, Mutex};

use tracing::level_filters::LevelFilter;
use tracing_log::{AsLog, LogTracer};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use super::file::LogFile;
use super::format::{self, Style};
use super::handle::Inner;
use super::output::{Output, Sink};
use super::{
    LogError, LogFormat, LogHandle, LogOptions, LogOutput, clock, panics, standard, syslog,
};
use crate::runner::options::ParseValueError;

/// What the layers that write stand on.
pub(super) type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
pub(super) type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

/// Starts logging for the whole process: once, before anything is logged.
///
/// From then on `tracing` events, records of the `log` crate and panics go where the options say. A panic is an event
/// of the level `error` with the target `panic`; standard error has it only if that is filtered away.
///
/// # Errors
/// [`LogError`] when the filter is none, the file or the socket cannot be opened, or this process logs already.
pub fn start(options: &LogOptions) -> Result<LogHandle, LogError> {
    let (subscriber, handle) = subscriber(options)?;
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|_| LogError::new("this process logs already"))?;
    // Another logger of the `log` crate may be there; then its records stay its own.
    let _ = LogTracer::builder()
        .with_max_level(LevelFilter::current().as_log())
        .init();
    panics::log(handle.clone());
    Ok(handle)
}

pub(super) fn subscriber(
    options: &LogOptions,
) -> Result<(impl tracing::Subscriber + Send + Sync + use<>, LogHandle), LogError> {
    clock::zone();
    let (filter, reload) = reload::Layer::new(filter(&options.level)?);
    let (mut layers, mut outputs) = (Vec::<Lines>::new(), Vec::new());
    let sink: Option<(Box<dyn Sink>, bool)> = match &options.output {
        LogOutput::Stdout => Some((Box::new(standard::Stdout), standard::is_coloured())),
        LogOutput::File(path) => {
            let file = LogFile::open(path, options);
            let file =
                file.map_err(|error| LogError::io("cannot open the log file", path, error))?;
            Some((Box::new(file), false))
        }
        LogOutput::Nowhere => None,
    };
    if let Some((sink, coloured)) = sink {
        let style = match options.format {
            LogFormat::Pretty => Style::Pretty { coloured },
            LogFormat::Json => Style::Json,
            LogFormat::Compact => Style::Compact,
        };
        let output = Arc::new(Output::new(sink, style, options.queue)?);
        layers.push(format::lines(style, Arc::clone(&output)));
        outputs.push(output);
    }
    if let Some(socket) = &options.syslog {
        let sink = Box::new(syslog::Syslog::open(socket));
        let output = Arc::new(Output::new(sink, Style::Syslog, options.queue)?);
        layers.push(syslog::lines(&options.identifier, Arc::clone(&output)));
        outputs.push(output);
    }
    if options.journald {
        layers.push(super::journal::lines(&options.identifier)?);
    }
    let inner = Inner {
        filter: reload,
        level: Mutex::new(options.level.clone()),
        outputs,
    };
    let subscriber = Registry::default().with(filter).with(layers);
    Ok((subscriber, LogHandle::new(inner)))
}

pub(super) fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| LogError::new(format!("`{level}` is no level or filter: {error}")))
}

/// Parses the value of `--log-level`: any filter.
pub(in crate::runner) fn check_level(text: &str) -> Result<String, ParseValueError> {
    match filter(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(ParseValueError::new(
            "expected error, warn, info, debug, trace or off, or a filter such as `info,cyclone_core=debug`",
        )),
    }
}

/// Lets the `log` crate make the records that can pass the filter, and no others.
pub(super) fn tell_log_crate() {
    tracing_log::log::set_max_level(LevelFilter::current().as_log());
}
