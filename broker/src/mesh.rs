use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use solvemesh::broker::v1::{
    BulkReference, Heartbeat, JobEnvelope, LogBatch, LogEntry, LookupRequest, LookupResponse,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{BulkObject, DeadLetter, Delivery, Lane, Lookup, rank::Turns};

/// The interface between gateways and workers, which communicate through nothing else.
///
/// Consumers and followers (`consume`, `follow_log`, …) resume by themselves after a lost
/// connection, and end when the mesh is closed.
#[async_trait]
pub trait Mesh: Send + Sync + 'static {
    /// Enqueues a job in its lane, at its [`Rank`](crate::Rank), and returns once the queue has
    /// stored it.
    ///
    /// # Errors
    ///
    /// Fails within a bounded time. After [`MeshError::OutcomeUnknown`] the job may be in the
    /// queue; after any other error it is not.
    async fn enqueue(&self, lane: &Lane, job: &JobEnvelope) -> Result<(), MeshError>;

    /// Consumes jobs from a lane, whose ranks take turns. At most `prefetch` of them are unsettled
    /// at once, of each rank. With a prefetch of 1, it is one in all; for a moment, the consumer may
    /// then hold one more of each other rank. Each call opens its own channels, so that a consumer
    /// timeout, which closes a channel, affects no other consumer.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`], or [`MeshError::Refused`] when the lane can't be declared.
    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Consumer<Delivery>, MeshError>;

    /// Whether a lane has a consumer.
    ///
    /// # Errors
    ///
    /// Fails within a bounded time when the broker does not answer.
    async fn is_served(&self, lane: &Lane) -> Result<bool, MeshError>;

    /// Consumes dead letters. In RabbitMQ only one consumer of all gateways is active at a time.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`], or [`MeshError::Refused`] when the queue can't be declared.
    async fn dead_letters(&self) -> Result<Consumer<DeadLetter>, MeshError>;

    /// Appends an entry to the results log, and returns once the log has stored it.
    ///
    /// Entries are appended in the order of the calls. During an outage they are buffered in a
    /// bounded outbox and retried until the mesh is closed, even if the caller stops waiting.
    /// Only an entry that has no room in the outbox yet is withdrawn with its caller.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`], [`MeshError::TooLarge`].
    async fn append(&self, entry: LogEntry) -> Result<(), MeshError>;

    /// Reads the log from `from` on, and continues as it grows. Each message is received once
    /// and in order.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`].
    async fn follow_log(&self, from: LogStart) -> Result<mpsc::Receiver<LogMessage>, MeshError>;

    /// The offset of the oldest message that the log still has; `None` if the log is empty.
    ///
    /// # Errors
    ///
    /// Fails within a bounded time.
    async fn log_start(&self) -> Result<Option<u64>, MeshError>;

    /// Reads the one message at `offset`, exactly as a follower receives it. The number of
    /// concurrent reads is bounded; further calls wait for their turn.
    ///
    /// # Errors
    ///
    /// Fails within a bounded time. [`MeshError::Gone`] when the log starts after `offset`.
    /// [`MeshError::Unavailable`] when the log ends before `offset`: a stream does not signal
    /// its end, so this can't be distinguished from a slow broker.
    async fn read_log(&self, offset: u64) -> Result<LogMessage, MeshError>;

    /// Announces to all workers that a job is cancelled. Workers that are disconnected read the
    /// announcement when they connect again.
    ///
    /// # Errors
    ///
    /// Fails within a bounded time.
    async fn announce_cancel(&self, job_id: &str) -> Result<(), MeshError>;

    /// Follows the announcements of cancels: first all retained ones, then new ones as they
    /// arrive. [`CancelEvent::CaughtUp`] follows the retained ones, and is sent again after each
    /// [`CancelEvent::ConnectionLost`].
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`].
    async fn follow_cancels(&self) -> Result<mpsc::Receiver<CancelEvent>, MeshError>;

    /// Stores an object that is too large for a message, in parts of at most
    /// [`MAX_PART_BYTES`] each.
    ///
    /// # Errors
    ///
    /// Fails within a bounded time. Parts may have been stored, but nothing refers to them.
    async fn store(&self, object: BulkObject) -> Result<BulkReference, MeshError>;

    /// Loads a stored object, in the same parts.
    ///
    /// # Errors
    ///
    /// [`MeshError::Gone`] when parts are missing or do not match the reference.
    async fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError>;

    /// Sends a lookup to any one gateway: what is the status of this job?
    ///
    /// # Errors
    ///
    /// [`MeshError::Unavailable`] when no gateway answers within `timeout`.
    async fn lookup(
        &self,
        request: LookupRequest,
        timeout: Duration,
    ) -> Result<LookupResponse, MeshError>;

    /// Consumes lookups; each is delivered to one of all gateways. A lookup that is not
    /// answered within its timeout is dropped.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`], or [`MeshError::Refused`] when the queue can't be declared.
    async fn consume_lookups(&self) -> Result<Consumer<Lookup>, MeshError>;

    /// Registers this process as connected under an id, until the mesh is closed. The broker
    /// removes the registration when the connection is lost, also when the process dies; it is
    /// renewed with the next connection.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`]; [`MeshError::Refused`] for an id that is too long.
    async fn register_worker(&self, id: &str) -> Result<(), MeshError>;

    /// Whether a process is registered as connected under an id.
    ///
    /// # Errors
    ///
    /// Fails within a bounded time when the broker does not answer.
    async fn is_worker_connected(&self, id: &str) -> Result<bool, MeshError>;

    /// Sends a heartbeat of this process to all gateways that follow them now.
    ///
    /// # Errors
    ///
    /// Fails within a bounded time.
    async fn send_heartbeat(&self, heartbeat: Heartbeat) -> Result<(), MeshError>;

    /// Follows the heartbeats that are sent from now on. After a lost connection, those that were
    /// sent meanwhile are missed.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`].
    async fn follow_heartbeats(&self) -> Result<mpsc::Receiver<Heartbeat>, MeshError>;

    /// Whether the broker is connected and accepts messages.
    fn health(&self) -> watch::Receiver<Health>;

    /// Closes the mesh and ends all its tasks, once the outbox is empty or `grace` has passed.
    async fn close(&self, grace: Duration);
}

