//! Questions, and those who wait for their answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use solvemesh::broker::v1::{LookupAnswer, LookupRequest};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{Answer, Consumer, MeshError, Question, Reply};

/// How many questions wait; past it, the oldest go.
const LENGTH: usize = 10_000;

/// Questions in order, each of which one consumer gets.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: Mutex<VecDeque<Asked>>,
    filled: Notify,
}

#[derive(Debug)]
struct Asked {
    request: LookupRequest,
    answer: oneshot::Sender<LookupAnswer>,
}

impl Questions {
    /// Asks, and returns once there is an answer or can't be any more.
    pub(super) async fn ask(
        &self,
        request: LookupRequest,
        patience: Duration,
    ) -> Result<LookupAnswer, MeshError> {
        let (answer, answered) = oneshot::channel();
        self.push(Asked { request, answer });
        match time::timeout(patience, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(MeshError::Unavailable("no gateway would answer".to_owned())),
            Err(_) => {
                Err(MeshError::Unavailable(format!("no gateway answered within {patience:?}")))
            }
        }
    }

    /// Hands questions out until the consumer is stopped or the mesh is `closed`.
    pub(super) fn consume(self: &Arc<Self>, closed: &CancellationToken) -> Consumer<Question> {
        let (items, taken) = mpsc::channel(1);
        let stop = closed.child_token();
        let consumer = Consumer::new(taken, stop.clone());
        let questions = Arc::clone(self);
        tokio::spawn(async move {
            let hand_out = async {
                while let Ok(place) = items.reserve().await {
                    let Asked { request, answer } = questions.next().await;
                    if stop.is_cancelled() {
                        // It came after the stop: it is for another consumer.
                        questions.put_back(Asked { request, answer });
                        return;
                    }
                    place.send(Question { request, reply: Reply::new(Back(answer)) });
                }
            };
            stop.run_until_cancelled(hand_out).await;
        });
        consumer
    }

    fn push(&self, asked: Asked) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= LENGTH {
            waiting.pop_front();
        }
        waiting.push_back(asked);
        drop(waiting);
        self.filled.notify_one();
    }

    fn put_back(&self, asked: Asked) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_front(asked);
        self.filled.notify_one();
    }

    /// The next question whose asker still waits.
    fn pop(&self) -> Option<Asked> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(asked) = waiting.pop_front() {
            if !asked.answer.is_closed() {
                if !waiting.is_empty() {
                    // One permit stands for any number of questions.
                    self.filled.notify_one();
                }
                return Some(asked);
            }
        }
        None
    }

    async fn next(&self) -> Asked {
        loop {
            let filled = self.filled.notified();
            match self.pop() {
                Some(asked) => return asked,
                None => filled.await,
            }
        }
    }
}

/// The way back to one who asked.
#[derive(Debug)]
struct Back(oneshot::Sender<LookupAnswer>);

#[async_trait]
impl Answer for Back {
    async fn send(self: Box<Self>, answer: LookupAnswer) {
        // Whoever asked may have stopped waiting.
        let _ = self.0.send(answer);
    }
}
