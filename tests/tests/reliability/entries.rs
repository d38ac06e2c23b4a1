//! What an entry of the log is about.

use solvemesh::broker::v1::{LogEntry, log_entry::Kind};

/// Whether an attempt begins.
pub(crate) fn is_start(entry: &LogEntry) -> bool {
    worker_of(entry).is_some()
}

/// Whether an attempt at a job that takes long begins.
pub(crate) fn is_long(entry: &LogEntry) -> bool {
    match &entry.kind {
        Some(Kind::Started(started)) => started
            .description
            .as_ref()
            .is_some_and(|description| description.name.starts_with("market split")),
        _ => false,
    }
}

/// Whether a job ends.
pub(crate) fn is_finish(entry: &LogEntry) -> bool {
    matches!(entry.kind, Some(Kind::Finished(_)))
}

/// The name of the worker whose attempt begins.
pub(crate) fn worker_of(entry: &LogEntry) -> Option<&str> {
    match &entry.kind {
        Some(Kind::Started(started)) => Some(&started.worker),
        _ => None,
    }
}
