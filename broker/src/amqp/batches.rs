//! Small jobs, several in one message of their queue. A message of a quorum queue costs the broker
//! more than a small job costs its worker.
//!
//! One message is in flight at a time, and the jobs that arrive meanwhile are the next one: the
//! busier the lane, the larger its messages, and on an idle one no job waits. A message that is
//! delivered again is taken apart, so that a job that kills its worker affects no other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use prost::Message as _;
use solvemesh::broker::v1::{JobBatch, JobEnvelope};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    properties,
    publisher::{Message, PublishError, PublishResult, Publisher},
    topology::Route,
};
use crate::{MAX_JOBS_IN_MESSAGE, MeshError, Rank};

/// The version of a message with several jobs.
pub(super) const BATCH_VERSION: u32 = 3;
/// Maximum size of a job that shares a message, in bytes.
const MAX_JOB_BYTES: usize = 16 << 10;
/// Maximum size of the jobs of a message, in bytes.
const MAX_BYTES: usize = 64 << 10;
/// Maximum number of jobs that wait to be sent.
const MAX_QUEUED: usize = 1024;

/// An encoded job, with the fields of its message's properties.
#[derive(Clone, Debug)]
pub(super) struct EncodedJob {
    pub(super) body: Bytes,
    pub(super) job_id: String,
    pub(super) digest: Vec<u8>,
    pub(super) version: u32,
    pub(super) rank: Rank,
}

impl EncodedJob {
    /// Encodes a job.
    pub(super) fn of(job: &JobEnvelope) -> Self {
        Self::from_parts(job, job.encode_to_vec().into())
    }

    /// A job with its encoding.
    pub(super) fn from_parts(job: &JobEnvelope, body: Bytes) -> Self {
        let JobEnvelope { job_id, digest, version, .. } = job;
        let (job_id, digest) = (job_id.clone(), digest.clone());
        Self { body, job_id, digest, version: *version, rank: Rank::of(job) }
    }

    /// Whether it may share a message: small, and without an attempt that failed.
    pub(super) fn may_share(&self, job: &JobEnvelope) -> bool {
        self.body.len() <= MAX_JOB_BYTES && job.failed_attempts == 0
    }

    /// Its own message.
    pub(super) fn alone(self, route: Route) -> Message {
        let properties = properties::for_job(&self.job_id, &self.digest, self.version);
        Message { route, properties, body: self.body }
    }

    /// Its own message, marked as delivered before.
    pub(super) fn again(self, route: Route) -> Message {
        let properties = properties::for_job_again(&self.job_id, &self.digest, self.version);
        Message { route, properties, body: self.body }
    }
}

/// The message of some jobs.
fn message(mut jobs: Vec<EncodedJob>, route: Route) -> Message {
    if jobs.len() == 1
        && let Some(job) = jobs.pop()
    {
        return job.alone(route);
    }
    let batch = JobBatch { jobs: jobs.into_iter().map(|job| job.body).collect() };
    let properties = properties::persistent_with_format(BATCH_VERSION);
    Message { route, properties, body: batch.encode_to_vec().into() }
}

/// The sender of the jobs of one queue that may share messages.
#[derive(Debug)]
pub(super) struct BatchSender {
    jobs: mpsc::Sender<QueuedJob>,
    /// How long a job waits to be sent, and then for its confirm.
    timeout: Duration,
}

#[derive(Debug)]
struct QueuedJob {
    job: EncodedJob,
    /// Set once, by the task when it sends the job, or by the caller when it withdraws the job.
    claimed: Arc<AtomicBool>,
    answer: oneshot::Sender<PublishResult>,
}

impl BatchSender {
    /// Starts the task that sends the jobs to `route`, as one of `tasks`.
    pub(super) fn start(
        publisher: Publisher,
        route: Route,
        timeout: Duration,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(MAX_QUEUED);
        tasks.spawn(async move {
            closed.run_until_cancelled(send_all(queue, publisher, route)).await;
        });
        Self { jobs, timeout }
    }

