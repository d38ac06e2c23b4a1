//! What the long-running programs of solvemesh share: the flags and the format of their logs,
//! the signals that stop them, and how they exit.

mod exit;
mod logs;
mod plain_fields;
mod signals;

pub use exit::{block_on, exit_code};
pub use logs::{LogArgs, LogFormat, start_log};
pub use signals::Signals;
