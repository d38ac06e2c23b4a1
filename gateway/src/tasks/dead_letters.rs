//! Fails the jobs whose messages the broker has dead-lettered.

use std::sync::Arc;

use prost::Message;
use solvemesh::{
    broker::v1::{JobEnd, JobEnvelope, LogEntry, log_entry},
    failure_reason,
    v1::{Failure, JobFinished, JobState},
};
use solvemesh_broker::{DeadLetter, Mesh, MeshError, entry};
use tracing::{error, warn};

/// Turns dead letters into entries of the log, so that a job that no worker gets any more fails
/// visibly. The broker lets one gateway at a time consume them. Runs until the mesh is closed.
///
/// # Errors
///
/// If dead letters can't be consumed, or an entry can't be appended.
pub async fn run(mesh: Arc<dyn Mesh>) -> Result<(), MeshError> {
    let mut letters = mesh.dead_letters().await?;
    while let Some(letter) = letters.next().await {
        let DeadLetter { job_id, digest, reason, body, lease } = letter;
        if job_id.is_empty() {
            error!(reason, bytes = body.len(), "dead letter without a job id dropped");
        } else {
            warn!(job = job_id, cause = reason, "job was dead-lettered");
            mesh.append(failed(job_id, digest, &reason, &body)).await?;
        }
        // Without the ack it is delivered again, and the second entry changes nothing.
        if let Err(lost) = lease.ack().await {
            warn!(%lost, "dead letter not acknowledged");
        }
    }
    Ok(())
}

/// The terminal entry of a dead-lettered job; `reason` is the broker's.
fn failed(job_id: String, digest: Vec<u8>, reason: &str, body: &[u8]) -> LogEntry {
    let failure = match reason {
        "rejected" => Failure {
            reason: failure_reason::UNREADABLE_JOB.to_owned(),
            message: "the job's message can't be decoded".to_owned(),
        },
        "delivery_limit" => Failure {
            reason: failure_reason::DELIVERY_LIMIT.to_owned(),
            message: "the job was delivered to workers too often, and none of them finished it"
                .to_owned(),
        },
        other => Failure {
            reason: failure_reason::GIVEN_UP.to_owned(),
            message: format!("the broker dropped the job: {other}"),
        },
    };
    let state = JobState::Failed.into();
    let outcome = JobFinished { state, failure: Some(failure), ..JobFinished::default() };
    // With a description, the entry adds the job to the table if it is the job's first. A body
    // that can't be decoded results in an empty one.
    let job = JobEnvelope::decode(body).unwrap_or_default();
    let finished = JobEnd {
        outcome: Some(outcome),
        description: Some(job.description.unwrap_or_default()),
        submit_time: job.submit_time,
        ..JobEnd::default()
    };
    LogEntry { digest, ..entry(job_id, log_entry::Kind::Finished(finished.into())) }
}
