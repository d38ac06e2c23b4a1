//! The queue of lookups in memory. Their answers reach the callers over oneshot channels.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use solvemesh::broker::v1::{LookupRequest, LookupResponse};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{Consumer, Lookup, LookupReply, MeshError, SendAnswer};

/// The maximum number of queued lookups; above it, the oldest is dropped.
const MAX_QUEUED: usize = 10_000;

/// A queue of lookups, each of which is delivered to one consumer.
#[derive(Debug, Default)]
pub(super) struct LookupQueue {
    queue: Mutex<VecDeque<PendingLookup>>,
    not_empty: Notify,
}

#[derive(Debug)]
struct PendingLookup {
    request: LookupRequest,
    answer: oneshot::Sender<LookupResponse>,
}

impl LookupQueue {
    /// Queues a lookup, and waits for its answer: until `timeout`, or until the gateway that
    /// received it drops it.
    pub(super) async fn lookup(
        &self,
        request: LookupRequest,
        timeout: Duration,
    ) -> Result<LookupResponse, MeshError> {
        let (answer, answered) = oneshot::channel();
        self.push(PendingLookup { request, answer });
        match time::timeout(timeout, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => {
                Err(MeshError::Unavailable("the lookup was dropped without an answer".to_owned()))
            }
            Err(_) => {
                Err(MeshError::Unavailable(format!("no gateway answered within {timeout:?}")))
            }
        }
    }

    /// Starts a consumer, which ends when it is stopped or the mesh is `closed`.
    pub(super) fn consume(self: &Arc<Self>, closed: &CancellationToken) -> Consumer<Lookup> {
        let (items, receiver) = mpsc::channel(1);
        let stop = closed.child_token();
        let consumer = Consumer::new(receiver, stop.clone());
        let lookups = Arc::clone(self);
        tokio::spawn(async move {
            let deliver = async {
                // Room first, so that a lookup leaves the queue only for a consumer that is ready.
                while let Ok(place) = items.reserve().await {
                    let PendingLookup { request, answer } = lookups.next().await;
                    if stop.is_cancelled() {
                        // Stopped meanwhile: leave it to another consumer.
                        lookups.put_back(PendingLookup { request, answer });
                        return;
                    }
                    place.send(Lookup { request, reply: LookupReply::new(OneshotAnswer(answer)) });
                }
            };
            stop.run_until_cancelled(deliver).await;
        });
        consumer
    }

    fn push(&self, pending: PendingLookup) {
        let mut queue = self.queue.lock();
        if queue.len() >= MAX_QUEUED {
            queue.pop_front();
        }
        queue.push_back(pending);
        drop(queue);
        self.not_empty.notify_one();
    }

    fn put_back(&self, pending: PendingLookup) {
        self.queue.lock().push_front(pending);
        self.not_empty.notify_one();
    }

    /// Removes the next lookup whose caller still waits; others are dropped.
    fn pop(&self) -> Option<PendingLookup> {
        let mut queue = self.queue.lock();
        while let Some(pending) = queue.pop_front() {
            if !pending.answer.is_closed() {
                if !queue.is_empty() {
                    // `Notify` holds at most one permit, however many lookups were pushed: pass
                    // it on for those that are left.
                    self.not_empty.notify_one();
                }
                return Some(pending);
            }
        }
        None
    }

    async fn next(&self) -> PendingLookup {
        loop {
            let not_empty = self.not_empty.notified();
            match self.pop() {
                Some(pending) => return pending,
                None => not_empty.await,
            }
        }
    }
}

/// Sends the answer to the caller.
#[derive(Debug)]
struct OneshotAnswer(oneshot::Sender<LookupResponse>);

#[async_trait]
impl SendAnswer for OneshotAnswer {
    async fn send(self: Box<Self>, answer: LookupResponse) {
        // The caller may have stopped waiting.
        let _ = self.0.send(answer);
    }
}
