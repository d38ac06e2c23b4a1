//! Decides what to do with a delivery that may be a duplicate:
//!
//! - Redelivered by the broker: the earlier attempt may be dead, may still run behind a lost
//!   connection, or may have finished without acknowledging its delivery.
//! - Queued twice: two gateways accepted requests with the same id at the same time, or a worker
//!   died between queueing a job for a retry and acknowledging the delivery.
//!
//! Asks a gateway for the job's status in the log, and the broker whether the worker of a running
//! attempt is connected.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solvemesh::broker::v1::{
    JobEnvelope, JobStatus, LastIncumbent, LookupRequest, LookupResponse, ScenarioRange,
};
use solvemesh_broker::{FORMAT_VERSION, Lane, Lease, LeaseLost, MeshError};
use tokio::time::Instant;

use crate::context::Context;

/// Interval of the lookups of a parked job.
const PARK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a live worker may be disconnected: its presence is checked again after this time.
const RECONNECT_GRACE: Duration = Duration::from_secs(1);
/// An attempt that has logged nothing for this time counts as dead: a live one logs about once a
/// second.
const DEAD_AFTER: Duration = Duration::from_secs(30);
/// After a lookup without an answer, the optional lookups of possible duplicates are skipped for
/// this time, so that jobs do not wait for the lookup timeout one after another.
const LOOKUP_BACKOFF: Duration = Duration::from_secs(10);

/// What to do with a delivery.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// No attempt is known to be alive: solve the job.
    Solve(PriorAttempts),
    /// The job has finished: acknowledge the delivery.
    Forget,
    /// Another attempt is alive: hold the delivery until that has ended.
    Park,
}

/// Decides what to do with a new delivery. Does without a lookup if it is not redelivered and
/// cannot be a duplicate.
pub(crate) async fn advice(
    context: &Context,
    lane: &Lane,
    job: &JobEnvelope,
    redelivered: bool,
) -> Verdict {
    if is_of_sweep(job) {
        if redelivered { on_share(context, &job.job_id).await } else { Verdict::SOLVE }
    } else if context.running.has(&job.job_id) {
        Verdict::Park
    } else if redelivered || may_be_duplicate(lane, job) && !context.unanswered.lately() {
        look_up_advice(context, &job.job_id).await
    } else {
        Verdict::SOLVE
    }
}

