//! The lease of a message with several jobs, each of which is settled by itself.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{
    batches::EncodedJob,
    publisher::Publisher,
    topology::{LaneQueues, Route},
};
use crate::{Lease, LeaseLost, Settle};

/// Where to queue a job of a message by itself.
#[derive(Clone, Debug)]
pub(super) struct OwnMessages {
    pub(super) publisher: Publisher,
    /// Those of the lane.
    pub(super) queues: Arc<LaneQueues>,
}

impl OwnMessages {
    /// The queue of a job.
    pub(super) fn route(&self, job: &EncodedJob) -> Route {
        self.queues.of(job.rank).clone()
    }
}

/// A message that several leases share. It is acknowledged when the last of its jobs is settled.
#[derive(Debug)]
struct SharedMessage {
    state: Mutex<State>,
    /// `None`: a job that is not acknowledged requeues the whole message.
    own_messages: Option<OwnMessages>,
    /// Runs what a dropped lease leaves to do.
    runtime: Handle,
}

#[derive(Debug)]
struct State {
    /// `None` once it is settled.
    lease: Option<Lease>,
    /// Number of jobs that are not settled.
    unsettled: usize,
    /// Whether the message has to be delivered again.
    requeue: bool,
}

/// The leases of the jobs of a message. One that is requeued, rejected or dropped is queued again
/// in a message of its own, without waiting for the others. Must be called within a Tokio runtime.
pub(super) fn share(
    lease: Lease,
    jobs: Vec<EncodedJob>,
    own_messages: Option<OwnMessages>,
) -> Vec<Lease> {
    let state = State { lease: Some(lease), unsettled: jobs.len(), requeue: false };
    let runtime = Handle::current();
    let message = Arc::new(SharedMessage { state: Mutex::new(state), own_messages, runtime });
    let share = |job| Lease::new(Share { message: Arc::clone(&message), job: Some(job) });
    jobs.into_iter().map(share).collect()
}

impl SharedMessage {
    /// Queues a job in a message of its own, and settles it in this one. If the lease is lost, the
    /// broker delivers the whole message again, so the job must not be queued once more.
    async fn move_out(&self, job: EncodedJob) -> Result<(), LeaseLost> {
        if !self.is_live() {
            return Err(LeaseLost);
        }
        let moved = match &self.own_messages {
            Some(own) => {
                let route = own.route(&job);
                own.publisher.publish(job.alone(route)).await.is_ok()
            }
            None => false,
        };
        self.settle_one(moved).await
    }

    fn is_live(&self) -> bool {
        self.state.lock().lease.as_ref().is_some_and(Lease::is_live)
    }

    /// Settles one job, and with the last one the message. `done`: it need not be delivered again.
    async fn settle_one(&self, done: bool) -> Result<(), LeaseLost> {
        let (lease, requeue) = {
            let mut state = self.state.lock();
            state.unsettled = state.unsettled.saturating_sub(1);
            state.requeue |= !done;
            let is_last = state.unsettled == 0;
            (if is_last { state.lease.take() } else { None }, state.requeue)
        };
        match lease {
            Some(lease) if requeue => lease.requeue().await,
            Some(lease) => lease.ack().await,
            None => Ok(()),
        }
    }
}

/// The lease of one job of a message.
#[derive(Debug)]
struct Share {
    message: Arc<SharedMessage>,
    /// `None` once it is settled.
    job: Option<EncodedJob>,
}

#[async_trait]
impl Settle for Share {
    fn is_live(&self) -> bool {
        self.message.is_live()
    }

    async fn ack(mut self: Box<Self>) -> Result<(), LeaseLost> {
        self.job = None;
        self.message.settle_one(true).await
    }

    async fn requeue(mut self: Box<Self>) -> Result<(), LeaseLost> {
        let job = self.job.take().ok_or(LeaseLost)?;
        let message = Arc::clone(&self.message);
        message.move_out(job).await
    }

    /// Only a message of its own can become a dead letter by itself: it is rejected again there.
    async fn reject(self: Box<Self>) -> Result<(), LeaseLost> {
        self.requeue().await
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(job) = self.job.take() else { return };
        let message = Arc::clone(&self.message);
        // If the runtime or the connection ends first, the broker delivers the message again.
        self.message.runtime.spawn(async move {
            let _ = message.move_out(job).await;
        });
    }
}
