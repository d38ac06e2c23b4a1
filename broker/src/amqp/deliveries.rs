//! Decodes messages of the queues of lanes and of dead letters into their jobs.

use prost::Message as _;
use solvemesh::broker::v1::JobEnvelope;

use super::{
    batches::{BATCH_VERSION, EncodedJob, jobs_of},
    leases::Message,
    properties,
    publisher::PublishError,
    shared_message::{OwnMessages, share},
};
use crate::{DeadLetter, Delivery, ENVELOPE_VERSION, Lease, MeshError, Payload, backoff::Backoff};

/// The jobs of a message. None, for now, of a message with several that is delivered again: each of
/// them is queued by itself, as delivered before, so that the deliveries of each are counted, and
/// one that kills its worker affects no other.
pub(super) fn of(message: Message, own_messages: &OwnMessages) -> Vec<Delivery> {
    let Message { redelivered, properties, body, lease, .. } = message;
    let redelivered = redelivered || properties::was_delivered(&properties);
    let job_id = properties::job_id(&properties);
    // Checked first: a later format may fail to decode or, worse, decode to something else.
    let version = properties::format_version(&properties).unwrap_or(0);
    let undecodable = |error: prost::DecodeError| Payload::Undecodable {
        job_id: job_id.clone(),
        digest: properties::digest(&properties),
        error: error.to_string(),
    };
    if version != BATCH_VERSION {
        let payload = match version > ENVELOPE_VERSION {
            true => Payload::UnsupportedVersion { version, job_id },
            false => JobEnvelope::decode(body).map_or_else(undecodable, Payload::of),
        };
        return vec![Delivery { payload, redelivered, lease }];
    }
    let bodies = match jobs_of(body) {
        Ok(bodies) => bodies,
        Err(error) => {
            return vec![Delivery { payload: undecodable(error), redelivered, lease }];
        }
    };
    // One that can't be decoded must not take the others with it.
    let decoded = bodies.into_iter().map(|body| match JobEnvelope::decode(body.clone()) {
        Ok(job) => {
            let encoded = EncodedJob::from_parts(&job, body);
            (Payload::of(job), encoded)
        }
        Err(error) => (undecodable(error), EncodedJob::from_parts(&JobEnvelope::default(), body)),
    });
    let (payloads, jobs): (Vec<_>, Vec<_>) = decoded.unzip();
    if redelivered {
        tokio::spawn(take_apart(lease, jobs, own_messages.clone()));
        return Vec::new();
    }
    let leases = share(lease, jobs, Some(own_messages.clone()));
    payloads
        .into_iter()
        .zip(leases)
        .map(|(payload, lease)| Delivery { payload, redelivered, lease })
        .collect()
}

/// Queues each job of a message by itself, and then acknowledges the message. Retries as long as
/// this process holds the message: requeueing it would only have it delivered again at once.
async fn take_apart(lease: Lease, mut jobs: Vec<EncodedJob>, own_messages: OwnMessages) {
    tracing::info!(jobs = jobs.len(), "a message with several jobs was redelivered: taken apart");
    let mut backoff = Backoff::for_broker();
    loop {
        let publishing = jobs.iter().map(|job| {
            let message = job.clone().again(own_messages.route(job));
            own_messages.publisher.publish(message)
        });
        let results = futures::future::join_all(publishing).await;
        if results.contains(&Err(PublishError::NotSent(MeshError::Closed))) {
            // The lease is dropped: the broker delivers the message again, to another process.
            return;
        }
        jobs = jobs
            .into_iter()
            .zip(results)
            .filter_map(|(job, result)| result.is_err().then_some(job))
            .collect();
        if jobs.is_empty() {
            break;
        }
        tracing::warn!(jobs = jobs.len(), "cannot queue the jobs of a message by themselves yet");
        tokio::time::sleep(backoff.next_delay()).await;
        if !lease.is_live() {
            return;
        }
    }
    if let Err(lost) = lease.ack().await {
        tracing::info!(cause = %lost, "a message that was taken apart is delivered again");
    }
}

/// The dead letters of a message, one for each of its jobs.
pub(super) fn dead_letters(message: Message) -> Vec<DeadLetter> {
    let Message { properties, body, lease, .. } = message;
    let reason = properties::dead_letter_reason(&properties);
    if properties::format_version(&properties) == Some(BATCH_VERSION)
        && let Ok(bodies) = jobs_of(body.clone())
    {
        let jobs: Vec<_> = bodies
            .into_iter()
            .map(|body| {
                let job = JobEnvelope::decode(body.clone()).unwrap_or_default();
                EncodedJob::from_parts(&job, body)
            })
            .collect();
        let leases = share(lease, jobs.clone(), None);
        return jobs
            .into_iter()
            .zip(leases)
            .map(|(EncodedJob { body, job_id, digest, .. }, lease)| DeadLetter {
                job_id,
                digest,
                reason: reason.clone(),
                body,
                lease,
            })
            .collect();
    }
    let (job_id, digest) = (properties::job_id(&properties), properties::digest(&properties));
    vec![DeadLetter { job_id, digest, reason, body, lease }]
}
