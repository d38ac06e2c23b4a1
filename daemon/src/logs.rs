//! Structured logs on standard error. Every line about a job has the field `job`, and `attempt`
//! where there is one, so that a job can be followed through all processes by its id.

use std::io::{self, IsTerminal};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, FilterFn, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    plain_fields,
    traces::{TRACES, Traces},
};

/// The flags of a program's log.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Which log lines to write: a level, or directives such as "info,solvemesh_worker=debug"
    #[arg(long, env = "SOLVEMESH_LOG", default_value = "info,lapin=off", value_name = "FILTER")]
    pub log: String,

    /// Format of the log lines
    #[arg(long, env = "SOLVEMESH_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Plain text, for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// Starts the log of this process, on standard error, and its traces if the environment asks for
/// them. `service` is the name of the program. Must be called within a Tokio runtime.
///
/// # Errors
///
/// When the filter is invalid, or a variable of the traces.
pub fn start_log(args: &LogArgs, service: &'static str) -> anyhow::Result<Traces> {
    let filter = EnvFilter::try_new(&args.log).context("--log")?;
    // The spans of traces are no part of log lines.
    let filter = filter.add_directive(format!("{TRACES}=off").parse()?).and(no_secrets());
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match args.log_format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal();
            lines.with_ansi(colours).fmt_fields(plain_fields::plain()).with_filter(filter).boxed()
        }
        // JSON escapes control characters by itself.
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let traces = Traces::from_environment(service)?;
    tracing_subscriber::registry().with(lines).with(traces.layer()).init();
    if traces.are_exported() {
        tracing::info!(service, "exporting traces");
    }
    Ok(traces)
}

/// Drops the TRACE events of lapin, whatever the filter says: they may contain any frame, and
/// the frame of the login contains the password.
fn no_secrets() -> FilterFn {
    filter_fn(|metadata| {
        let lapin = metadata.target().split("::").next() == Some("lapin");
        !(lapin && *metadata.level() == Level::TRACE)
    })
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Arc};

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn frames_are_never_logged_and_everything_else_is() {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("trace"));
        let lines = lines.with_writer(move || writer.clone()).finish().with(no_secrets());
        tracing::subscriber::with_default(lines, || {
            tracing::trace!(target: "lapin::frames", "a frame");
            tracing::debug!(target: "lapin::frames", "a reason");
            tracing::trace!(target: "lapinette", "a detail");
        });
        let bytes = written.0.lock().clone();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("a frame"), "{text}");
        assert!(text.contains("a reason") && text.contains("a detail"), "{text}");
    }
}
