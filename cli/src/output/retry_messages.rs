//! Messages for retries, while the mesh does not respond.

use std::time::Duration;

use solvemesh_client::Rejection;

use crate::output::{terminal::Terminal, text::printable};

/// Reports on standard error that a call failed and is retried for `remaining_budget`.
pub(crate) fn report_retry(cause: &Rejection, remaining_budget: Duration) {
    Terminal::aside(&unanswered(cause, remaining_budget));
}

/// The message for a call or a new stream that failed.
pub(crate) fn unanswered(cause: &Rejection, remaining_budget: Duration) -> String {
    retrying("the mesh does not respond", cause, remaining_budget)
}

/// The message for an open event stream that broke.
pub(crate) fn lost(cause: &Rejection, remaining_budget: Duration) -> String {
    retrying("event stream lost", cause, remaining_budget)
}

fn retrying(what: &str, cause: &Rejection, remaining_budget: Duration) -> String {
    let (cause, seconds) = (cause.to_string(), remaining_budget.as_secs_f64().ceil());
    format!("{what} ({}); retrying for {seconds} s", printable(&cause))
}