    /// Sends a job, and waits for the confirm of its message.
    pub(super) async fn send(&self, job: EncodedJob) -> PublishResult {
        let claimed = Arc::new(AtomicBool::new(false));
        let (answer, answered) = oneshot::channel();
        let queued = QueuedJob { job, claimed: Arc::clone(&claimed), answer };
        let sending = async {
            if self.jobs.send(queued).await.is_err() {
                return Err(PublishError::NotSent(MeshError::Closed));
            }
            let closed = |_| Err(PublishError::NotSent(MeshError::Closed));
            answered.await.unwrap_or_else(closed)
        };
        // Twice: for the message before its own, and for its own.
        let result = time::timeout(2 * self.timeout, sending).await;
        match result {
            Ok(Err(PublishError::NotSent(MeshError::Closed))) | Err(_)
                if claimed.swap(true, Ordering::AcqRel) =>
            {
                Err(PublishError::Unknown)
            }
            Ok(result) => result,
            Err(_) => Err(PublishError::NotSent(MeshError::Unavailable(
                "not sent in time: too many unconfirmed jobs".to_owned(),
            ))),
        }
    }
}

/// Sends the jobs that are queued, one message at a time.
async fn send_all(mut queue: mpsc::Receiver<QueuedJob>, publisher: Publisher, route: Route) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(job) => job,
            None => match queue.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        let (batch, excess) = gather(first, || queue.try_recv().ok());
        next = excess;
        let (jobs, answers): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .filter(|queued| !queued.claimed.swap(true, Ordering::AcqRel))
            .map(|queued| (queued.job, queued.answer))
            .unzip();
        if jobs.is_empty() {
            continue;
        }
        let result = publisher.publish(message(jobs, route.clone())).await;
        for answer in answers {
            // The caller may have stopped waiting.
            let _ = answer.send(result.clone());
        }
    }
}

/// The jobs of the next message, and the first one that does not fit into it.
fn gather(
    first: QueuedJob,
    mut next: impl FnMut() -> Option<QueuedJob>,
) -> (Vec<QueuedJob>, Option<QueuedJob>) {
    let mut bytes = first.job.body.len();
    let mut batch = vec![first];
    while batch.len() < MAX_JOBS_IN_MESSAGE
        && let Some(queued) = next()
    {
        bytes += queued.job.body.len();
        if bytes > MAX_BYTES {
            return (batch, Some(queued));
        }
        batch.push(queued);
    }
    (batch, None)
}

/// The encoded jobs of a message.
///
/// # Errors
///
/// When the body is not a batch.
pub(super) fn jobs_of(body: Bytes) -> Result<Vec<Bytes>, prost::DecodeError> {
    JobBatch::decode(body).map(|batch| batch.jobs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::amqp::topology;

    fn queued(number: usize, bytes: usize) -> QueuedJob {
        let (answer, _) = oneshot::channel();
        let job = EncodedJob {
            body: vec![0; bytes].into(),
            job_id: number.to_string(),
            digest: Vec::new(),
            version: 2,
            rank: Rank::Normal,
        };
        QueuedJob { job, claimed: Arc::default(), answer }
    }

    proptest! {
        #[test]
        fn messages_have_all_jobs_in_order_within_their_limits(
            sizes in prop::collection::vec(1..=MAX_JOB_BYTES, 1..200),
        ) {
            let mut waiting: VecDeque<_> =
                sizes.iter().enumerate().map(|(number, size)| queued(number, *size)).collect();
            let (mut next, mut seen) = (waiting.pop_front(), 0);
            while let Some(first) = next.take().or_else(|| waiting.pop_front()) {
                let (batch, excess) = gather(first, || waiting.pop_front());
                let total: usize = batch.iter().map(|queued| queued.job.body.len()).sum();
                prop_assert!(batch.len() <= MAX_JOBS_IN_MESSAGE && total <= MAX_BYTES);
                for queued in batch {
                    prop_assert_eq!(queued.job.job_id, seen.to_string());
                    seen += 1;
                }
                next = excess;
            }
            prop_assert_eq!(seen, sizes.len());
        }
    }

    #[test]
    fn one_job_has_a_message_of_its_own_and_several_share_one() {
        let route = Route::from([topology::lookup()]);
        let job = |id: &str| EncodedJob {
            body: Bytes::copy_from_slice(id.as_bytes()),
            job_id: id.to_owned(),
            digest: vec![1],
            version: 2,
            rank: Rank::Normal,
        };
        let one = message(vec![job("a")], route.clone());
        assert_eq!(properties::job_id(&one.properties), "a");
        assert_eq!(properties::format_version(&one.properties), Some(2));
        let two = message(vec![job("a"), job("b")], route);
        assert_eq!(properties::format_version(&two.properties), Some(BATCH_VERSION));
        assert_eq!(jobs_of(two.body).unwrap(), ["a", "b"]);
    }
}
