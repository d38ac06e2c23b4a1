//! What becomes of jobs that no worker will take any more.

use std::{sync::Arc, time::SystemTime};

use prost::Message;
use solvemesh::{
    broker::v1::{JobEnvelope, JobFinished, LogEntry, log_entry},
    v1::{Failure, Finished, JobState},
};
use solvemesh_broker::{DeadLetter, Mesh, MeshError};
use tracing::{error, warn};

/// Turns dead letters into entries of the log, so that a job that no worker will take
/// any more fails visibly. Of all gateways one does it at a time. Ends with the mesh.
pub async fn run(mesh: Arc<dyn Mesh>) -> Result<(), MeshError> {
    let mut letters = mesh.dead_letters().await?;
    while let Some(letter) = letters.next().await {
        let DeadLetter { job_id, digest, reason, body, lease } = letter;
        if job_id.is_empty() {
            error!(reason, bytes = body.len(), "a dead letter names no job; dropped");
        } else {
            warn!(job = job_id, cause = reason, "a job was given up by the broker");
            mesh.append(entry(job_id, digest, &reason, &body)).await?;
        }
        // Unacked it comes again, and its second entry changes nothing.
        if let Err(lost) = lease.ack().await {
            warn!(%lost, "a dead letter will come again");
        }
    }
    Ok(())
}

fn entry(job_id: String, digest: Vec<u8>, reason: &str, body: &[u8]) -> LogEntry {
    let failure = match reason {
        "rejected" => Failure {
            reason: "UNREADABLE_JOB".to_owned(),
            message: "the job's message can't be read".to_owned(),
        },
        "delivery_limit" => Failure {
            reason: "DELIVERY_LIMIT".to_owned(),
            message: "the job was handed to workers too often, and none of them ended it"
                .to_owned(),
        },
        other => Failure {
            reason: "GIVEN_UP".to_owned(),
            message: format!("the broker gave the job up: {other}"),
        },
    };
    let state = JobState::Failed.into();
    let outcome = Finished { state, failure: Some(failure), ..Finished::default() };
    // Makes the job known, should the log not speak of it.
    let job = JobEnvelope::decode(body).unwrap_or_default();
    let finished = JobFinished {
        outcome: Some(outcome),
        solution: None,
        description: Some(job.description.unwrap_or_default()),
        submit_time: job.submit_time,
    };
    LogEntry {
        time: Some(SystemTime::now().into()),
        job_id,
        digest,
        kind: Some(log_entry::Kind::Finished(finished)),
        ..LogEntry::default()
    }
}
