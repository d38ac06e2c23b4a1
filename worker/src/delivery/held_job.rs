//! Settles a job that the worker holds.
//!
//! The order is essential: the results log confirms the end first, then the delivery is
//! acknowledged. The other way round, a crash in between would lose the job. In this order it
//! costs a lookup: the broker redelivers the job, and the next worker finds its end in the log. A
//! retry is queued before the acknowledgement for the same reason: a crash in between leaves the
//! job in its queue twice, which lookups detect too.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use prost::Message as _;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{
        AttemptLost, AttemptStarted, BulkReference, JobEnd, JobEnvelope, LogEntry, log_entry::Kind,
    },
    failure_reason,
    v1::{Failure, JobDescription, JobFinished, JobState, SolveResult},
};
use solvemesh_broker::{
    Backoff, BulkObject, Health, Lane, Lease, LeaseLost, MAX_ENTRY_BYTES, MeshError,
};
use solvemesh_daemon::{Origin, TRACES, TraceContext};

use tracing::{Instrument as _, Span, info_span};

use crate::{
    context::Context,
    delivery::{
        disposal,
        running::RunningJob,
        span::{attempt_span, origin_of},
    },
    failure::failure,
    log::writer::{Confirm, EntryBuilder},
    result::Conclusion,
};

/// Maximum number of tries to publish a message before the job is requeued instead.
const MAX_TRIES: usize = 8;

/// A job that this worker holds, with its lease; to be settled in one of the ways below.
#[derive(Debug)]
pub(crate) struct HeldJob {
    pub(crate) context: Arc<Context>,
    pub(crate) entries: EntryBuilder,
    lease: Lease,
    /// The job's description, for the first entry about it that this worker logs.
    header: Option<JobHeader>,
    /// The start of the attempt, until it is logged.
    unlogged_start: Option<UnloggedStart>,
    /// Where the job comes from, if its gateway exports traces.
    origin: Option<Origin>,
    /// The span of the attempt, which ends when the job is settled.
    span: Span,
    /// Marks the job as running on this worker, until others may have it.
    running: Option<RunningJob>,
}

/// What the log needs to know of a job. Its gateway logs the same, unless it died after queueing
/// the job.
#[derive(Clone, Debug)]
struct JobHeader {
    description: JobDescription,
    submit_time: Option<Timestamp>,
    /// Whether an attempt has died before.
    is_retry: bool,
}

/// The start of an attempt that the log does not have yet. It goes into the log with the next
/// entry: for a short solve that is the end, and both are one entry.
#[derive(Clone, Debug)]
struct UnloggedStart {
    started: AttemptStarted,
    time: Timestamp,
}

impl HeldJob {
    /// Takes a job over. From now on it counts as running on this worker.
    pub(crate) fn new(context: Arc<Context>, envelope: &JobEnvelope, lease: Lease) -> Self {
        let JobEnvelope { job_id, digest, description, submit_time, .. } = envelope;
        let description = description.clone().unwrap_or_default();
        let is_retry = envelope.failed_attempts > 0;
        let running = Some(context.running.begin(job_id));
        Self {
            context,
            entries: EntryBuilder::of_job(job_id.clone(), digest.clone()),
            lease,
            header: Some(JobHeader { description, submit_time: *submit_time, is_retry }),
            unlogged_start: None,
            origin: origin_of(envelope),
            span: Span::none(),
            running,
        }
    }

    /// Starts an attempt: the entries that follow have its id. Its start is logged together with
    /// the next of them, or by [`log_start`](Self::log_start). `objective` is that of the solution
    /// of an earlier attempt from which it starts.
    pub(crate) fn begin_attempt(&mut self, objective: Option<f64>) {
        self.begin_span();
        self.measure_wait();
        let (description, submit_time) = self.take_header();
        let started = AttemptStarted {
            worker: self.context.config.name.clone(),
            description,
            submit_time,
            worker_id: self.context.id.clone(),
            start_objective: objective,
        };
        self.unlogged_start = Some(UnloggedStart { started, time: SystemTime::now().into() });
    }

    /// Starts to work on a share of a sweep whose start another worker has logged.
    pub(crate) fn begin_share(&mut self) {
        self.begin_span();
        self.header = None;
    }

    /// Gives the entries that follow the id of a new attempt, and begins its span.
    fn begin_span(&mut self) {
        self.entries.begin_attempt();
        let EntryBuilder { job, attempt, .. } = &self.entries;
        self.span = attempt_span(job, attempt, self.origin.as_ref());
    }

    /// The span of the attempt.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The id of the trace of the attempt, for log lines, if it is recorded.
    pub(crate) fn trace(&self) -> Option<String> {
        TraceContext::of(&self.span)?.recorded_id()
    }