impl Verdict {
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
async fn on_share(context: &Context, job: &str) -> Verdict {
    match look_up(context, job).await {
        Some(answer) if answer.status() == JobStatus::Finished => Verdict::Forget,
        // The failed attempts of a share are counted in its envelope alone.
        Some(answer) => {
            Verdict::Solve(PriorAttempts { failed_attempts: 0, ..PriorAttempts::of(&answer) })
        }
        None => Verdict::SOLVE,
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
async fn look_up_advice(context: &Context, job: &str) -> Verdict {
    let Some(answer) = look_up(context, job).await else { return Verdict::SOLVE };
    match judge_by_log(&answer) {
        LogVerdict::Decided(advice) => advice,
        // An attempt of this worker: no need to ask the broker.
        LogVerdict::IfConnected { worker } if worker == context.id => {
            match context.running.has(job) {
                true => Verdict::Park,
                false => Verdict::Solve(PriorAttempts::of(&answer)),
            }
        }
        LogVerdict::IfConnected { worker } => match is_connected(context, worker).await {
            Ok(true) => Verdict::Park,
            Ok(false) => Verdict::Solve(PriorAttempts::of(&answer)),
            Err(error) => {
                tracing::info!(job, cause = %error, "presence check failed");
                Verdict::Solve(PriorAttempts::of(&answer))
            }
        },
    }
}

/// Asks any gateway for the status of a job; `None` if none answers within the lookup timeout,
/// or the answer has a later format than this worker supports.
async fn look_up(context: &Context, job: &str) -> Option<LookupResponse> {
    let request = LookupRequest { version: FORMAT_VERSION, job_id: job.to_owned() };
    match context.mesh.ask(request, context.config.lookup_timeout).await {
        Ok(answer) => (answer.version <= FORMAT_VERSION).then_some(answer),
        Err(error) => {
            tracing::info!(job, cause = %error, "job lookup failed");
            context.unanswered.note();
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

/// What follows from the log alone.
#[derive(Clone, Debug, PartialEq)]
enum LogVerdict<'a> {
    /// The log decides.
    Decided(Verdict),
    /// Depends on whether the worker of the running attempt is connected.
    IfConnected { worker: &'a str },
}

fn judge_by_log(answer: &LookupResponse) -> LogVerdict<'_> {
    match answer.status() {
        JobStatus::Finished => LogVerdict::Decided(Verdict::Forget),
        JobStatus::Running
            if !answer.worker_id.is_empty()
                && Duration::from_millis(answer.silent_millis) < DEAD_AFTER =>
        {
            LogVerdict::IfConnected { worker: &answer.worker_id }
        }
        JobStatus::Running | JobStatus::Queued | JobStatus::Unknown | JobStatus::Unspecified => {
            LogVerdict::Decided(Verdict::Solve(PriorAttempts::of(answer)))
        }
    }
}

/// Holds a delivery while another attempt is alive. Acknowledges it once the job has finished;
/// requeues it once the attempt is dead or this worker stops.
pub(crate) async fn park(context: Arc<Context>, job: String, lease: Lease) {
    tracing::info!(job, "another attempt is alive, job parked");
    let wait_for_end = async {
        loop {
            tokio::time::sleep(PARK_INTERVAL).await;
            if context.running.has(&job) {
                continue;
            }
            match look_up_advice(&context, &job).await {
                Verdict::Park => {}
                advice => return advice,
            }
        }
    };
    match context.stop.run_until_cancelled(wait_for_end).await {
        Some(Verdict::Forget) => forget(job, lease).await,
        _ => give_back(job, lease).await,
    }
}

/// Requeues a delivery.
pub(crate) async fn give_back(job: String, lease: Lease) {
    tracing::info!(job, "job requeued");
    if let Err(LeaseLost) = lease.requeue().await {
        tracing::info!(job, cause = %LeaseLost, "job was requeued already");
    }
}

/// Acknowledges the delivery of a job that has finished.
pub(crate) async fn forget(job: String, lease: Lease) {
    tracing::info!(job, "job finished before, delivery dropped");
    if let Err(LeaseLost) = lease.ack().await {
        tracing::info!(job, cause = %LeaseLost, "cannot acknowledge, job will be redelivered");
    }
}

/// When a lookup last had no answer.
#[derive(Debug, Default)]
pub(crate) struct LookupBackoff(Mutex<Option<Instant>>);

impl LookupBackoff {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn lately(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < LOOKUP_BACKOFF)
    }
}

/// The jobs that this worker has accepted and not settled yet. Known without a lookup, so it also
/// works while the log accepts no entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<String, usize>>>);

impl Running {
    /// Counts a job as running as long as the guard lives.
    pub(crate) fn begin(&self, job: &str) -> RunningJob {
        *self.lock().entry(job.to_owned()).or_default() += 1;
        RunningJob { running: self.clone(), job: job.to_owned() }
    }

    fn has(&self, job: &str) -> bool {
        self.lock().contains_key(job)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Guard of [`Running::begin`]: the job counts as running until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningJob {
    running: Running,
    job: String,
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        let mut jobs = self.running.lock();
        match jobs.get_mut(&self.job) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(jobs.remove(&self.job)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(standing: JobStatus, worker: &str, silent_millis: u64) -> LookupResponse {
        LookupResponse {
            version: FORMAT_VERSION,
            status: standing.into(),
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
        let alive = LogVerdict::IfConnected { worker: "w" };
        let solve = |standing| {
            LogVerdict::Decided(Verdict::Solve(PriorAttempts {
                failed_attempts: 2,
                incumbent: Some(incumbent()),
                answered: Vec::new(),
                has_started: standing == JobStatus::Running,
            }))
        };
        let running = solve(JobStatus::Running);
        assert_eq!(judge_by_log(&answer(JobStatus::Running, "w", 100)), alive);
        assert_eq!(judge_by_log(&answer(JobStatus::Running, "w", 30_000)), running);
        assert_eq!(judge_by_log(&answer(JobStatus::Running, "", 100)), running);
        for standing in [JobStatus::Queued, JobStatus::Unknown, JobStatus::Unspecified] {
            assert_eq!(judge_by_log(&answer(standing, "w", 100)), solve(standing));
        }
        let ended = answer(JobStatus::Finished, "w", 100);
        assert_eq!(judge_by_log(&ended), LogVerdict::Decided(Verdict::Forget));
    }

    #[test]
    fn a_job_runs_until_its_last_guard_is_dropped() {
        let running = Running::default();
        let (one, two) = (running.begin("a"), running.begin("a"));
        assert!(running.has("a") && !running.has("b"));
        drop(one);
        assert!(running.has("a"));
        drop(two);
        assert!(!running.has("a"));
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
