//! Appends entries to the results log in order, with many of them unconfirmed at a time. Callers
//! choose whether to wait for a confirm.

use std::{sync::Arc, time::SystemTime};

use futures::stream::{FuturesUnordered, StreamExt};
use prost_types::Timestamp;
use solvemesh::broker::v1::{LogEntry, log_entry::Kind};
use solvemesh_broker::{Mesh, MeshError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Maximum number of entries that wait to be passed to the mesh.
const MAX_QUEUED: usize = 256;
/// Maximum number of entries that the mesh has not confirmed yet.
const MAX_UNCONFIRMED: usize = 1024;

/// Builds the entries of one attempt, or of a job that has no attempt.
#[derive(Clone, Debug)]
pub(crate) struct EntryBuilder {
    pub(crate) job: String,
    digest: Vec<u8>,
    /// Random id of the attempt; empty before one has started.
    pub(crate) attempt: String,
    /// Number of the attempt's last entry. Gateways drop entries whose number they have seen.
    number: u32,
}

impl EntryBuilder {
    /// For entries about a job before it has an attempt.
    pub(crate) fn of_job(job: String, digest: Vec<u8>) -> Self {
        Self { job, digest, attempt: String::new(), number: 0 }
    }

    /// Starts an attempt, with a random id.
    pub(crate) fn begin_attempt(&mut self) {
        self.attempt = Uuid::new_v4().to_string();
    }

    /// Builds the next entry. Only entries of an attempt are numbered, from 1.
    pub(crate) fn build(&mut self, kind: Kind) -> Box<LogEntry> {
        self.build_at(SystemTime::now().into(), kind)
    }

    /// Builds the next entry, about something that happened at `time`. Boxed, because it is moved
    /// several times on its way to the mesh.
    pub(crate) fn build_at(&mut self, time: Timestamp, kind: Kind) -> Box<LogEntry> {
        if !self.attempt.is_empty() {
            self.number += 1;
        }
        Box::new(LogEntry {
            time: Some(time),
            job_id: self.job.clone(),
            digest: self.digest.clone(),
            attempt_id: self.attempt.clone(),
            number: self.number,
            kind: Some(kind),
        })
    }
}

/// An entry that waits to be appended.
#[derive(Debug)]
struct QueuedEntry {
    entry: Box<LogEntry>,
    /// Where to send the confirm.
    confirm: Option<oneshot::Sender<Result<(), MeshError>>>,
}

/// The pending confirm of an entry.
#[derive(Debug)]
pub(crate) struct Confirm(oneshot::Receiver<Result<(), MeshError>>);

impl Confirm {
    /// Waits until the log has confirmed the entry.
    ///
    /// # Errors
    ///
    /// [`MeshError::Closed`] if the log writer was closed before it accepted the entry, or why
    /// appending failed.
    pub(crate) async fn wait(self) -> Result<(), MeshError> {
        self.0.await.unwrap_or(Err(MeshError::Closed))
    }
}

/// The log writer that all slots of a worker share. Entries are appended in the order of the
/// calls.
#[derive(Clone, Debug)]
pub(crate) struct LogWriter {
    queue: mpsc::Sender<QueuedEntry>,
}

impl LogWriter {
    /// Returns a log writer and its task, which the caller has to spawn. The task finishes once
    /// `close` is cancelled and the entries accepted until then are confirmed.
    pub(crate) fn open(
        mesh: Arc<dyn Mesh>,
        close: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, queued) = mpsc::channel(MAX_QUEUED);
        (Self { queue }, append_all(mesh, queued, close))
    }

    /// Appends an entry without a confirm. Waits while the queue is full.
    pub(crate) async fn append_unconfirmed(&self, entry: Box<LogEntry>) {
        // Dropped if the log writer is closed. Those that need the entry wait for a confirm, and
        // get `Closed`.
        let _ = self.queue.send(QueuedEntry { entry, confirm: None }).await;
    }

    /// Appends an entry and returns its pending confirm. Waits while the queue is full.
    pub(crate) async fn append(&self, entry: Box<LogEntry>) -> Confirm {
        let (confirm, confirmed) = oneshot::channel();
        // If the log writer is closed, the confirm resolves to `Closed`.
        let _ = self.queue.send(QueuedEntry { entry, confirm: Some(confirm) }).await;
        Confirm(confirmed)
    }

    /// Appends an entry unless the queue is full; returns whether it did. Never waits.
    pub(crate) fn try_append(&self, entry: impl FnOnce() -> Box<LogEntry>) -> bool {
        let Ok(place) = self.queue.try_reserve() else { return false };
        place.send(QueuedEntry { entry: entry(), confirm: None });
        true
    }

    /// Appends an entry and waits for its confirm.
    ///
    /// # Errors
    ///
    /// As [`Confirm::wait`].
    pub(crate) async fn append_confirmed(&self, entry: Box<LogEntry>) -> Result<(), MeshError> {
        self.append(entry).await.wait().await
    }
}