    /// Logs the start of the attempt now; returns its confirm without waiting for it.
    pub(crate) async fn log_start(&mut self) -> Option<Confirm> {
        let entry = self.start_entry()?;
        Some(self.context.log_writer.append(entry).await)
    }

    /// Logs the start of the attempt unless the log writer is full, or it is in the log already;
    /// returns whether it is.
    pub(crate) fn try_log_start(&mut self) -> bool {
        let Some(UnloggedStart { started, time }) = &self.unlogged_start else { return true };
        let entries = &mut self.entries;
        let build = || entries.build_at(*time, Kind::Started(started.clone()));
        let is_logged = self.context.log_writer.try_append(build);
        if is_logged {
            self.unlogged_start = None;
        }
        is_logged
    }

    /// Logs an entry of the attempt unless the log writer is full; returns whether it did.
    pub(crate) fn try_log(&mut self, kind: Kind) -> bool {
        self.try_log_start() && {
            let entries = &mut self.entries;
            self.context.log_writer.try_append(|| entries.build(kind))
        }
    }

    /// Logs an entry of the attempt without waiting for its confirm.
    pub(crate) async fn log_unconfirmed(&mut self, kind: Kind) {
        let _ = self.log_start().await;
        self.context.log_writer.append_unconfirmed(self.entries.build(kind)).await;
    }

    /// The entry of the start, if it is not logged yet.
    fn start_entry(&mut self) -> Option<Box<LogEntry>> {
        let UnloggedStart { started, time } = self.unlogged_start.take()?;
        Some(self.entries.build_at(time, Kind::Started(started)))
    }

    /// Measures how long the job has waited, if this is its first attempt.
    fn measure_wait(&self) {
        if let Some(JobHeader { description, submit_time: Some(submitted), is_retry: false }) =
            &self.header
            && let Ok(submitted) = (*submitted).try_into()
        {
            self.context.config.metrics.job_started(&description.lane, submitted);
        }
    }

    /// The job's description and submit time, the first time.
    fn take_header(&mut self) -> (Option<JobDescription>, Option<Timestamp>) {
        match self.header.take() {
            Some(JobHeader { description, submit_time, .. }) => (Some(description), submit_time),
            None => (None, None),
        }
    }

    /// Finishes the job with a result. A large solution is stored in the bulk store first.
    pub(crate) async fn conclude(self, state: JobState, conclusion: Conclusion) {
        let Conclusion { result, parts } = conclusion;
        let solution = if parts.is_empty() {
            None
        } else {
            match self.store(parts).await {
                Ok(reference) => Some(reference),
                Err(error) => return self.requeue(&error.to_string()).await,
            }
        };
        self.finish(finished(state, Some(result), None), solution).await;
    }

    /// Finishes the job without a result.
    pub(crate) async fn end(self, state: JobState, failure: Option<Failure>) {
        self.finish(finished(state, None, failure), None).await;
    }

    /// Logs that the attempt died, and queues the job again with one more failed attempt.
    pub(crate) async fn retry(mut self, failure: Failure, lane: &Lane, mut job: JobEnvelope) {
        job.failed_attempts = job.failed_attempts.saturating_add(1);
        tracing::warn!(
            job = self.entries.job,
            attempt = self.entries.attempt,
            failed_attempts = job.failed_attempts,
            cause = failure.message,
            "attempt died, retrying the job"
        );
        let _ = self.log_start().await;
        let lost = Kind::AttemptLost(AttemptLost { failure: Some(failure) });
        if let Err(error) = self.record(lost).await {
            return self.requeue(&error.to_string()).await;
        }
        // The log says that no attempt runs, so the next delivery need not be parked, even if
        // this worker gets it.
        self.running = None;
        let enqueued = with_retries(|| async {
            self.wait_until_ready().await;
            self.context.mesh.enqueue(lane, &job).await
        });
        match enqueued.await {
            Ok(()) => self.ack().await,
            Err(error) => self.requeue(&error.to_string()).await,
        }
    }

    /// Requeues the delivery unchanged.
    pub(crate) async fn requeue(mut self, cause: &str) {
        self.running = None;
        let EntryBuilder { job, attempt, .. } = &self.entries;
        tracing::info!(job, attempt, cause, "requeueing the job");
        if let Err(LeaseLost) = self.lease.requeue().await {
            tracing::info!(job, attempt, cause = %LeaseLost, "job was requeued already");
        }
    }

    /// Rejects the delivery, because its message is malformed.
    pub(crate) async fn reject(self) {
        disposal::reject(self.entries.job, self.lease).await;
    }

