//! The machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time in seconds since 1970, comparable with the times of log entries.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
