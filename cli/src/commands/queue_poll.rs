use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use solvemesh_client::{
    Client, Error, Retry,
    v1::{Job, JobState, QueuePosition},
};
use tokio::time::{Instant, sleep_until};

/// Time before the first request, in which most jobs have started or finished.
const DELAY: Duration = Duration::from_millis(500);

/// Time between two requests.
const INTERVAL: Duration = Duration::from_secs(3);

/// Requests the place of a job in its lane, at an interval: it is not an event, since every job
/// that starts changes that of all jobs behind it.
pub(crate) struct QueuePoll {
    client: Client,
    job_id: String,
    /// The time of the next request.
    next_at: Instant,
    /// The request in flight. It is kept here, so that it makes progress even if the caller drops
    /// [`QueuePoll::next`] again and again.
    call: Option<BoxFuture<'static, Result<Job, Error>>>,
}

impl QueuePoll {
    pub(crate) fn new(client: &Client, job_id: &str) -> Self {
        // The event stream reports an outage, and the next request comes soon.
        let retry = Retry { budget: INTERVAL, ..Retry::CALL };
        Self {
            client: client.clone().with_retry(retry).on_retry(|_, _| {}),
            job_id: job_id.to_owned(),
            next_at: Instant::now() + DELAY,
            call: None,
        }
    }

    /// Waits for the next response. `None` if the position is unknown. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<QueuePosition> {
        sleep_until(self.next_at).await;
        let call = self.call.get_or_insert_with(|| {
            let (client, job_id) = (self.client.clone(), self.job_id.clone());
            async move { client.get(&job_id).await }.boxed()
        });
        let job = call.await;
        self.forget();
        job.ok().filter(|job| job.state() == JobState::Queued)?.queue_position
    }

    /// Drops a request in flight, whose response would be about an earlier state of the job.
    pub(crate) fn forget(&mut self) {
        self.call = None;
        self.next_at = Instant::now() + INTERVAL;
    }
}
