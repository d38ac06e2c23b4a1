use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use solvemesh::broker::v1::{
    BulkReference, JobEnvelope, LogBatch, LogEntry, LookupAnswer, LookupRequest,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{DeadLetter, Delivery, Lane, Question};

/// What gateways and workers see of each other: nothing but this.
///
/// Everything that follows something (`consume`, `follow_log`, …) goes on by itself
/// when a connection is lost and found again, and ends when the mesh is closed.
#[async_trait]
pub trait Mesh: Send + Sync + 'static {
    /// Puts a job into its lane's queue, and returns once it is safe there.
    ///
    /// # Errors
    ///
    /// Within a bounded time. Only [`MeshError::OutcomeUnknown`] leaves open whether
    /// the job is in the queue.
    async fn enqueue(&self, lane: &Lane, job: &JobEnvelope) -> Result<(), MeshError>;

    /// Takes jobs from a lane, at most `prefetch` unsettled at once. Each call has a
    /// channel of its own, which an ack timeout closes without harm to the others.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`], or when the lane can't be declared.
    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Consumer<Delivery>, MeshError>;

    /// Whether someone takes jobs from a lane.
    ///
    /// # Errors
    ///
    /// Within a bounded time, when the broker can't tell.
    async fn is_served(&self, lane: &Lane) -> Result<bool, MeshError>;

    /// Takes dead letters; one consumer of all gateways gets them.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`], or when the queue can't be declared.
    async fn dead_letters(&self) -> Result<Consumer<DeadLetter>, MeshError>;

    /// Appends an entry to the results log, and returns once the log has it.
    ///
    /// Entries are appended in the order of the calls. They wait in a bounded outbox
    /// as long as the broker is away: an entry is given up only when the mesh is
    /// closed, even when its caller has stopped waiting.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`], [`MeshError::TooLarge`].
    async fn append(&self, entry: LogEntry) -> Result<(), MeshError>;

    /// Reads the log, and goes on reading as it grows. No message comes twice or out
    /// of order.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`].
    async fn follow_log(&self, from: LogStart) -> Result<mpsc::Receiver<LogMessage>, MeshError>;

    /// The offset of the first message that the log still has; `None` for a log that
    /// is empty.
    ///
    /// # Errors
    ///
    /// Within a bounded time.
    async fn log_start(&self) -> Result<Option<u64>, MeshError>;

    /// Reads back the one message at `offset`, as a follower has read it. Many may be
    /// asked for at once: they take turns.
    ///
    /// # Errors
    ///
    /// Within a bounded time. [`MeshError::Gone`] when the log begins later.
    /// [`MeshError::Unavailable`] when it ends before, which a log can't tell from a
    /// message that is slow to come.
    async fn read_log(&self, offset: u64) -> Result<LogMessage, MeshError>;

    /// Tells all workers, those that are away included, to stop a job.
    ///
    /// # Errors
    ///
    /// Within a bounded time.
    async fn announce_cancel(&self, job_id: &str) -> Result<(), MeshError>;

    /// Hears which jobs to stop: first all that were announced and are remembered,
    /// then those that come. Tells when the first ones have all been heard, and again
    /// after each time that some may have been missed.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`].
    async fn follow_cancels(&self) -> Result<mpsc::Receiver<CancelNews>, MeshError>;

    /// Stores what is too large for a message, in parts of at most
    /// [`MAX_PART_BYTES`].
    ///
    /// # Errors
    ///
    /// Within a bounded time. Nothing refers to parts whose store failed.
    async fn store(&self, parts: Vec<Bytes>) -> Result<BulkReference, MeshError>;

    /// Reads back what was stored: the same parts.
    ///
    /// # Errors
    ///
    /// [`MeshError::Gone`] when they are no longer there, or not as they were.
    async fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError>;

    /// Asks any gateway what the log says of a job.
    ///
    /// # Errors
    ///
    /// [`MeshError::Unavailable`] when no gateway answers within `patience`.
    async fn ask(
        &self,
        request: LookupRequest,
        patience: Duration,
    ) -> Result<LookupAnswer, MeshError>;

    /// Takes questions; each goes to one of all gateways. One that nobody answers in
    /// time is gone.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`], or when the queue can't be declared.
    async fn questions(&self) -> Result<Consumer<Question>, MeshError>;

    /// Makes this process present under an id as long as it is connected: the broker
    /// notices when it dies.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`].
    async fn be_present(&self, id: &str) -> Result<(), MeshError>;

    /// Whether some process is present under an id.
    ///
    /// # Errors
    ///
    /// Within a bounded time, when the broker can't tell.
    async fn is_present(&self, id: &str) -> Result<bool, MeshError>;

    /// Whether the broker can be reached and takes messages.
    fn health(&self) -> watch::Receiver<Health>;

    /// Stops everything, after the outbox is empty or `grace` has passed.
    async fn close(&self, grace: Duration);
}

