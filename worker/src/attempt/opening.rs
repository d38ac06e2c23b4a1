//! The first phase of an attempt: checks that the job may still start, and loads its payload.

use std::{sync::Arc, time::SystemTime};

use solvemesh::{broker::v1::JobEnvelope, failure_reason, v1::JobState};

use crate::{
    attempt::{
        options::EffectiveOptions,
        payload::{NoPayload, Payload},
    },
    delivery::held_job::HeldJob,
    failure::failure,
};

/// A job that is ready to be solved.
#[derive(Debug)]
pub(super) struct OpenedJob {
    pub(super) held: HeldJob,
    /// The envelope as received.
    pub(super) envelope: JobEnvelope,
    pub(super) payload: Payload,
    pub(super) effective: EffectiveOptions,
}

/// Opens a job. `None` if no attempt can start; the job is then settled.
pub(super) async fn open(
    held: HeldJob,
    envelope: JobEnvelope,
    has_started: bool,
) -> Option<OpenedJob> {
    let context = Arc::clone(&held.context);
    if context.cancels.contains(&envelope.job_id) {
        context.settle(held.end(JobState::Cancelled, None)).await;
        return None;
    }
    let mut description = envelope.description.clone().unwrap_or_default();
    if has_started {
        // The queue deadline applies only until the first attempt has started.
        description.queue_expire_time = None;
    }
    let now = SystemTime::now();
    let effective = EffectiveOptions::of(&description, &context.config, now);
    let Ok(effective) = effective else {
        let why =
            failure(failure_reason::DEADLINE_EXCEEDED, "the job's deadline passed in the queue");
        context.settle(held.end(JobState::Expired, Some(why))).await;
        return None;
    };
    let loaded = tokio::select! {
        loaded = Payload::load(context.mesh.as_ref(), &envelope) => loaded,
        () = context.cancels.wait_for(&envelope.job_id) => {
            context.settle(held.end(JobState::Cancelled, None)).await;
            return None;
        }
        () = context.kill.cancelled() => {
            context.settle(held.requeue("the worker is stopping")).await;
            return None;
        }
    };
    match loaded {
        Ok(payload) => Some(OpenedJob { held, envelope, payload, effective }),
        Err(error) => {
            settle_without_payload(held, error).await;
            None
        }
    }
}

/// Settles a job whose payload cannot be loaded: rejected if the message is malformed, failed if
/// the payload is lost for good, requeued if another try may succeed.
async fn settle_without_payload(held: HeldJob, error: NoPayload) {
    let context = Arc::clone(&held.context);
    tracing::error!(job = held.entries.job, cause = %error, "cannot load the model");
    match error {
        NoPayload::Missing => context.settle(held.reject()).await,
        NoPayload::Lost(cause) => {
            let why = failure(
                failure_reason::MODEL_LOST,
                format!("cannot load the job's model: {cause}"),
            );
            context.settle(held.end(JobState::Failed, Some(why))).await;
        }
        NoPayload::Unavailable(error) => {
            context.settle(async move { held.requeue(&error.to_string()).await }).await;
        }
    }
}