/// The maximum size of one part of [`Mesh::store`], in bytes.
pub const MAX_PART_BYTES: usize = 1 << 20;

/// The maximum size of one encoded entry of [`Mesh::append`], in bytes.
pub const MAX_ENTRY_BYTES: usize = 900 << 10;

/// The state of a mesh's connections to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Connected, and the broker accepts messages.
    Ready,
    /// A connection is missing and is being re-established.
    Disconnected {
        /// The latest error.
        error: String,
    },
    /// The broker accepts no messages: it is short of memory or disk.
    Blocked {
        /// The broker's reason.
        reason: String,
    },
}

impl Health {
    /// Why the mesh can't be used, or can't publish; `None` if it is ready.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::Disconnected { error } => Some(error.clone()),
            Self::Blocked { reason } => Some(format!("the broker accepts no messages: {reason}")),
        }
    }
}

/// Where to start reading the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStart {
    /// At the oldest message that is left.
    First,
    /// At the message with this offset, or at the next one that is left.
    Offset(u64),
}

/// An item of [`Mesh::follow_cancels`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelEvent {
    /// The job with this id is cancelled, whether it is running or queued.
    Cancel(String),
    /// All cancels that were announced before this follower attached have been received.
    CaughtUp,
    /// The connection was lost. Cancels announced meanwhile are received after it is
    /// re-established, before the next `CaughtUp`.
    ConnectionLost,
}

/// One message of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogMessage {
    /// Its offset: increases from message to message, not always by one.
    pub offset: u64,
    /// The size of its encoded body, in bytes.
    pub bytes: usize,
    /// Its entries, or why they can't be decoded (a later format, damaged bytes).
    pub batch: Result<LogBatch, String>,
}

