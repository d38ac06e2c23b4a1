//! The outbox of the results log: entries, buffered in order until the broker has confirmed them.
//!
//! One message is in flight at a time; the entries that arrive meanwhile are batched into the
//! next one. So retries keep the order, and batching needs no timer: the busier the log, the
//! larger its messages.
//!
//! A batch whose confirm was lost is sent again, so it may be in the log twice. It is sent again
//! before any later entry: readers may see repetitions, but the first occurrences are in order.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use prost::Message as _;
use solvemesh::broker::v1::{LogBatch, LogEntry};
use tokio::{
    sync::{Notify, oneshot},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::AmqpConfig,
    connection::ConnectionHandle,
    properties,
    publisher::{Message, PublishError, Publisher},
    topology::{self, Route},
};
use crate::{FORMAT_VERSION, MAX_ENTRY_BYTES, MeshError, backoff::Backoff};

/// The maximum number of entries in one message.
const BATCH_ENTRIES: usize = 1000;
/// The maximum size of a message with more than one entry, in bytes.
const BATCH_BYTES: usize = 512 << 10;

/// The handle by which callers append to the outbox.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    shared: Arc<Shared>,
}

/// What the outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backlog {
    /// The number of entries that are not confirmed.
    pub(super) entries: usize,
    /// Since when the oldest of them waits.
    pub(super) oldest: Option<Instant>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the sending task after a push.
    not_empty: Notify,
    /// Wakes [`Outbox::drained`] when nothing is buffered or in flight.
    drained: Notify,
}

/// The buffered entries, in order.
///
/// Entries beyond the bounds are waiting for room: they are withdrawn when their callers stop
/// waiting, while those within the bounds are sent in any case. They are in the same queue, not
/// in one before it, so that the order is that of the calls. Each of them has a caller that waits,
/// which bounds their number.
#[derive(Debug)]
struct Queue {
    entries: VecDeque<BufferedEntry>,
    /// The size of all of them.
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
    next_ticket: u64,
    /// The batch that was taken out and is not confirmed yet.
    in_flight: Option<InFlight>,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    entries: usize,
    /// When the oldest of them was appended.
    since: Instant,
}

#[derive(Debug)]
struct BufferedEntry {
    /// Identifies the entry for its withdrawal; increases along the queue, which is searched by it.
    ticket: u64,
    entry: LogEntry,
    bytes: usize,
    /// When it was appended.
    since: Instant,
    done: oneshot::Sender<()>,
}

impl Outbox {
    /// Starts the task that publishes the entries, as one of `tasks`.
    pub(super) fn start(
        config: &AmqpConfig,
        connection: ConnectionHandle,
        publisher: Publisher,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(config.outbox_entries, config.outbox_bytes)),
            not_empty: Notify::new(),
            drained: Notify::new(),
        });
        let sender = SenderTask {
            shared: Arc::clone(&shared),
            connection,
            publisher,
            log: [topology::log(&config.topology)].into(),
            confirm_timeout: config.publish_timeout,
        };
        tasks.spawn(async move {
            closed.run_until_cancelled(sender.run()).await;
            sender.shared.close();
        });
        Self { shared }
    }

    /// Appends an entry, at the first poll of the future, and waits until the log has stored it.
    pub(super) async fn append(&self, entry: LogEntry) -> Result<(), MeshError> {
        let bytes = entry.encoded_len();
        if bytes > MAX_ENTRY_BYTES {
            return Err(MeshError::TooLarge { bytes, limit: MAX_ENTRY_BYTES });
        }
        let (ticket, done) =
            self.shared.queue.lock().push(entry, bytes).ok_or(MeshError::Closed)?;
        self.shared.not_empty.notify_one();
        let guard = WithdrawGuard { shared: &self.shared, ticket, done: AtomicBool::new(false) };
        let result = done.await;
        guard.done.store(true, Ordering::Relaxed);
        result.map_err(|_| MeshError::Closed)
    }

    /// What the outbox holds now.
    pub(super) fn backlog(&self) -> Backlog {
        self.shared.queue.lock().backlog()
    }

    /// Waits until no entry is buffered or in flight.
    pub(super) async fn drained(&self) {
        loop {
            let mut drained = std::pin::pin!(self.shared.drained.notified());
            // Registered before the check, so that a notification in between is not missed.
            drained.as_mut().enable();
            if self.shared.queue.lock().is_drained() {
                return;
            }
            drained.await;
        }
    }
}

