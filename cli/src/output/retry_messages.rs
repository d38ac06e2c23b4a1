//! Messages for retries, while the mesh does not respond.

use std::time::Duration;

use solvemesh_client::Rejection;

use crate::output::{terminal::Terminal, text::printable};

/// Reports on standard error that a call failed and is retried for `patience`.
pub(crate) fn report_retry(cause: &Rejection, patience: Duration) {
    Terminal::aside(&unanswered(cause, patience));
}

/// The message for a call or a new stream that failed.
pub(crate) fn unanswered(cause: &Rejection, patience: Duration) -> String {
    retrying("the mesh does not respond", cause, patience)
}

/// The message for an open event stream that broke.
pub(crate) fn lost(cause: &Rejection, patience: Duration) -> String {
    retrying("event stream lost", cause, patience)
}

fn retrying(what: &str, cause: &Rejection, patience: Duration) -> String {
    let (cause, seconds) = (cause.to_string(), patience.as_secs_f64().ceil());
    format!("{what} ({}); retrying for {seconds} s", printable(&cause))
}
