//! What is said while the mesh does not answer.

use std::time::Duration;

use solvemesh_client::Rejection;

use crate::output::{terminal::Screen, text::printable};

/// Tells, on standard error, that a call failed and is tried again.
pub(crate) fn tell_setback(cause: &Rejection, patience: Duration) {
    Screen::aside(&unanswered(cause, patience));
}

/// The mesh did not answer.
pub(crate) fn unanswered(cause: &Rejection, patience: Duration) -> String {
    trying_again("the mesh does not answer", cause, patience)
}

/// The stream of events, which was there, is lost.
pub(crate) fn lost(cause: &Rejection, patience: Duration) -> String {
    trying_again("the stream of events is lost", cause, patience)
}

fn trying_again(what: &str, cause: &Rejection, patience: Duration) -> String {
    let (cause, seconds) = (cause.to_string(), patience.as_secs_f64().ceil());
    format!("{what} ({}); trying again for {seconds} s", printable(&cause))
}
