//! What this gateway allows.

use std::time::Duration;

use solvemesh::v1;
use solvemesh_broker::Lane;

use crate::table::Kept;

/// What this gateway allows. A limit that is hit is named in the error.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The largest request, in bytes.
    pub max_message_bytes: usize,
    /// The largest model: bytes after decompression, variables, constraints,
    /// coefficients.
    pub model: solvemesh_model::Limits,
    /// The time limit of a job that names none.
    pub default_time_limit: Duration,
    /// The longest time limit.
    pub max_time_limit: Duration,
    /// The longest deadline, and the deadline of a job that names none.
    pub max_deadline: Duration,
    /// The most jobs that are queued or running.
    pub max_live_jobs: usize,
    /// The most open `WatchResults`.
    pub max_watchers: usize,
    /// The most jobs in one `WatchResults`.
    pub max_jobs_per_watch: usize,
    /// The most scenarios of a sweep.
    pub max_scenarios: usize,
    /// The most requests under way, `WatchResults` not counted.
    pub max_requests: usize,
    /// About the most bytes of memory that jobs may take that are queued or running.
    pub max_live_bytes: usize,
    /// How many bytes of the log the broker keeps. Live jobs may reach back half as far.
    pub log_bytes: u64,
    /// How much of the past is kept in memory.
    pub kept: Kept,
    /// The lanes that a job can wait in.
    pub lanes: Vec<Lane>,
    /// How long a silent stream stays silent.
    pub heartbeat: Duration,
    /// How long a watcher may take nothing before its watch is cut.
    pub watcher_patience: Duration,
    /// How long a request waits for the broker.
    pub patience: Duration,
    /// Whether jobs end with this process.
    pub ephemeral: bool,
}

impl Policy {
    /// As the API tells it.
    pub fn limits(&self) -> v1::Limits {
        v1::Limits {
            max_message_bytes: clamp(self.max_message_bytes),
            max_model_bytes: clamp(self.model.max_model_bytes),
            max_variables: clamp(self.model.max_variables),
            max_constraints: clamp(self.model.max_constraints),
            max_nonzeros: clamp(self.model.max_nonzeros),
            max_time_limit: self.max_time_limit.try_into().ok(),
            default_time_limit: self.default_time_limit.try_into().ok(),
            max_deadline: self.max_deadline.try_into().ok(),
            max_live_jobs: clamp(self.max_live_jobs),
            max_watchers: clamp(self.max_watchers),
            max_jobs_per_watch: clamp(self.max_jobs_per_watch),
            max_scenarios: clamp(self.max_scenarios),
        }
    }
}

fn clamp<N: TryFrom<usize> + TryFrom<i32>>(limit: usize) -> N
where
    <N as TryFrom<i32>>::Error: std::fmt::Debug,
{
    match N::try_from(limit) {
        Ok(limit) => limit,
        Err(_) => N::try_from(i32::MAX).expect("a number of the API holds any i32"),
    }
}
