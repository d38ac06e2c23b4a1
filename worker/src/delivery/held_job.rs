//! The end of a worker's hold on a job: first the log has it, then the broker may
//! forget the job. Never the other way round.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{AttemptLost, BulkReference, JobEnvelope, JobFinished, log_entry::Kind},
    v1::{Failure, Finished, JobDescription, JobState, SolveResult},
};
use solvemesh_broker::{Health, Lane, Lease, LeaseLost, MeshError};

use crate::{
    attempt::disposition::failure, backoff::Backoff, context::Context,
    delivery::redelivery::RunningJob, log::writer::Author, result::Conclusion,
};

/// How often a message that the broker does not take is sent again before the job is
/// handed back.
const TRIES: usize = 8;

/// A job in hand, to be settled in one of the ways below.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) context: Arc<Context>,
    pub(crate) author: Author,
    pub(crate) lease: Lease,
    /// Until an attempt began.
    pub(crate) introduction: Option<Introduction>,
    /// Since the job was taken, until others may have it.
    pub(crate) running: Option<RunningJob>,
}

/// What makes a job known whose gateway died in between.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    pub(crate) description: JobDescription,
    pub(crate) submit_time: Option<Timestamp>,
}

impl Settlement {
    /// The job ended with a result.
    pub(crate) async fn conclude(self, state: JobState, conclusion: Conclusion) {
        let Conclusion { result, parts } = conclusion;
        let solution = if parts.is_empty() {
            None
        } else {
            match self.store(parts).await {
                Ok(reference) => Some(reference),
                Err(error) => return self.hand_back(&error.to_string()).await,
            }
        };
        self.finish(finished(state, Some(result), None), solution).await;
    }

    /// The job ended without a result.
    pub(crate) async fn end(self, state: JobState, failure: Option<Failure>) {
        self.finish(finished(state, None, failure), None).await;
    }

    /// The job's attempt died: back into the queue, with one more that did.
    pub(crate) async fn retry(mut self, failure: Failure, lane: &Lane, mut job: JobEnvelope) {
        job.failed_attempts = job.failed_attempts.saturating_add(1);
        tracing::warn!(
            job = self.author.job,
            attempt = self.author.attempt,
            failed_attempts = job.failed_attempts,
            cause = failure.message,
            "the attempt died; the job will be tried again"
        );
        let lost = Kind::AttemptLost(AttemptLost { failure: Some(failure) });
        if let Err(error) = self.record(lost).await {
            return self.hand_back(&error.to_string()).await;
        }
        // The log has it that nobody is at the job: whoever gets it next need not wait.
        self.running = None;
        let enqueued = persist(|| async {
            self.broker_takes().await;
            self.context.mesh.enqueue(lane, &job).await
        });
        match enqueued.await {
            Ok(()) => self.ack().await,
            Err(error) => self.hand_back(&error.to_string()).await,
        }
    }

    /// The job goes back into its queue as it came.
    pub(crate) async fn hand_back(mut self, cause: &str) {
        self.running = None;
        let Author { job, attempt, .. } = &self.author;
        tracing::info!(job, attempt, cause, "handing the job back");
        if let Err(LeaseLost) = self.lease.requeue().await {
            tracing::info!(job, attempt, cause = %LeaseLost, "the job was already handed back");
        }
    }

    async fn finish(mut self, outcome: Finished, solution: Option<BulkReference>) {
        let told = Told::of(&outcome);
        let (description, submit_time) = match self.introduction.take() {
            Some(Introduction { description, submit_time }) => (Some(description), submit_time),
            None => (None, None),
        };
        let entry = Kind::Finished(JobFinished {
            outcome: Some(outcome),
            solution,
            description,
            submit_time,
        });
        let mut recorded = self.record(entry).await;
        if let Err(error @ MeshError::TooLarge { .. }) = &recorded {
            // What is in it has bounds of its own, so this is not seen; but a job must end.
            let failed = failure("SOLVER_ERROR", format!("the result can't be told: {error}"));
            let outcome = finished(JobState::Failed, None, Some(failed));
            let entry =
                Kind::Finished(JobFinished { outcome: Some(outcome), ..JobFinished::default() });
            recorded = self.record(entry).await;
        }
        match recorded {
            Ok(()) => {
                let Author { job, attempt, .. } = &self.author;
                tracing::info!(
                    job,
                    attempt,
                    state = told.state,
                    reason = told.reason,
                    cause = told.cause,
                    "finished"
                );
                self.ack().await;
            }
            // Unsettled, the job goes to another worker.
            Err(error) => self.hand_back(&error.to_string()).await,
        }
    }

    /// Writes an entry, and waits until the log has it.
    async fn record(&mut self, kind: Kind) -> Result<(), MeshError> {
        let entry = self.author.entry(kind);
        self.context.journal.confirm(entry).await
    }

    async fn store(&self, parts: Vec<Bytes>) -> Result<BulkReference, MeshError> {
        persist(|| async {
            self.broker_takes().await;
            self.context.mesh.store(parts.clone()).await
        })
        .await
    }

    /// Waits until the broker takes messages: what was found out waits for it as entries
    /// of the log do, and the job is not solved again for an alarm that lasts.
    async fn broker_takes(&self) {
        // A mesh that was closed says so when it is used.
        let _ = self.context.mesh.health().wait_for(|health| *health == Health::Ready).await;
    }

    /// The log has all that there is to tell: the broker may forget the delivery.
    pub(crate) async fn ack(self) {
        if let Err(LeaseLost) = self.lease.ack().await {
            let Author { job, attempt, .. } = &self.author;
            tracing::info!(
                job, attempt, cause = %LeaseLost,
                "the job may be solved again; its result stands"
            );
        }
    }
}

/// Repeats what may work the next time, for a bounded time.
pub(crate) async fn persist<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, MeshError>
where
    F: Future<Output = Result<T, MeshError>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    for _ in 1..TRIES {
        match attempt().await {
            Err(
                MeshError::Unavailable(_)
                | MeshError::Blocked(_)
                | MeshError::OutcomeUnknown
                | MeshError::Full(_),
            ) => tokio::time::sleep(backoff.pause()).await,
            answer => return answer,
        }
    }
    attempt().await
}

/// How a job ended, in the contract's words.
fn finished(state: JobState, result: Option<SolveResult>, failure: Option<Failure>) -> Finished {
    Finished { state: state.into(), result, failure, sweep: None }
}

/// What the worker's own log says of an end.
struct Told {
    state: &'static str,
    reason: &'static str,
    cause: String,
}

impl Told {
    fn of(outcome: &Finished) -> Self {
        let termination = outcome.result.as_ref().and_then(|result| result.termination.as_ref());
        let failure = outcome.failure.as_ref();
        Self {
            state: outcome.state().as_str_name(),
            reason: termination.map_or("", |termination| termination.reason().as_str_name()),
            cause: failure.map(|failure| failure.message.clone()).unwrap_or_default(),
        }
    }
}