/// Appends the queued entries until `close` is cancelled, then waits for the confirms.
async fn append_all(
    mesh: Arc<dyn Mesh>,
    mut queued: mpsc::Receiver<QueuedEntry>,
    close: CancellationToken,
) {
    let mut in_flight = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = close.cancelled(), if !queued.is_closed() => queued.close(),
            next = queued.recv(), if in_flight.len() < MAX_UNCONFIRMED => match next {
                Some(entry) => {
                    let mut appending = Box::pin(append_one(mesh.as_ref(), entry));
                    // The mesh orders entries by the first poll of its `append`. Polling each
                    // here, before the next is received, keeps the order of the queue.
                    if futures::poll!(&mut appending).is_pending() {
                        in_flight.push(appending);
                    }
                }
                None => break,
            },
            Some(()) = in_flight.next() => {}
        }
    }
    in_flight.for_each(|()| std::future::ready(())).await;
}

/// Appends an entry, and sends on its confirm if somebody waits for it.
async fn append_one(mesh: &dyn Mesh, QueuedEntry { entry, confirm }: QueuedEntry) {
    let (job, attempt) = (entry.job_id.clone(), entry.attempt_id.clone());
    let appended = mesh.append(*entry).await;
    if let Err(error) = &appended {
        tracing::warn!(job, attempt, cause = %error, "cannot append to the results log");
    }
    if let Some(confirm) = confirm {
        // The receiver may have been dropped.
        let _ = confirm.send(appended);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::v1::Progress;
    use solvemesh_broker::{LogStart, MemoryConfig, MemoryMesh};

    use super::*;

    #[tokio::test]
    async fn entries_are_appended_in_order_before_the_log_writer_closes() {
        let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(MemoryConfig::default()));
        let close = CancellationToken::new();
        let (log_writer, task) = LogWriter::open(mesh.clone(), close.clone());
        let task = tokio::spawn(task);
        let mut entries = EntryBuilder::of_job("j".to_owned(), Vec::new());
        entries.begin_attempt();
        for _ in 0..500 {
            log_writer.append_unconfirmed(entries.build(Kind::Progress(Progress::default()))).await;
        }
        let last = entries.build(Kind::Finished(Box::default()));
        assert_eq!(log_writer.append_confirmed(last).await, Ok(()));
        close.cancel();
        task.await.unwrap();
        let late = entries.build(Kind::Progress(Progress::default()));
        assert_eq!(log_writer.append_confirmed(late).await, Err(MeshError::Closed));

        let mut log = mesh.follow_log(LogStart::First).await.unwrap();
        let mut numbers = Vec::new();
        while numbers.len() < 501 {
            let batch = log.recv().await.unwrap().batch.unwrap();
            numbers.extend(batch.entries.iter().map(|entry| entry.number));
        }
        assert_eq!(numbers, (1..=501).collect::<Vec<_>>());
    }

    #[test]
    fn entries_of_a_job_without_an_attempt_are_not_numbered() {
        let mut entries = EntryBuilder::of_job("j".to_owned(), vec![1]);
        let entry = entries.build(Kind::Finished(Box::default()));
        assert_eq!((entry.attempt_id.as_str(), entry.number), ("", 0));
        assert_eq!((entry.job_id.as_str(), entry.digest), ("j", vec![1]));
    }
}
