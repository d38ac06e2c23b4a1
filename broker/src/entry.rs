use std::time::SystemTime;

use solvemesh::broker::v1::{LogEntry, log_entry::Kind};

/// An entry of the results log about a job, written now by a process that is not an attempt of
/// it. `job_id` is empty for markers.
pub fn entry(job_id: impl Into<String>, kind: Kind) -> LogEntry {
    LogEntry {
        time: Some(SystemTime::now().into()),
        job_id: job_id.into(),
        kind: Some(kind),
        ..LogEntry::default()
    }
}
