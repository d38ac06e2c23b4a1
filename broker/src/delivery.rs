use async_trait::async_trait;
use bytes::Bytes;
use solvemesh::broker::v1::{JobEnvelope, LookupRequest, LookupResponse};

use crate::ENVELOPE_VERSION;

/// A job that was delivered to a consumer, which holds it until it settles the [`Lease`].
#[derive(Debug)]
pub struct Delivery {
    /// The job, or why it can't be decoded.
    pub payload: Payload,
    /// Whether the job was delivered before. That attempt may have died, still be running, or
    /// have finished without an ack.
    pub redelivered: bool,
    /// The right to work on it, and the duty to settle it.
    pub lease: Lease,
}

/// The content of a job message.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A job.
    Job(Box<JobEnvelope>),
    /// A job in a later format than this process supports.
    UnsupportedVersion {
        /// The format's version.
        version: u32,
        /// The id of the job, from the message's properties.
        job_id: String,
    },
    /// A body that is not a valid envelope.
    Undecodable {
        /// The id of the job, from the message's properties; empty when they have none.
        job_id: String,
        /// The payload's digest, from the message's properties.
        digest: Vec<u8>,
        /// Why decoding failed.
        error: String,
    },
}

impl Payload {
    /// The job of an envelope, unless that has a later format.
    pub(crate) fn of(job: JobEnvelope) -> Self {
        match job.version > ENVELOPE_VERSION {
            true => Self::UnsupportedVersion { version: job.version, job_id: job.job_id },
            false => Self::Job(Box::new(job)),
        }
    }

    /// The id of the job; empty when it is unknown.
    pub fn job_id(&self) -> &str {
        match self {
            Self::Job(job) => &job.job_id,
            Self::UnsupportedVersion { job_id, .. } | Self::Undecodable { job_id, .. } => job_id,
        }
    }
}

/// A job that the broker moved to the dead-letter queue: no worker receives it any more.
#[derive(Debug)]
pub struct DeadLetter {
    /// The id of the job, from the message's properties; empty when they have none.
    pub job_id: String,
    /// The payload's digest, from the message's properties.
    pub digest: Vec<u8>,
    /// Why the broker moved it: `rejected`, `delivery_limit`, `expired`, `maxlen`.
    pub reason: String,
    /// The body of the original message.
    pub body: Bytes,
    /// To be acked once the end of the job is in the log.
    pub lease: Lease,
}

/// A worker's lookup, as a gateway receives it.
#[derive(Debug)]
pub struct Lookup {
    /// The request.
    pub request: LookupRequest,
    /// Sends the answer. If it is dropped instead, no other gateway is asked, and the lookup
    /// fails: at once in memory, when its timeout has passed in RabbitMQ.
    pub reply: LookupReply,
}

/// The handle by which a gateway answers a lookup.
#[derive(Debug)]
pub struct LookupReply(Box<dyn SendAnswer>);

impl LookupReply {
    /// A reply that is sent by `answer`.
    pub fn new(answer: impl SendAnswer + 'static) -> Self {
        Self(Box::new(answer))
    }

    /// Sends the answer, without a confirm: the worker may have stopped waiting.
    pub async fn send(self, answer: LookupResponse) {
        self.0.send(answer).await;
    }
}

/// Sends an answer over one kind of mesh; see [`LookupReply`].
#[async_trait]
pub trait SendAnswer: Send + Sync + std::fmt::Debug {
    /// See [`LookupReply::send`].
    async fn send(self: Box<Self>, answer: LookupResponse);
}

/// The right to work on one delivery, and the duty to settle it. If it is dropped unsettled,
/// the delivery is requeued when its consumer has stopped.
#[derive(Debug)]
pub struct Lease(Box<dyn Settle>);

impl Lease {
    /// A lease that is settled through `settle`.
    pub fn new(settle: impl Settle + 'static) -> Self {
        Self(Box::new(settle))
    }

    /// Whether the delivery can still be settled, as far as this process knows. It can't once
    /// its channel is closed: the broker then redelivers it.
    pub fn is_live(&self) -> bool {
        self.0.is_live()
    }

    /// Acknowledges the delivery: the broker deletes the message.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] when its channel was closed before.
    pub async fn ack(self) -> Result<(), LeaseLost> {
        self.0.ack().await
    }

    /// Returns the message to its queue.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] when its channel was closed before.
    pub async fn requeue(self) -> Result<(), LeaseLost> {
        self.0.requeue().await
    }

    /// Moves the message to the dead-letter queue.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] when its channel was closed before.
    pub async fn reject(self) -> Result<(), LeaseLost> {
        self.0.reject().await
    }
}

/// The channel of the delivery is closed, or its settlement timed out: the broker redelivers
/// the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease is lost: the broker redelivers the message")]
pub struct LeaseLost;

/// Settles a delivery of one kind of mesh; see [`Lease`].
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
