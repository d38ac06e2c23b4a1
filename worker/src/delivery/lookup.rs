//! Decides what to do with a delivery that may be a duplicate:
//!
//! - Redelivered by the broker: the earlier attempt may be dead, may still run behind a lost
//!   connection, or may have finished without acknowledging its delivery.
//! - Queued twice: two gateways accepted requests with the same id at the same time, or a worker
//!   died between queueing a job for a retry and acknowledging the delivery.
//!
//! Asks a gateway for the job's status in the log, and the broker whether the worker of a running
//! attempt is connected.

use std::time::Duration;

use solvemesh::broker::v1::{
    JobEnvelope, JobStatus, LastIncumbent, LookupRequest, LookupResponse, ScenarioRange,
};
use solvemesh_broker::{FORMAT_VERSION, Lane, MeshError};

use crate::context::Context;

/// How long a live worker may be disconnected: its presence is checked again after this time.
const RECONNECT_GRACE: Duration = Duration::from_secs(1);
/// An attempt that has logged nothing for this time counts as dead: a live one logs about once a
/// second.
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// What to do with a delivery.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// No attempt is known to be alive: solve the job.
    Solve(PriorAttempts),
    /// The job has finished: acknowledge the delivery.
    Acknowledge,
    /// Another attempt is alive: hold the delivery until that has ended.
    Park,
}

/// Decides what to do with a new delivery. Does without a lookup if it is not redelivered and
/// cannot be a duplicate.
pub(crate) async fn decide(
    context: &Context,
    lane: &Lane,
    job: &JobEnvelope,
    redelivered: bool,
) -> Decision {
    if is_of_sweep(job) {
        if redelivered { decide_on_share(context, &job.job_id).await } else { Decision::SOLVE }
    } else if context.running.contains(&job.job_id) {
        Decision::Park
    } else if redelivered || may_be_duplicate(lane, job) && !context.lookup_backoff.is_active() {
        look_up_decision(context, &job.job_id).await
    } else {
        Decision::SOLVE
    }
}

impl Decision {
    /// Solve; nothing is known of earlier attempts.
    const SOLVE: Self = Self::Solve(PriorAttempts::NOTHING);
}

/// What the log contains about earlier attempts of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PriorAttempts {
    /// Number of attempts that died in the solver; 0 if the log was not asked.
    pub(crate) failed_attempts: u32,
    /// Their last solution.
    pub(crate) incumbent: Option<LastIncumbent>,
    /// The scenarios of a sweep that have an answer.
    pub(crate) answered: Vec<ScenarioRange>,
    /// Whether an attempt has started whose end is not in the log.
    pub(crate) has_started: bool,
}

impl PriorAttempts {
    /// Nothing is known of earlier attempts.
    const NOTHING: Self =
        Self { failed_attempts: 0, incumbent: None, answered: Vec::new(), has_started: false };

    /// Takes over the fields of a lookup's answer.
    fn of(answer: &LookupResponse) -> Self {
        let has_started = answer.status() == JobStatus::Running;
        let LookupResponse { failed_attempts, incumbent, answered, .. } = answer.clone();
        Self { failed_attempts, incumbent, answered, has_started }
    }
}

fn is_of_sweep(job: &JobEnvelope) -> bool {
    job.description.as_ref().is_some_and(|description| description.sweep.is_some())
}

/// Decides about a redelivered share of a sweep. It is never parked: a running attempt may mean
/// the workers of other shares, and a scenario that is solved twice does no harm, as only its
/// first answer counts.
async fn decide_on_share(context: &Context, job: &str) -> Decision {
    match look_up(context, job).await {
        Some(answer) if answer.status() == JobStatus::Finished => Decision::Acknowledge,
        // The failed attempts of a share are counted in its envelope alone.
        Some(answer) => {
            Decision::Solve(PriorAttempts { failed_attempts: 0, ..PriorAttempts::of(&answer) })
        }
        None => Decision::SOLVE,
    }
}

/// Whether a gateway confirms that the job has finished.
pub(crate) async fn has_ended(context: &Context, job: &str) -> bool {
    look_up(context, job).await.is_some_and(|answer| answer.status() == JobStatus::Finished)
}

/// Whether the job may be in its queue twice, and a lookup is worth its cost. A lookup takes some
/// milliseconds, longer than most jobs of the express lane. Those are solved twice instead, in the
/// rare case that two gateways accept one request.
fn may_be_duplicate(lane: &Lane, job: &JobEnvelope) -> bool {
    let requested = job.description.as_ref().is_some_and(|job| !job.request_id.is_empty());
    job.failed_attempts > 0 || requested && lane.as_str() != Lane::EXPRESS
}