/// The most bytes of one part of [`Mesh::store`].
pub const MAX_PART_BYTES: usize = 1 << 20;

/// The most bytes of one encoded entry of [`Mesh::append`].
pub const MAX_ENTRY_BYTES: usize = 900 << 10;

/// Whether a mesh can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Ready,
    /// There is no connection; someone is at it.
    Disconnected {
        /// The latest error.
        error: String,
    },
    /// The broker takes no messages: it is short of memory or disk.
    Blocked {
        /// The broker's reason.
        reason: String,
    },
}

/// Where to begin reading the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStart {
    /// At its first message.
    First,
    /// At the message with this offset, or the first one after it that is left.
    Offset(u64),
}

/// What is heard of cancels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelNews {
    /// The job with this id is to be stopped, wherever it runs or waits.
    Cancel(String),
    /// All that were announced before this one's follower was connected have been heard.
    CaughtUp,
    /// The connection was lost: what is announced from now on is heard later, before
    /// the next `CaughtUp`.
    Behind,
}

/// One message of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogMessage {
    /// Its place: grows from message to message, not always by one.
    pub offset: u64,
    /// The size of its encoded body, in bytes.
    pub bytes: usize,
    /// Its entries, or why they can't be read (a later format, damaged bytes).
    pub batch: Result<LogBatch, String>,
}

/// What a [`Mesh`] could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeshError {
    /// There was no connection. Nothing was sent.
    #[error("the broker can't be reached: {0}")]
    Unavailable(String),
    /// The broker is short of memory or disk. Nothing was sent.
    #[error("the broker takes no messages: {0}")]
    Blocked(String),
    /// It was sent, and no answer came: it may have arrived, or may yet.
    #[error("the broker did not confirm in time; the message may have arrived")]
    OutcomeUnknown,
    /// The queue refused it: it is full.
    #[error("the queue of lane {0} is full")]
    Full(Lane),
    /// There is no such queue.
    #[error("no queue took the message: {0}")]
    Unroutable(String),
    /// It is larger than a message may be.
    #[error("a message of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// The message's size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// What was stored is no longer there.
    #[error("what was stored is no longer there: {0}")]
    Gone(String),
    /// The broker has a queue of this name with other arguments, or refused in
    /// another way that no retry mends.
    #[error("the broker refused: {0}")]
    Refused(String),
    /// A setting is invalid: a URL, a certificate file.
    #[error("{0}")]
    Configuration(String),
    /// This mesh was closed.
    #[error("the mesh was closed")]
    Closed,
}

/// Things that come from a queue, one by one.
#[derive(Debug)]
pub struct Consumer<T> {
    items: Mutex<mpsc::Receiver<T>>,
    stop: Stop,
}

/// Tells a consumer's supervisor to stop taking.
pub type Stop = CancellationToken;

impl<T> Consumer<T> {
    /// A consumer of what `items` brings; `stop` tells their source to stop.
    pub fn new(items: mpsc::Receiver<T>, stop: Stop) -> Self {
        Self { items: Mutex::new(items), stop }
    }

    /// The next one; `None` once the consumer was stopped or the mesh closed.
    pub async fn next(&mut self) -> Option<T> {
        self.items.get_mut().unwrap_or_else(PoisonError::into_inner).recv().await
    }

    /// Takes no more: the broker gives what waits here to others. What was taken can
    /// still be settled.
    pub fn stop(&self) {
        self.stop.cancel();
        // What waits in the channel goes with it, and what is about to be sent too.
        *self.items.lock().unwrap_or_else(PoisonError::into_inner) = mpsc::channel(1).1;
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.stop();
    }
}
