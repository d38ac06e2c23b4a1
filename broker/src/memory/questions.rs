//! The queue of lookups in memory, and how their answers reach the callers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use solvemesh::broker::v1::{LookupRequest, LookupResponse};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{Answer, Consumer, MeshError, Question, Reply};

/// The maximum number of queued lookups; above it, the oldest is dropped.
const MAX_QUEUED: usize = 10_000;

/// A queue of lookups, each of which is delivered to one consumer.
#[derive(Debug, Default)]
pub(super) struct Questions {
    queue: Mutex<VecDeque<Pending>>,
    filled: Notify,
}

#[derive(Debug)]
struct Pending {
    request: LookupRequest,
    answer: oneshot::Sender<LookupResponse>,
}

impl Questions {
    /// Queues a lookup, and waits for its answer: until `timeout`, or until the gateway that
    /// received it drops it.
    pub(super) async fn ask(
        &self,
        request: LookupRequest,
        timeout: Duration,
    ) -> Result<LookupResponse, MeshError> {
        let (answer, answered) = oneshot::channel();
        self.push(Pending { request, answer });
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
    pub(super) fn consume(self: &Arc<Self>, closed: &CancellationToken) -> Consumer<Question> {
        let (items, receiver) = mpsc::channel(1);
        let stop = closed.child_token();
        let consumer = Consumer::new(receiver, stop.clone());
        let questions = Arc::clone(self);
        tokio::spawn(async move {
            let deliver = async {
                // Room first, so that a lookup leaves the queue only for a consumer that is ready.
                while let Ok(place) = items.reserve().await {
                    let Pending { request, answer } = questions.next().await;
                    if stop.is_cancelled() {
                        // Stopped meanwhile: leave it to another consumer.
                        questions.put_back(Pending { request, answer });
                        return;
                    }
                    place.send(Question { request, reply: Reply::new(ReplyHandle(answer)) });
                }
            };
            stop.run_until_cancelled(deliver).await;
        });
        consumer
    }

    fn push(&self, pending: Pending) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= MAX_QUEUED {
            queue.pop_front();
        }
        queue.push_back(pending);
        drop(queue);
        self.filled.notify_one();
    }

    fn put_back(&self, pending: Pending) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_front(pending);
        self.filled.notify_one();
    }

    /// Removes the next lookup whose caller still waits; others are dropped.
    fn pop(&self) -> Option<Pending> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(pending) = queue.pop_front() {
            if !pending.answer.is_closed() {
                if !queue.is_empty() {
                    // `Notify` holds at most one permit, however many lookups were pushed: pass
                    // it on for those that are left.
                    self.filled.notify_one();
                }
                return Some(pending);
            }
        }
        None
    }

    async fn next(&self) -> Pending {
        loop {
            let filled = self.filled.notified();
            match self.pop() {
                Some(pending) => return pending,
                None => filled.await,
            }
        }
    }
}

/// Sends the answer to the caller.
#[derive(Debug)]
struct ReplyHandle(oneshot::Sender<LookupResponse>);

#[async_trait]
impl Answer for ReplyHandle {
    async fn send(self: Box<Self>, answer: LookupResponse) {
        // The caller may have stopped waiting.
        let _ = self.0.send(answer);
    }
}
