use async_trait::async_trait;
use bytes::Bytes;
use solvemesh::broker::v1::{JobEnvelope, LookupAnswer, LookupRequest};

/// A job that a consumer holds, until it settles the [`Lease`].
#[derive(Debug)]
pub struct Delivery {
    /// What came.
    pub payload: Payload,
    /// Whether the broker handed it to someone before: its attempt may be dead, or
    /// alive, or have ended.
    pub redelivered: bool,
    /// The right and the duty to settle it.
    pub lease: Lease,
}

/// What a queue's message holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A job.
    Job(Box<JobEnvelope>),
    /// A job of a later format than this process knows.
    Later {
        /// The format's version.
        version: u32,
        /// The job, from the message's properties.
        job_id: String,
    },
    /// Bytes that are no envelope.
    Unreadable {
        /// The job, from the message's properties; empty when they have none.
        job_id: String,
        /// The payload's digest, from the message's properties.
        digest: Vec<u8>,
        /// What is wrong with it.
        error: String,
    },
}

impl Payload {
    /// The job, where it is known; else empty.
    pub fn job_id(&self) -> &str {
        match self {
            Self::Job(job) => &job.job_id,
            Self::Later { job_id, .. } | Self::Unreadable { job_id, .. } => job_id,
        }
    }
}

/// A message of the dead-letter queue: a job that no worker will take any more.
#[derive(Debug)]
pub struct DeadLetter {
    /// The job, from the message's properties; empty when they have none.
    pub job_id: String,
    /// The payload's digest, from the message's properties.
    pub digest: Vec<u8>,
    /// Why the broker gave it up: `rejected`, `delivery_limit`, `expired`, `maxlen`.
    pub reason: String,
    /// The message as it was.
    pub body: Bytes,
    /// To be acked once the log has it.
    pub lease: Lease,
}

/// What a worker asks any gateway.
#[derive(Debug)]
pub struct Question {
    /// What it asks.
    pub request: LookupRequest,
    /// How the answer reaches it. Dropped, it asks no further.
    pub reply: Reply,
}

/// The way back to one who asked.
#[derive(Debug)]
pub struct Reply(Box<dyn Answer>);

impl Reply {
    /// A way back that `answer` carries out.
    pub fn new(answer: impl Answer + 'static) -> Self {
        Self(Box::new(answer))
    }

    /// Answers. Whether the answer arrives is not known: who asked may be gone.
    pub async fn send(self, answer: LookupAnswer) {
        self.0.send(answer).await;
    }
}

/// How an answer travels; see [`Reply`].
#[async_trait]
pub trait Answer: Send + Sync + std::fmt::Debug {
    /// See [`Reply::send`].
    async fn send(self: Box<Self>, answer: LookupAnswer);
}

/// The right and the duty to settle one delivery. Dropped unsettled, the broker
/// hands the delivery to another consumer once this one has closed.
#[derive(Debug)]
pub struct Lease(Box<dyn Settle>);

impl Lease {
    /// A lease that `settle` carries out.
    pub fn new(settle: impl Settle + 'static) -> Self {
        Self(Box::new(settle))
    }

    /// Whether it can still be settled, as far as is known here: what waited while
    /// its connection was lost can't, and the broker hands it out again.
    pub fn is_live(&self) -> bool {
        self.0.is_live()
    }

    /// Done: the broker forgets the message.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] when the broker took it back before.
    pub async fn ack(self) -> Result<(), LeaseLost> {
        self.0.ack().await
    }

    /// Not done: back into the queue.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] when the broker took it back before.
    pub async fn requeue(self) -> Result<(), LeaseLost> {
        self.0.requeue().await
    }

    /// Never to be done: into the dead-letter queue.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] when the broker took it back before.
    pub async fn reject(self) -> Result<(), LeaseLost> {
        self.0.reject().await
    }
}

/// The channel that the delivery came by is gone: the broker hands the message to
/// another consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker took the delivery back")]
pub struct LeaseLost;

/// How a delivery is settled; see [`Lease`].
#[async_trait]
pub trait Settle: Send + Sync + std::fmt::Debug {
    /// See [`Lease::is_live`].
    fn is_live(&self) -> bool;
    /// See [`Lease::ack`].
    async fn ack(self: Box<Self>) -> Result<(), LeaseLost>;
    /// See [`Lease::requeue`].
    async fn requeue(self: Box<Self>) -> Result<(), LeaseLost>;
    /// See [`Lease::reject`].
    async fn reject(self: Box<Self>) -> Result<(), LeaseLost>;
}
