//! How the processes of solvemesh tell what they do: structured logs on standard
//! error. Every line that concerns a job carries the field `job`, and `attempt`
//! where there is one, so that a job can be followed through all processes by its id.

mod fields;

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// The flags of a process's log.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// What to log: a level, or directives such as "info,solvemesh_worker=debug"
    #[arg(long, env = "SOLVEMESH_LOG", default_value = "info,lapin=off", value_name = "FILTER")]
    pub log: String,

    /// How to write a line
    #[arg(long, env = "SOLVEMESH_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts the log of this process, on standard error.
///
/// # Errors
///
/// When the filter can't be read.
pub fn start(args: &LogArgs) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(&args.log)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match args.log_format {
        LogFormat::Text => {
            lines.with_ansi(io::stderr().is_terminal()).fmt_fields(fields::plain()).init();
        }
        // JSON escapes control characters by itself.
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
