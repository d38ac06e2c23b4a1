//! The limits of this gateway.

use std::time::Duration;

use solvemesh::v1;
use solvemesh_broker::Lane;

use crate::table::Retention;

/// The limits and timeouts of this gateway. An error that hits a limit contains its name.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Maximum size of a request, in bytes.
    pub max_message_bytes: usize,
    /// Maximum size of a model: bytes after decompression, variables, constraints, non-zero
    /// coefficients.
    pub model: solvemesh_model::Limits,
    /// The time limit of jobs that request none.
    pub default_time_limit: Duration,
    /// Maximum time limit.
    pub max_time_limit: Duration,
    /// Maximum total time limit, and that of jobs that request none.
    pub max_total_time_limit: Duration,
    /// Maximum number of queued and running jobs.
    pub max_live_jobs: usize,
    /// Maximum number of open watch streams.
    pub max_watchers: usize,
    /// Maximum number of jobs in one watch stream.
    pub max_jobs_per_watch: usize,
    /// Maximum number of scenarios of a sweep.
    pub max_scenarios: usize,
    /// Maximum number of requests in progress, watch streams not counted.
    pub max_requests: usize,
    /// Maximum memory of queued and running jobs, approximately, in bytes.
    pub max_live_bytes: usize,
    /// Size at which the broker truncates the log, in bytes. No jobs are accepted while the
    /// oldest live one reaches back half as far.
    pub log_bytes: u64,
    /// The limits within which finished jobs stay in memory.
    pub retention: Retention,
    /// The lanes that jobs can be queued in.
    pub lanes: Vec<Lane>,
    /// Time without an event after which a watch stream sends a heartbeat.
    pub heartbeat: Duration,
    /// Idle timeout: how long a client may read nothing before its watch stream is closed.
    pub watch_idle_timeout: Duration,
    /// Broker timeout: how long a request waits for the broker.
    pub broker_timeout: Duration,
    /// Whether jobs are lost when this process ends: there is no broker.
    pub ephemeral: bool,
}

impl Policy {
    /// This policy with a time limit of at most `limit`.
    pub(crate) fn with_max_time_limit(&self, limit: Duration) -> Self {
        Self {
            max_time_limit: self.max_time_limit.min(limit),
            default_time_limit: self.default_time_limit.min(limit),
            ..self.clone()
        }
    }

    /// How far the log may grow after the first entry of the oldest live job before submissions
    /// are refused, in bytes. The broker truncates the log at `log_bytes`, and must not drop the
    /// entries of a live job. Stopping at half leaves the other half for entries of the jobs
    /// already accepted.
    pub(crate) fn max_log_growth(&self) -> u64 {
        self.log_bytes / 2
    }

    /// The limits as the API reports them.
    pub(crate) fn limits(&self) -> v1::Limits {
        v1::Limits {
            max_message_bytes: clamp(self.max_message_bytes),
            max_model_bytes: clamp(self.model.max_model_bytes),
            max_variables: clamp(self.model.max_variables),
            max_constraints: clamp(self.model.max_constraints),
            max_nonzeros: clamp(self.model.max_nonzeros),
            max_time_limit: self.max_time_limit.try_into().ok(),
            default_time_limit: self.default_time_limit.try_into().ok(),
            max_total_time_limit: self.max_total_time_limit.try_into().ok(),
            max_live_jobs: clamp(self.max_live_jobs),
            max_watchers: clamp(self.max_watchers),
            max_jobs_per_watch: clamp(self.max_jobs_per_watch),
            max_scenarios: clamp(self.max_scenarios),
        }
    }
}

/// Converts a limit for the API; one that is too large for its type becomes `i32::MAX`.
fn clamp<N: TryFrom<usize> + TryFrom<i32>>(limit: usize) -> N
where
    <N as TryFrom<i32>>::Error: std::fmt::Debug,
{
    match N::try_from(limit) {
        Ok(limit) => limit,
        Err(_) => N::try_from(i32::MAX).expect("the API's integers hold any i32"),
    }
}
