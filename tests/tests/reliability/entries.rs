//! Predicates of log entries.

use solvemesh::broker::v1::{LogEntry, log_entry::Kind};

/// Whether an entry starts an attempt.
pub(crate) fn is_start(entry: &LogEntry) -> bool {
    worker_of(entry).is_some()
}

/// Whether an entry starts an attempt at a long job, by the name of its model.
pub(crate) fn is_long(entry: &LogEntry) -> bool {
    let description = entry.attempt_start().and_then(|started| started.description.as_ref());
    description.is_some_and(|description| description.model_name.starts_with("market split"))
}

/// Whether an entry finishes a job.
pub(crate) fn is_finish(entry: &LogEntry) -> bool {
    matches!(entry.kind, Some(Kind::Finished(_)))
}

/// The name of the worker, if an entry starts an attempt.
pub(crate) fn worker_of(entry: &LogEntry) -> Option<&str> {
    entry.attempt_start().map(|started| started.worker.as_str())
}