/// Withdraws the entry of a caller that stops waiting: its future is dropped before the confirm.
struct WithdrawGuard<'a> {
    shared: &'a Shared,
    ticket: u64,
    done: AtomicBool,
}

impl Drop for WithdrawGuard<'_> {
    fn drop(&mut self) {
        if !self.done.load(Ordering::Relaxed) {
            self.shared.queue.lock().withdraw(self.ticket);
        }
    }
}

impl Shared {
    fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        queue.in_flight = None;
        queue.entries.clear();
        queue.bytes = 0;
        drop(queue);
        self.drained.notify_waiters();
    }
}

impl Queue {
    fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            max_entries,
            max_bytes,
            next_ticket: 0,
            in_flight: None,
            closed: false,
        }
    }

    fn push(&mut self, entry: LogEntry, bytes: usize) -> Option<(u64, oneshot::Receiver<()>)> {
        if self.closed {
            return None;
        }
        let (done, waits) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.bytes += bytes;
        let since = Instant::now();
        self.entries.push_back(BufferedEntry { ticket, entry, bytes, since, done });
        Some((ticket, waits))
    }

    /// Called when the caller stops waiting: removes its entry if it is beyond the bounds. Within
    /// them it stays, as it was accepted.
    fn withdraw(&mut self, ticket: u64) {
        let Ok(index) = self.entries.binary_search_by_key(&ticket, |buffered| buffered.ticket)
        else {
            return;
        };
        let before: usize = self.entries.range(..index).map(|buffered| buffered.bytes).sum();
        let has_room =
            index < self.max_entries && before + self.entries[index].bytes <= self.max_bytes;
        if !has_room && let Some(buffered) = self.entries.remove(index) {
            self.bytes -= buffered.bytes;
        }
    }

    /// Removes the entries of the next message, which is in flight from now on unless it is empty.
    fn take_batch(&mut self) -> Vec<BufferedEntry> {
        let mut bytes = 0;
        let fitting = self.entries.iter().take(BATCH_ENTRIES).take_while(|buffered| {
            bytes += buffered.bytes;
            bytes <= BATCH_BYTES
        });
        // An entry that is larger than a batch is sent alone.
        let count = fitting.count().max(1).min(self.entries.len());
        let batch: Vec<_> = self.entries.drain(..count).collect();
        self.bytes -= batch.iter().map(|buffered| buffered.bytes).sum::<usize>();
        self.in_flight =
            batch.first().map(|oldest| InFlight { entries: batch.len(), since: oldest.since });
        batch
    }

    fn is_drained(&self) -> bool {
        self.entries.is_empty() && self.in_flight.is_none()
    }

    fn backlog(&self) -> Backlog {
        let in_flight = self.in_flight;
        let buffered = self.entries.front().map(|oldest| oldest.since);
        Backlog {
            entries: self.entries.len() + in_flight.map_or(0, |batch| batch.entries),
            oldest: in_flight.map(|batch| batch.since).or(buffered),
        }
    }
}

/// The task that publishes the entries.
struct SenderTask {
    shared: Arc<Shared>,
    connection: ConnectionHandle,
    publisher: Publisher,
    log: Route,
    confirm_timeout: Duration,
}

impl SenderTask {
    async fn run(&self) {
        loop {
            let batch = self.shared.queue.lock().take_batch();
            if batch.is_empty() {
                self.shared.drained.notify_waiters();
                self.shared.not_empty.notified().await;
                continue;
            }
            let (entries, callers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|buffered| (buffered.entry, buffered.done)).unzip();
            self.send(LogBatch { version: FORMAT_VERSION, entries }).await;
            for caller in callers {
                // The caller may have stopped waiting.
                let _ = caller.send(());
            }
        }
    }

