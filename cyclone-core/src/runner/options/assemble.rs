//! From parsed options to plain settings; here are the rules that span several options.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{ArgMatches, FromArgMatches};

use super::definition::{BuiltIn, Listening, Logs, Process, Tls};
use super::effective::{self, Value};
use super::layers::Layers;
use super::{Action, OptionsError, Origin, Parsed, ProcessOptions, Settings};
use crate::endpoint::Endpoint;
use crate::runner::logging::{DEFAULT_SYSLOG_SOCKET, LogOptions, LogOutput};

pub(super) fn settings<A: clap::Args>(
    layers: &Layers,
    matches: &mut ArgMatches,
    values: Vec<Value>,
    config: Option<PathBuf>,
) -> Result<Parsed<A>, OptionsError> {
    let failed = |error: clap::Error| OptionsError::of_command_line(&error);
    let built_in = BuiltIn::from_arg_matches_mut(matches).map_err(failed)?;
    let args = A::from_arg_matches_mut(matches).map_err(failed)?;
    let BuiltIn {
        listening,
        tls,
        process,
        logs,
        configuration,
    } = built_in;
    let origins = Origins(&values);
    let base = match &process.rundir {
        Some(directory) => layers.absolute(directory),
        None => layers.absolute(Path::new("")),
    };
    let action = match (configuration.check, process.upgrade) {
        (true, _) => Action::Check,
        (_, true) => Action::Upgrade,
        _ => Action::Run,
    };
    let app_opts = listening.app_opts.clone();
    let ssl_app_opts = tls.ssl_app_opts.clone();
    let settings = Settings {
        args,
        endpoints: endpoints(listening, &origins),
        tls_endpoints: tls_endpoints(tls, &origins, &base, layers.is_start)?,
        app_opts,
        ssl_app_opts,
        log: log_options(logs, &process, layers.program.name(), &origins, &base)?,
        process: process_options(process, &base),
        action,
        config,
        values,
        layers: layers.clone(),
    };
    if configuration.print_config {
        return Ok(Parsed::Print(effective::text(
            &settings.layers.program,
            &settings.values,
        )));
    }
    Ok(Parsed::Run(Box::new(settings)))
}

struct Origins<'a>(&'a [Value]);

impl Origins<'_> {
    fn of(&self, option: &str) -> &Origin {
        let value = self.0.iter().find(|value| value.name == option);
        value.map_or(&Origin::Default, |value| &value.origin)
    }

    fn is_set(&self, option: &str) -> bool {
        *self.of(option) != Origin::Default
    }
}

/// The port is there unless something else is and nobody asked for a port.
fn endpoints(options: Listening, origins: &Origins<'_>) -> Vec<Endpoint> {
    let asked = origins.is_set("port") || origins.is_set("listen");
    let alone = options.unix.is_none() && options.endpoint.is_empty();
    let port =
        (asked || alone).then(|| Endpoint::from(SocketAddr::new(options.listen, options.port)));
    let unix = options.unix.map(Endpoint::unix);
    port.into_iter()
        .chain(unix)
        .chain(options.endpoint)
        .collect()
}

/// As in cyclone, a certificate makes the port of TLS: one that is named, or the default if it is there with its key.
fn tls_endpoints(
    options: Tls,
    origins: &Origins<'_>,
    base: &Path,
    is_start: bool,
) -> Result<Vec<Endpoint>, OptionsError> {
    let (cert, key) = (base.join(&options.ssl_cert), base.join(&options.ssl_key));
    let mut endpoints = Vec::new();
    let named = origins.is_set("ssl-cert") || origins.is_set("ssl-key");
    if named || (cfg!(feature = "tls") && cert.is_file() && key.is_file()) {
        let files = [("ssl-cert", &cert), ("ssl-key", &key)];
        for (option, path) in files.into_iter().filter(|_| is_start) {
            std::fs::File::open(path).map_err(|error| {
                OptionsError::of(
                    option,
                    origins.of(option),
                    format_args!("`{}`: {error}", path.display()),
                )
            })?;
        }
        let text = tls_text(options.ssl_port, options.ssl_listen, &cert, &key);
        let endpoint = text.ok_or_else(|| "the path is not UTF-8".to_owned());
        let endpoint =
            endpoint.and_then(|text| text.parse::<Endpoint>().map_err(|error| error.to_string()));
        endpoints.push(
            endpoint
                .map_err(|error| OptionsError::of("ssl-cert", origins.of("ssl-cert"), error))?,
        );
    }
    endpoints.extend(options.tls_endpoint);
    Ok(endpoints)
}

fn tls_text(port: u16, interface: IpAddr, cert: &Path, key: &Path) -> Option<String> {
    let (cert, key) = (escape(cert.to_str()?), escape(key.to_str()?));
    let interface = escape(&interface.to_string());
    Some(format!(
        "tls:{port}:interface={interface}:cert={cert}:key={key}"
    ))
}

/// As [`Endpoint`] wants its parts.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ':' | '=' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn process_options(options: Process, base: &Path) -> ProcessOptions {
    ProcessOptions {
        uid: options.uid,
        gid: options.gid,
        chroot: options.chroot.map(|path| base.join(path)),
        umask: options.umask,
        daemonize: options.daemonize,
        rundir: options.rundir.map(|_| base.to_owned()),
        pidfile: options.pidfile.map(|path| base.join(path)),
        workers: options.workers,
        worker_mode: options.worker_mode,
        affinity: options.affinity,
        shutdown_timeout: options.shutdown_timeout,
    }
}

fn log_options(
    options: Logs,
    process: &Process,
    program: &str,
    origins: &Origins<'_>,
    base: &Path,
) -> Result<LogOptions, OptionsError> {
    let output = match options.logfile {
        Some(path) if path == Path::new("-") && process.daemonize => {
            let message = "a daemon has no standard output; name a file";
            return Err(OptionsError::of("logfile", origins.of("logfile"), message));
        }
        Some(path) if path == Path::new("-") => LogOutput::Stdout,
        Some(path) => LogOutput::File(base.join(path)),
        None if options.syslog || options.journald => LogOutput::Nowhere,
        None if process.daemonize => LogOutput::File(base.join(format!("{program}.log"))),
        None => LogOutput::Stdout,
    };
    Ok(LogOptions {
        output,
        format: options.log_format,
        level: options.log_level,
        rotation: options.log_rotate,
        max_size: options.log_max_size,
        backups: options.log_backups,
        queue: options.log_queue,
        syslog: options.syslog.then(|| PathBuf::from(DEFAULT_SYSLOG_SOCKET)),
        journald: options.journald,
        identifier: options.syslog_prefix.unwrap_or_else(|| program.to_owned()),
    })
}
