//! The entries that wait for their place in the log, in order.
//!
//! One message is under way at a time; what gathers meanwhile travels as the next.
//! That keeps the order whatever is sent again, and costs no timer: the busier the
//! log, the larger its messages.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use prost::Message as _;
use solvemesh::broker::v1::{LogBatch, LogEntry};
use tokio::{
    sync::{Notify, oneshot},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backoff::Backoff,
    config::AmqpConfig,
    connection::Link,
    properties,
    publisher::{Failure, Message, Publisher},
    topology::{self, Route},
};
use crate::{FORMAT_VERSION, MAX_ENTRY_BYTES, MeshError};

/// The most entries of one message.
const BATCH_ENTRIES: usize = 1000;
/// The most bytes of one message that has more than one entry.
const BATCH_BYTES: usize = 512 << 10;

/// The callers' side of the outbox.
#[derive(Debug)]
pub(super) struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    line: Mutex<Line>,
    filled: Notify,
    emptied: Notify,
}

/// All who wait, in order. Those beyond the bounds wait for room: their entries go
/// with their callers.
#[derive(Debug)]
struct Line {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
    next_ticket: u64,
    under_way: bool,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    entry: LogEntry,
    bytes: usize,
    done: oneshot::Sender<()>,
}

impl Outbox {
    /// Starts the task that empties the outbox, as one of `tasks`.
    pub(super) fn start(
        config: &AmqpConfig,
        link: Link,
        publisher: Publisher,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let shared = Arc::new(Shared {
            line: Mutex::new(Line::new(config.outbox_entries, config.outbox_bytes)),
            filled: Notify::new(),
            emptied: Notify::new(),
        });
        let sender = Sender {
            shared: Arc::clone(&shared),
            link,
            publisher,
            log: [topology::log(&config.topology)].into(),
            patience: config.publish_timeout,
        };
        tasks.spawn(async move {
            closed.run_until_cancelled(sender.run()).await;
            sender.shared.close();
        });
        Self { shared }
    }

    /// Puts an entry into the line, at the first poll, and waits until the log has
    /// it.
    pub(super) async fn append(&self, entry: LogEntry) -> Result<(), MeshError> {
        let bytes = entry.encoded_len();
        if bytes > MAX_ENTRY_BYTES {
            return Err(MeshError::TooLarge { bytes, limit: MAX_ENTRY_BYTES });
        }
        let (ticket, done) = self.shared.line().join(entry, bytes).ok_or(MeshError::Closed)?;
        self.shared.filled.notify_one();
        let place = Place { shared: &self.shared, ticket, done: AtomicBool::new(false) };
        let result = done.await;
        place.done.store(true, Ordering::Relaxed);
        result.map_err(|_| MeshError::Closed)
    }

    /// Waits until nothing waits.
    pub(super) async fn drained(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.shared.emptied.notified());
            emptied.as_mut().enable();
            if self.shared.line().is_drained() {
                return;
            }
            emptied.await;
        }
    }
}

/// A place in the line, left when its caller stops waiting.
struct Place<'a> {
    shared: &'a Shared,
    ticket: u64,
    done: AtomicBool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.done.load(Ordering::Relaxed) {
            self.shared.line().leave(self.ticket);
        }
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut line = self.line();
        line.closed = true;
        line.under_way = false;
        line.waiting.clear();
        line.bytes = 0;
        drop(line);
        self.emptied.notify_waiters();
    }
}

impl Line {
    fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            max_entries,
            max_bytes,
            next_ticket: 0,
            under_way: false,
            closed: false,
        }
    }

    fn join(&mut self, entry: LogEntry, bytes: usize) -> Option<(u64, oneshot::Receiver<()>)> {
        if self.closed {
            return None;
        }
        let (done, waits) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.bytes += bytes;
        self.waiting.push_back(Waiting { ticket, entry, bytes, done });
        Some((ticket, waits))
    }

    /// The caller waits no longer: its entry stays if it has room, and goes if not.
    fn leave(&mut self, ticket: u64) {
        let Ok(index) = self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) else {
            return;
        };
        let before: usize = self.waiting.range(..index).map(|waiting| waiting.bytes).sum();
        let has_room =
            index < self.max_entries && before + self.waiting[index].bytes <= self.max_bytes;
        if !has_room && let Some(waiting) = self.waiting.remove(index) {
            self.bytes -= waiting.bytes;
        }
    }

    /// The entries of the next message, which counts as under way from now on.
    fn take_batch(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let fitting = self.waiting.iter().take(BATCH_ENTRIES).take_while(|waiting| {
            bytes += waiting.bytes;
            bytes <= BATCH_BYTES
        });
        // An entry that is larger than a batch is one of its own.
        let count = fitting.count().max(1).min(self.waiting.len());
        let batch: Vec<_> = self.waiting.drain(..count).collect();
        self.bytes -= batch.iter().map(|waiting| waiting.bytes).sum::<usize>();
        self.under_way = !batch.is_empty();
        batch
    }

    fn is_drained(&self) -> bool {
        self.waiting.is_empty() && !self.under_way
    }
}