    /// Publishes a batch, with retries until it is confirmed.
    async fn send(&self, batch: LogBatch) {
        let message = Message {
            route: self.log.clone(),
            properties: properties::persistent(),
            body: batch.encode_to_vec().into(),
        };
        let mut backoff = Backoff::for_broker();
        while let Err(error) = self.try_once(message.clone()).await {
            let entries = batch.entries.len();
            tracing::warn!(cause = ?error, entries, "log batch not confirmed, retrying");
            time::sleep(backoff.next_delay()).await;
        }
    }

    /// Publishes a message once. If the confirm times out though the broker is connected and not
    /// blocked, the session is abandoned, which also fails the publish. An alarm of the broker is
    /// waited for, however long it lasts.
    async fn try_once(&self, message: Message) -> Result<(), PublishError> {
        let mut publish = std::pin::pin!(self.publisher.publish_without_timeout(message));
        loop {
            let session = self.connection.session().await;
            tokio::select! {
                answer = &mut publish => return answer,
                () = time::sleep(self.confirm_timeout) => match session {
                    Some(session) if self.connection.unavailable_reason().is_none() => {
                        self.connection.abandon(&session);
                    }
                    _ => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(job_id: &str) -> LogEntry {
        LogEntry { job_id: job_id.to_owned(), ..LogEntry::default() }
    }

    fn names(batch: &[BufferedEntry]) -> Vec<&str> {
        batch.iter().map(|buffered| buffered.entry.job_id.as_str()).collect()
    }

    #[test]
    fn buffered_entries_are_batched_in_order() {
        let mut queue = Queue::new(10, 100);
        let _waits: Vec<_> = ["a", "b", "c"].map(|id| queue.push(entry(id), 3)).into();
        let batch = queue.take_batch();
        assert_eq!(names(&batch), ["a", "b", "c"]);
        assert!(!queue.is_drained());
        let since = batch.first().map(|oldest| oldest.since);
        assert_eq!(queue.backlog(), Backlog { entries: 3, oldest: since });
        assert!(queue.take_batch().is_empty());
        assert!(queue.is_drained());
        assert_eq!(queue.bytes, 0);
        assert_eq!(queue.backlog(), Backlog { entries: 0, oldest: None });
        let _later = queue.push(entry("d"), 3);
        assert_eq!(queue.backlog().entries, 1);
        assert!(queue.backlog().oldest > since);
    }

    #[test]
    fn a_message_is_bounded_in_bytes_and_entries() {
        let mut queue = Queue::new(10_000, usize::MAX);
        let _waits: Vec<_> =
            [BATCH_BYTES + 1, 1, BATCH_BYTES].map(|bytes| queue.push(entry(""), bytes)).into();
        let sizes: Vec<_> = (0..3).map(|_| queue.take_batch().len()).collect();
        assert_eq!(sizes, [1, 1, 1]);
        let _waits: Vec<_> = (0..BATCH_ENTRIES + 1).map(|_| queue.push(entry(""), 1)).collect();
        let sizes: Vec<_> = (0..2).map(|_| queue.take_batch().len()).collect();
        assert_eq!(sizes, [BATCH_ENTRIES, 1]);
    }

    #[test]
    fn only_entries_that_wait_for_room_are_withdrawn() {
        let mut queue = Queue::new(2, 100);
        let tickets: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .filter_map(|id| queue.push(entry(id), 3))
            .map(|(ticket, _)| ticket)
            .collect();
        tickets.iter().for_each(|ticket| queue.withdraw(*ticket));
        assert_eq!(names(&queue.take_batch()), ["a", "b"]);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn a_closed_queue_accepts_no_entry() {
        let mut queue = Queue::new(2, 100);
        queue.closed = true;
        assert!(queue.push(entry("a"), 3).is_none());
    }
}
