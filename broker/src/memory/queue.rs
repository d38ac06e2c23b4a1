//! A queue of jobs in memory: that of a lane, or that of the dead letters.

use std::{collections::VecDeque, mem, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use prost::Message as _;
use solvemesh::broker::v1::JobEnvelope;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::bulk::Claim;
use crate::{Consumer, LeaseLost, Rank, Settle, Stop, rank::Turns};

/// A job in a queue.
#[derive(Clone, Debug)]
pub(super) struct Message {
    job: Arc<JobEnvelope>,
    /// Keeps the model that the job refers to in bulk storage until the last clone of this
    /// message is dropped.
    _model: Option<Arc<Claim>>,
    bytes: usize,
    redelivered: bool,
}

impl Message {
    pub(super) fn new(job: JobEnvelope, model: Option<Claim>) -> Self {
        let (bytes, model) = (job.encoded_len(), model.map(Arc::new));
        Self { job: Arc::new(job), _model: model, bytes, redelivered: false }
    }

    pub(super) fn job(&self) -> &JobEnvelope {
        &self.job
    }

    pub(super) fn redelivered(&self) -> bool {
        self.redelivered
    }

    fn rank(&self) -> Rank {
        Rank::of(&self.job)
    }
}

/// A queue, each message of which is delivered to one consumer: in turns by rank, and first in,
/// first out within a rank.
#[derive(Debug)]
pub(super) struct Queue {
    max_length: usize,
    max_bytes: usize,
    /// Receives rejected messages; `None` drops them.
    dead_letters: Option<Arc<Queue>>,
    ready: Mutex<Ready>,
    not_empty: Notify,
    /// Cloned into the task of each consumer, so that the strong count gives their number.
    consumers: Arc<()>,
}

#[derive(Debug, Default)]
struct Ready {
    /// By the index of their rank.
    ranks: [VecDeque<Message>; 3],
    bytes: usize,
}

impl Ready {
    fn of(&mut self, rank: Rank) -> &mut VecDeque<Message> {
        &mut self.ranks[rank.index()]
    }

    fn len(&self) -> usize {
        self.ranks.iter().map(VecDeque::len).sum()
    }
}

/// The queue is at one of its limits.
#[derive(Debug)]
pub(super) struct Full;

impl Queue {
    pub(super) fn new(
        max_length: usize,
        max_bytes: usize,
        dead_letters: Option<Arc<Queue>>,
    ) -> Self {
        let (ready, not_empty, consumers) = Default::default();
        Self { max_length, max_bytes, dead_letters, ready, not_empty, consumers }
    }

    /// Whether the queue has a consumer that has not stopped.
    pub(super) fn has_consumers(&self) -> bool {
        Arc::strong_count(&self.consumers) > 1
    }

    /// Adds a message at the end.
    pub(super) fn push(&self, message: Message) -> Result<(), Full> {
        let mut ready = self.ready.lock();
        let fits = ready.len() < self.max_length
            && ready.bytes.saturating_add(message.bytes) <= self.max_bytes;
        if !fits {
            return Err(Full);
        }
        ready.bytes += message.bytes;
        ready.of(message.rank()).push_back(message);
        drop(ready);
        self.not_empty.notify_one();
        Ok(())
    }

    /// Requeues a message at the front of its rank. The limits do not apply: it was admitted before.
    fn push_front(&self, message: Message) {
        let mut ready = self.ready.lock();
        ready.bytes += message.bytes;
        ready.of(message.rank()).push_front(Message { redelivered: true, ..message });
        drop(ready);
        self.not_empty.notify_one();
    }

    fn pop(&self, turns: &mut Turns) -> Option<Message> {
        let mut ready = self.ready.lock();
        let order = turns.order().into_iter();
        let message = order.filter_map(|rank| ready.of(rank).pop_front()).next()?;
        turns.took(message.rank());
        ready.bytes -= message.bytes;
        let more = ready.len() > 0;
        drop(ready);
        if more {
            // `Notify` holds at most one permit, however many messages were pushed: pass it on
            // for those that are left.
            self.not_empty.notify_one();
        }
        Some(message)
    }

    async fn next(&self, turns: &mut Turns) -> Message {
        loop {
            let not_empty = self.not_empty.notified();
            match self.pop(turns) {
                Some(message) => return message,
                None => not_empty.await,
            }
        }
    }

    /// Starts a consumer that has at most `prefetch` messages unsettled at once, and ends when it
    /// is stopped or the mesh is `closed`.
    pub(super) fn consume<T: Send + 'static>(
        self: &Arc<Self>,
        prefetch: u16,
        closed: &CancellationToken,
        as_item: impl Fn(&Message, Unsettled) -> T + Send + Sync + 'static,
    ) -> Consumer<T> {
        let prefetch = usize::from(prefetch.max(1));
        let (items, receiver) = mpsc::channel(prefetch);
        let stop = closed.child_token();
        let dropped_leases =
            Arc::new(DroppedLeases { queue: Arc::clone(self), dropped: Mutex::default() });
        let delivering = deliver(dropped_leases, prefetch, items, stop.clone(), as_item);
        let consumer = Arc::clone(&self.consumers);
        tokio::spawn(async move {
            delivering.await;
            drop(consumer);
        });
        Consumer::new(receiver, stop)
    }
}

