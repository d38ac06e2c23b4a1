//! Queries of the raw log about one job.

use std::collections::BTreeSet;

use solvemesh::broker::v1::{LogEntry, log_entry::Kind};
use solvemesh_tests::rawlog::RawLog;

/// Whether an entry starts an attempt of a job.
pub(crate) fn starts(entry: &LogEntry, job_id: &str) -> bool {
    entry.job_id == job_id && entry.attempt_start().is_some()
}

/// Whether an entry finishes a job, unless an earlier one has.
pub(crate) fn ends(entry: &LogEntry, job_id: &str) -> bool {
    entry.job_id == job_id && matches!(entry.kind, Some(Kind::Finished(_)))
}

/// The ids of the attempts of a job that have started so far.
pub(crate) fn attempts(log: &RawLog, job_id: &str) -> BTreeSet<String> {
    let entries = log.messages().into_iter().filter_map(|message| message.batch.ok());
    let started = entries.flat_map(|batch| batch.entries).filter(|entry| starts(entry, job_id));
    started.map(|entry| entry.attempt_id).collect()
}