    /// Logs the end of the job, and acknowledges the delivery once that is confirmed.
    async fn finish(mut self, outcome: JobFinished, solution: Option<BulkReference>) {
        let mut summary = Summary::of(&outcome);
        let (description, submit_time) = self.take_header();
        let start = self.unlogged_start.take();
        let time = start.as_ref().map(|start| start.time);
        let end = Box::new(JobEnd {
            description,
            submit_time,
            started: start.map(|start| start.started),
            start_time: time,
            outcome: Some(outcome),
            solution,
        });
        let mut entry = self.entries.build(Kind::Finished(end));
        let bytes = entry.encoded_len();
        if let Some(Kind::Finished(end)) = &mut entry.kind
            && bytes > MAX_ENTRY_BYTES
        {
            // Should not happen, because every part of a result is bounded. But if it does, the
            // job has to finish, and a retry would only get here again.
            let error = MeshError::TooLarge { bytes, limit: MAX_ENTRY_BYTES };
            let failed =
                failure(failure_reason::SOLVER_ERROR, format!("cannot report the result: {error}"));
            let outcome = finished(JobState::Failed, None, Some(failed));
            summary = Summary::of(&outcome);
            (end.outcome, end.solution) = (Some(outcome), None);
        }
        let appending = info_span!(target: TRACES, parent: &self.span, "append JobFinished");
        let appended = self.context.log_writer.append_confirmed(entry).instrument(appending);
        match appended.await {
            Ok(()) => {
                let trace = self.trace();
                let EntryBuilder { job, attempt, .. } = &self.entries;
                tracing::info!(
                    job,
                    attempt,
                    state = summary.state,
                    reason = summary.reason,
                    cause = summary.cause,
                    trace,
                    "job finished"
                );
                self.ack().await;
            }
            // The log does not have the end, so the job has to be solved again.
            Err(error) => self.requeue(&error.to_string()).await,
        }
    }

    /// Appends an entry and waits for its confirm.
    async fn record(&mut self, kind: Kind) -> Result<(), MeshError> {
        let entry = self.entries.build(kind);
        self.context.log_writer.append_confirmed(entry).await
    }

    async fn store(&self, parts: Vec<Bytes>) -> Result<BulkReference, MeshError> {
        let object = BulkObject::new(parts);
        with_retries(|| async {
            self.wait_until_ready().await;
            self.context.mesh.store(object.clone()).await
        })
        .await
    }

    /// Waits until the broker accepts messages. Without this, the tries would be used up during a
    /// long alarm of the broker, and the job would have to be solved again.
    async fn wait_until_ready(&self) {
        // An error means that the mesh is closed; the call that follows reports that.
        let _ = self.context.mesh.health().wait_for(|health| *health == Health::Ready).await;
    }

    /// Acknowledges the delivery. Only after the log has confirmed everything about the job.
    pub(crate) async fn ack(self) {
        if let Err(LeaseLost) = self.lease.ack().await {
            let EntryBuilder { job, attempt, .. } = &self.entries;
            tracing::info!(
                job, attempt, cause = %LeaseLost,
                "cannot acknowledge, job may be solved again; the logged result is final"
            );
        }
    }
}

/// Retries an operation on the mesh with backoff, up to [`MAX_TRIES`] times, as long as it fails
/// for a reason that may pass.
pub(crate) async fn with_retries<T, F>(mut operation: impl FnMut() -> F) -> Result<T, MeshError>
where
    F: Future<Output = Result<T, MeshError>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    for _ in 1..MAX_TRIES {
        match operation().await {
            Err(
                MeshError::Unavailable(_)
                | MeshError::Blocked(_)
                | MeshError::OutcomeUnknown
                | MeshError::Full(_),
            ) => tokio::time::sleep(backoff.next_delay()).await,
            outcome => return outcome,
        }
    }
    operation().await
}

/// The outcome of a job, as the public API defines it.
fn finished(state: JobState, result: Option<SolveResult>, failure: Option<Failure>) -> JobFinished {
    JobFinished { state: state.into(), result, failure, sweep_summary: None }
}

/// What the worker's own log reports about a finished job.
struct Summary {
    state: &'static str,
    reason: &'static str,
    cause: String,
}

impl Summary {
    fn of(outcome: &JobFinished) -> Self {
        let termination = outcome.result.as_ref().and_then(|result| result.termination.as_ref());
        let failure = outcome.failure.as_ref();
        Self {
            state: outcome.state().as_str_name(),
            reason: termination.map_or("", |termination| termination.reason().as_str_name()),
            cause: failure.map(|failure| failure.message.clone()).unwrap_or_default(),
        }
    }
}
