//! What the gateway does, for Prometheus. No label has text of a submitter, and none names a tenant or
//! a caller: whoever may read metrics may not therefore know who uses the mesh.

mod mesh;
mod rpc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use solvemesh::v1::JobState;

pub(crate) use mesh::MeshCollector;
pub(crate) use rpc::{RpcMetrics, WATCHER_TOO_SLOW};

use crate::table::Record;

/// What is counted as it happens. Clones share the counters. What can be read at any time is in
/// [`MeshCollector`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// Of the calls.
    pub(crate) rpc: RpcMetrics,
    /// Of the results log.
    pub(crate) log: LogMetrics,
    submissions: Family<Submissions, Counter>,
}

/// What the log told.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogMetrics {
    entries: Counter,
    ended: Family<Ended, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Submissions {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    state: &'static str,
    reason: String,
    lane: String,
}

impl Metrics {
    /// With the metrics of a log, and nothing counted otherwise.
    pub(crate) fn with_log(log: LogMetrics) -> Self {
        Self { log, ..Self::default() }
    }

    /// Counts a submission: accepted, or refused for this reason of the API.
    pub(crate) fn submitted(&self, refusal: Option<&'static str>) {
        let outcome = refusal.unwrap_or("ACCEPTED");
        self.submissions.get_or_create(&Submissions { outcome }).inc();
    }

    /// Registers all of them.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.rpc.register(registry);
        registry.register(
            "submissions",
            "Submitted jobs, by outcome: ACCEPTED, or the reason of the refusal",
            self.submissions.clone(),
        );
        registry.register(
            "log_entries",
            "Entries of the results log that this gateway has read",
            self.log.entries.clone(),
        );
        registry.register(
            "jobs_ended",
            "Jobs that have ended since this gateway had read the log to its end",
            self.log.ended.clone(),
        );
    }
}

impl LogMetrics {
    /// Counts entries that were read.
    pub(crate) fn read(&self, entries: usize) {
        self.entries.inc_by(entries as u64);
    }

    /// Counts a job that has ended.
    pub(crate) fn job_ended(&self, job: &Record) {
        let outcome = job.outcome();
        let failure = outcome.and_then(|outcome| outcome.failure.as_ref());
        let result = outcome.and_then(|outcome| outcome.result.as_ref());
        let termination = result.and_then(|result| result.termination.as_ref());
        let reason = match (failure, termination) {
            (Some(failure), _) => failure.reason.as_str(),
            (None, Some(termination)) => without_prefix(termination.reason().as_str_name()),
            // A sweep, or a job that was cancelled before it was solved.
            (None, None) => "",
        };
        let label = Ended {
            state: state_name(job.state()),
            reason: reason.to_owned(),
            lane: job.description.lane.clone(),
        };
        self.ended.get_or_create(&label).inc();
    }
}

/// The name of a state in labels.
fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "unknown",
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
        JobState::Expired => "expired",
    }
}

fn without_prefix(reason: &str) -> &str {
    reason.strip_prefix("TERMINATION_REASON_").unwrap_or(reason)
}
