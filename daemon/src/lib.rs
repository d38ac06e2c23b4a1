//! What the long-running programs of solvemesh share: the flags and the format of their logs,
//! their metrics and traces, the signals that stop them, how they exit, how many files they may open, and their
//! man pages and shell completions.

mod exit;
mod logs;
mod manual;
mod metrics;
mod name;
mod open_files;
mod plain_fields;
mod signals;
mod traces;

pub use exit::{block_on, exit_code};
pub use logs::{LogArgs, LogFormat, start_log};
pub use manual::write_manual;
pub use metrics::{Metrics, MetricsArgs};
pub use name::process_name;
pub use open_files::raise_open_files;
pub use signals::Signals;
pub use traces::{Origin, TRACES, TraceContext, Traces, trace_event};