struct Sender {
    shared: Arc<Shared>,
    link: Link,
    publisher: Publisher,
    log: Route,
    patience: Duration,
}

impl Sender {
    async fn run(&self) {
        loop {
            let batch = self.shared.line().take_batch();
            if batch.is_empty() {
                self.shared.emptied.notify_waiters();
                self.shared.filled.notified().await;
                continue;
            }
            let (entries, callers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|waiting| (waiting.entry, waiting.done)).unzip();
            self.send(LogBatch { version: FORMAT_VERSION, entries }).await;
            for caller in callers {
                // It may have stopped waiting.
                let _ = caller.send(());
            }
        }
    }

    /// Sends a message until the log has it.
    async fn send(&self, batch: LogBatch) {
        let message = Message {
            route: self.log.clone(),
            properties: properties::of_record(),
            body: batch.encode_to_vec().into(),
        };
        let mut backoff = Backoff::default();
        while let Err(failure) = self.try_once(message.clone()).await {
            tracing::warn!(?failure, entries = batch.entries.len(), "the log has to be sent again");
            time::sleep(backoff.next()).await;
        }
    }

    /// Sends a message once. A session that does not confirm in time, though nothing
    /// blocks it, is given up; its end is the publish's end.
    async fn try_once(&self, message: Message) -> Result<(), Failure> {
        let mut publish = std::pin::pin!(self.publisher.publish_patiently(message));
        loop {
            let session = self.link.session().await;
            tokio::select! {
                answer = &mut publish => return answer,
                () = time::sleep(self.patience) => match session {
                    Some(session) if self.link.trouble().is_none() => self.link.give_up(&session),
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

    fn names(batch: &[Waiting]) -> Vec<&str> {
        batch.iter().map(|waiting| waiting.entry.job_id.as_str()).collect()
    }

    #[test]
    fn what_gathered_travels_together_and_in_order() {
        let mut line = Line::new(10, 100);
        let _waits: Vec<_> = ["a", "b", "c"].map(|id| line.join(entry(id), 3)).into();
        let batch = line.take_batch();
        assert_eq!(names(&batch), ["a", "b", "c"]);
        assert!(!line.is_drained());
        assert!(line.take_batch().is_empty());
        assert!(line.is_drained());
        assert_eq!(line.bytes, 0);
    }

    #[test]
    fn a_message_is_bounded_in_bytes_and_entries() {
        let mut line = Line::new(10_000, usize::MAX);
        let _waits: Vec<_> =
            [BATCH_BYTES + 1, 1, BATCH_BYTES].map(|bytes| line.join(entry(""), bytes)).into();
        let sizes: Vec<_> = (0..3).map(|_| line.take_batch().len()).collect();
        assert_eq!(sizes, [1, 1, 1]);
        let _waits: Vec<_> = (0..BATCH_ENTRIES + 1).map(|_| line.join(entry(""), 1)).collect();
        let sizes: Vec<_> = (0..2).map(|_| line.take_batch().len()).collect();
        assert_eq!(sizes, [BATCH_ENTRIES, 1]);
    }

    #[test]
    fn only_who_waits_for_room_takes_the_entry_along() {
        let mut line = Line::new(2, 100);
        let tickets: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .filter_map(|id| line.join(entry(id), 3))
            .map(|(ticket, _)| ticket)
            .collect();
        tickets.iter().for_each(|ticket| line.leave(*ticket));
        assert_eq!(names(&line.take_batch()), ["a", "b"]);
        assert_eq!(line.bytes, 0);
    }

    #[test]
    fn a_closed_line_takes_no_one() {
        let mut line = Line::new(2, 100);
        line.closed = true;
        assert!(line.join(entry("a"), 3).is_none());
    }
}