/// Why an operation of a [`Mesh`] failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeshError {
    /// There was no connection, or no answer to a request. A message to publish was not stored.
    #[error("the broker can't be reached: {0}")]
    Unavailable(String),
    /// The broker is short of memory or disk. Nothing was sent.
    #[error("the broker accepts no messages: {0}")]
    Blocked(String),
    /// The message was sent but not confirmed in time: it may be stored, now or later.
    #[error("the broker did not confirm in time; the message may have arrived")]
    OutcomeUnknown,
    /// The lane's queue is full and rejected the job.
    #[error("the queue of lane {0} is full")]
    Full(Lane),
    /// The queue does not exist.
    #[error("no queue took the message: {0}")]
    Unroutable(String),
    /// A message, part or object is larger than allowed.
    #[error("a message of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size, in bytes.
        bytes: usize,
        /// The maximum size, in bytes.
        limit: usize,
    },
    /// Data was truncated or deleted, or does not match its reference.
    #[error("no longer stored: {0}")]
    Gone(String),
    /// The broker refused in a way that a retry does not resolve: a queue of this name exists
    /// with other arguments, or access is denied.
    #[error("the broker refused: {0}")]
    Refused(String),
    /// A setting is invalid: a URL, a certificate file.
    #[error("{0}")]
    Configuration(String),
    /// This mesh was closed.
    #[error("the mesh was closed")]
    Closed,
}

/// The receiving end of a queue, or of the queues of a lane.
#[derive(Debug)]
pub struct Consumer<T> {
    items: Mutex<Items<T>>,
    stop: Stop,
}

/// Signals the task behind a [`Consumer`] to stop consuming.
pub type Stop = CancellationToken;

#[derive(Debug)]
enum Items<T> {
    /// Of one queue, or in an order that its sender decides.
    Single(mpsc::Receiver<T>),
    /// Of a queue for each rank, by its index.
    Ranked { items: [mpsc::Receiver<T>; 3], turns: Turns },
}

impl<T> Consumer<T> {
    /// A consumer that receives from `items`; `stop` ends the task that sends them.
    pub fn new(items: mpsc::Receiver<T>, stop: Stop) -> Self {
        Self { items: Mutex::new(Items::Single(items)), stop }
    }

    /// A consumer that takes items of several ranks in turns. `stop` ends the tasks that send them.
    pub(crate) fn ranked(items: [mpsc::Receiver<T>; 3], stop: Stop) -> Self {
        let items = Items::Ranked { items, turns: Turns::default() };
        Self { items: Mutex::new(items), stop }
    }

    /// Receives the next item; `None` once the consumer is stopped or the mesh is closed.
    pub async fn next(&mut self) -> Option<T> {
        let items = self.items.get_mut();
        poll_fn(|context| items.poll_next(context)).await
    }

    /// Receives the next item if it is here already.
    pub fn try_next(&mut self) -> Option<T> {
        self.items.get_mut().try_next()
    }

    /// Stops consuming. Items that were not received are requeued; those that were received can
    /// still be settled.
    pub fn stop(&self) {
        self.stop.cancel();
        // Replacing the receivers drops the buffered items, and fails a send that is pending, so
        // that their leases are released.
        *self.items.lock() = Items::Single(mpsc::channel(1).1);
    }
}

impl<T> Items<T> {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let (items, turns) = match self {
            Self::Single(items) => return items.poll_recv(context),
            Self::Ranked { items, turns } => (items, turns),
        };
        let mut ended = 0;
        for rank in turns.order() {
            match items[rank.index()].poll_recv(context) {
                Poll::Ready(Some(item)) => {
                    turns.took(rank);
                    return Poll::Ready(Some(item));
                }
                Poll::Ready(None) => ended += 1,
                Poll::Pending => {}
            }
        }
        if ended == items.len() { Poll::Ready(None) } else { Poll::Pending }
    }

    fn try_next(&mut self) -> Option<T> {
        let (items, turns) = match self {
            Self::Single(items) => return items.try_recv().ok(),
            Self::Ranked { items, turns } => (items, turns),
        };
        turns.order().into_iter().find_map(|rank| {
            let item = items[rank.index()].try_recv().ok()?;
            turns.took(rank);
            Some(item)
        })
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.stop();
    }
}