/// Looks up what to do with a job. Without an answer within the lookup timeout it is solved:
/// better twice than never.
pub(crate) async fn look_up_decision(context: &Context, job: &str) -> Decision {
    let Some(answer) = look_up(context, job).await else { return Decision::SOLVE };
    match decide_by_log(&answer) {
        LogDecision::Decided(decision) => decision,
        // An attempt of this worker: no need to ask the broker.
        LogDecision::IfConnected { worker } if worker == context.id => {
            match context.running.contains(job) {
                true => Decision::Park,
                false => Decision::Solve(PriorAttempts::of(&answer)),
            }
        }
        LogDecision::IfConnected { worker } => match is_connected(context, worker).await {
            Ok(true) => Decision::Park,
            Ok(false) => Decision::Solve(PriorAttempts::of(&answer)),
            Err(error) => {
                tracing::info!(job, cause = %error, "presence check failed");
                Decision::Solve(PriorAttempts::of(&answer))
            }
        },
    }
}

/// Asks any gateway for the status of a job; `None` if none answers within the lookup timeout,
/// or the answer has a later format than this worker supports.
async fn look_up(context: &Context, job: &str) -> Option<LookupResponse> {
    let request = LookupRequest { version: FORMAT_VERSION, job_id: job.to_owned() };
    match context.mesh.lookup(request, context.config.lookup_timeout).await {
        Ok(answer) => (answer.version <= FORMAT_VERSION).then_some(answer),
        Err(error) => {
            tracing::info!(job, cause = %error, "job lookup failed");
            context.lookup_backoff.record_failure();
            None
        }
    }
}

/// Whether a worker is connected. Checks twice, because one that is reconnecting is absent for a
/// moment.
async fn is_connected(context: &Context, worker: &str) -> Result<bool, MeshError> {
    Ok(context.mesh.is_worker_connected(worker).await?
        || context.pause(RECONNECT_GRACE).await && context.mesh.is_worker_connected(worker).await?)
}

/// What the log alone decides.
#[derive(Clone, Debug, PartialEq)]
enum LogDecision<'a> {
    /// The log decides.
    Decided(Decision),
    /// Depends on whether the worker of the running attempt is connected.
    IfConnected { worker: &'a str },
}

fn decide_by_log(answer: &LookupResponse) -> LogDecision<'_> {
    match answer.status() {
        JobStatus::Finished => LogDecision::Decided(Decision::Acknowledge),
        JobStatus::Running
            if !answer.worker_id.is_empty()
                && Duration::from_millis(answer.silent_millis) < DEAD_AFTER =>
        {
            LogDecision::IfConnected { worker: &answer.worker_id }
        }
        JobStatus::Running | JobStatus::Queued | JobStatus::Unknown | JobStatus::Unspecified => {
            LogDecision::Decided(Decision::Solve(PriorAttempts::of(answer)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: JobStatus, worker: &str, silent_millis: u64) -> LookupResponse {
        LookupResponse {
            version: FORMAT_VERSION,
            status: status.into(),
            attempt_id: "a".to_owned(),
            worker_id: worker.to_owned(),
            silent_millis,
            failed_attempts: 2,
            incumbent: Some(incumbent()),
            answered: Vec::new(),
        }
    }

    fn incumbent() -> LastIncumbent {
        LastIncumbent { variable_indices: vec![1], values: vec![7.0] }
    }

    #[test]
    fn only_a_running_attempt_with_recent_entries_may_be_alive() {
        let alive = LogDecision::IfConnected { worker: "w" };
        let solve = |status| {
            LogDecision::Decided(Decision::Solve(PriorAttempts {
                failed_attempts: 2,
                incumbent: Some(incumbent()),
                answered: Vec::new(),
                has_started: status == JobStatus::Running,
            }))
        };
        let running = solve(JobStatus::Running);
        assert_eq!(decide_by_log(&answer(JobStatus::Running, "w", 100)), alive);
        assert_eq!(decide_by_log(&answer(JobStatus::Running, "w", 30_000)), running);
        assert_eq!(decide_by_log(&answer(JobStatus::Running, "", 100)), running);
        for status in [JobStatus::Queued, JobStatus::Unknown, JobStatus::Unspecified] {
            assert_eq!(decide_by_log(&answer(status, "w", 100)), solve(status));
        }
        let ended = answer(JobStatus::Finished, "w", 100);
        assert_eq!(decide_by_log(&ended), LogDecision::Decided(Decision::Acknowledge));
    }

    #[test]
    fn only_retries_and_requests_with_an_id_may_be_duplicates() {
        let [standard, express] =
            [Lane::STANDARD, Lane::EXPRESS].map(|lane| lane.parse().expect("a lane"));
        let worth_a_lookup =
            |job: &JobEnvelope| [&standard, &express].map(|lane| may_be_duplicate(lane, job));
        let mut job = JobEnvelope::default();
        assert_eq!(worth_a_lookup(&job), [false, false]);
        job.description.get_or_insert_default().request_id = "r".to_owned();
        assert_eq!(worth_a_lookup(&job), [true, false]);
        job.failed_attempts = 1;
        assert_eq!(worth_a_lookup(&job), [true, true]);
    }
}