/// Delivers messages until `stop`, then requeues those whose leases were dropped.
async fn deliver<T>(
    dropped_leases: Arc<DroppedLeases>,
    prefetch: usize,
    items: mpsc::Sender<T>,
    stop: Stop,
    as_item: impl Fn(&Message, Unsettled) -> T + Sync,
) {
    let unsettled = Arc::new(Semaphore::new(prefetch));
    let delivering = async {
        let mut turns = Turns::default();
        while let Ok(permit) = Arc::clone(&unsettled).acquire_owned().await {
            // Never waits, as the channel holds `prefetch` items; fails once the consumer is
            // dropped.
            let Ok(place) = items.reserve().await else { return };
            let message = dropped_leases.queue.next(&mut turns).await;
            let lease = Unsettled {
                message: Some(message.clone()),
                dropped_leases: Arc::clone(&dropped_leases),
                _permit: permit,
            };
            place.send(as_item(&message, lease));
        }
    };
    tokio::select! {
        () = delivering => {}
        () = stop.cancelled() => {}
    }
    dropped_leases.requeue_all();
}

/// The messages whose leases were dropped unsettled. They are requeued when their consumer has
/// stopped, not before: a consumer that fails on a message and drops it would receive it again
/// at once, in a loop.
#[derive(Debug)]
struct DroppedLeases {
    queue: Arc<Queue>,
    dropped: Mutex<Dropped>,
}

#[derive(Debug, Default)]
struct Dropped {
    messages: Vec<Message>,
    stopped: bool,
}

impl DroppedLeases {
    fn add(&self, message: Message) {
        let mut dropped = self.dropped.lock();
        if dropped.stopped {
            self.queue.push_front(message);
        } else {
            dropped.messages.push(message);
        }
    }

    fn requeue_all(&self) {
        let mut dropped = self.dropped.lock();
        dropped.stopped = true;
        // In reverse, as each is pushed to the front: this restores their order.
        for message in mem::take(&mut dropped.messages).into_iter().rev() {
            self.queue.push_front(message);
        }
    }
}

/// A delivered message that is not settled yet.
#[derive(Debug)]
pub(super) struct Unsettled {
    message: Option<Message>,
    dropped_leases: Arc<DroppedLeases>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.dropped_leases.add(message);
        }
    }
}

#[async_trait]
impl Settle for Unsettled {
    fn is_live(&self) -> bool {
        self.message.is_some()
    }

    async fn ack(mut self: Box<Self>) -> Result<(), LeaseLost> {
        self.message.take().map(drop).ok_or(LeaseLost)
    }

    async fn requeue(mut self: Box<Self>) -> Result<(), LeaseLost> {
        let message = self.message.take().ok_or(LeaseLost)?;
        self.dropped_leases.queue.push_front(message);
        Ok(())
    }

    async fn reject(mut self: Box<Self>) -> Result<(), LeaseLost> {
        let message = self.message.take().ok_or(LeaseLost)?;
        let job_id = message.job.job_id.clone();
        if let Some(dead_letters) = &self.dropped_leases.queue.dead_letters
            && dead_letters.push(message).is_err()
        {
            tracing::error!(job_id, "dead-letter queue full, message lost");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Message {
        Message::new(JobEnvelope { job_id: id.to_owned(), ..JobEnvelope::default() }, None)
    }

    #[test]
    fn a_requeued_message_is_first_and_marked_as_redelivered() {
        let queue = Queue::new(2, 1000, None);
        assert!(queue.push(message("a")).is_ok());
        assert!(queue.push(message("b")).is_ok());
        assert!(queue.push(message("c")).is_err());
        let mut turns = Turns::default();
        let mut pop = || queue.pop(&mut turns);
        let first = pop().expect("a");
        queue.push_front(first);
        let again = pop().expect("a again");
        assert_eq!((again.job().job_id.as_str(), again.redelivered()), ("a", true));
        let next = pop().expect("b");
        assert_eq!((next.job().job_id.as_str(), next.redelivered()), ("b", false));
    }

    #[test]
    fn the_total_size_is_bounded() {
        let queue = Queue::new(10, message("ab").bytes, None);
        assert!(queue.push(message("ab")).is_ok());
        assert!(queue.push(message("ab")).is_err());
    }
}
