//! The worker's writing into the results log: in order, many entries under way at
//! once, and a writer waits for the confirm only where it wants to.

use std::{sync::Arc, time::SystemTime};

use futures::stream::{FuturesUnordered, StreamExt};
use solvemesh::broker::v1::{LogEntry, log_entry::Kind};
use solvemesh_broker::{Mesh, MeshError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most entries that wait to be handed to the mesh.
const WAITING: usize = 256;
/// The most entries that the mesh has not confirmed.
const UNCONFIRMED: usize = 1024;

/// Writes one attempt's entries, or those of a job that has none.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) job: String,
    digest: Vec<u8>,
    /// Empty where no attempt began.
    pub(crate) attempt: String,
    number: u32,
}

impl Author {
    /// Who writes about a job before it has an attempt.
    pub(crate) fn of_job(job: String, digest: Vec<u8>) -> Self {
        Self { job, digest, attempt: String::new(), number: 0 }
    }

    /// Begins an attempt, with a random id.
    pub(crate) fn begin_attempt(&mut self) {
        self.attempt = Uuid::new_v4().to_string();
    }

    /// The next entry.
    pub(crate) fn entry(&mut self, kind: Kind) -> LogEntry {
        if !self.attempt.is_empty() {
            self.number += 1;
        }
        LogEntry {
            time: Some(SystemTime::now().into()),
            job_id: self.job.clone(),
            digest: self.digest.clone(),
            attempt_id: self.attempt.clone(),
            number: self.number,
            kind: Some(kind),
        }
    }
}

/// An entry on its way to the log.
#[derive(Debug)]
struct Line {
    entry: LogEntry,
    confirmed: Option<oneshot::Sender<Result<(), MeshError>>>,
}

/// The confirm of an entry that was given.
#[derive(Debug)]
pub(crate) struct Confirm(oneshot::Receiver<Result<(), MeshError>>);

impl Confirm {
    /// Waits until the log has it.
    pub(crate) async fn wait(self) -> Result<(), MeshError> {
        self.0.await.unwrap_or(Err(MeshError::Closed))
    }
}

/// The way to the log that all slots of a worker share. Entries reach the mesh in
/// the order in which they were given.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    lines: mpsc::Sender<Line>,
}

impl Journal {
    /// A journal, and its task: that ends once `close` is cancelled and all that was
    /// given until then is confirmed.
    pub(crate) fn open(
        mesh: Arc<dyn Mesh>,
        close: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (lines, waiting) = mpsc::channel(WAITING);
        (Self { lines }, keep(mesh, waiting, close))
    }

    /// Gives an entry and does not wait for its confirm; waits while too many wait.
    pub(crate) async fn write(&self, entry: LogEntry) {
        // A journal that was closed has told so to all who wait for a confirm.
        let _ = self.lines.send(Line { entry, confirmed: None }).await;
    }

    /// Gives an entry, whose confirm can be waited for later; waits while too many wait.
    pub(crate) async fn give(&self, entry: LogEntry) -> Confirm {
        let (confirmed, answer) = oneshot::channel();
        // Of a journal that was closed, the answer tells.
        let _ = self.lines.send(Line { entry, confirmed: Some(confirmed) }).await;
        Confirm(answer)
    }

    /// Gives an entry, unless too many wait; tells whether it did.
    pub(crate) fn write_if_idle(&self, entry: impl FnOnce() -> LogEntry) -> bool {
        let place = self.lines.try_reserve();
        let is_idle = place.is_ok();
        if let Ok(place) = place {
            place.send(Line { entry: entry(), confirmed: None });
        }
        is_idle
    }

    /// Gives an entry and waits until the log has it.
    pub(crate) async fn confirm(&self, entry: LogEntry) -> Result<(), MeshError> {
        self.give(entry).await.wait().await
    }
}

async fn keep(mesh: Arc<dyn Mesh>, mut waiting: mpsc::Receiver<Line>, close: CancellationToken) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = close.cancelled(), if !waiting.is_closed() => waiting.close(),
            line = waiting.recv(), if under_way.len() < UNCONFIRMED => match line {
                Some(line) => {
                    let mut append = Box::pin(append(mesh.as_ref(), line));
                    // The order of entries is that of the first polls, so it is fixed here.
                    if futures::poll!(&mut append).is_pending() {
                        under_way.push(append);
                    }
                }
                None => break,
            },
            Some(()) = under_way.next() => {}
        }
    }
    under_way.for_each(|()| std::future::ready(())).await;
}

async fn append(mesh: &dyn Mesh, line: Line) {
    let (job, attempt) = (line.entry.job_id.clone(), line.entry.attempt_id.clone());
    let appended = mesh.append(line.entry).await;
    if let Err(error) = &appended {
        tracing::warn!(job, attempt, cause = %error, "an entry did not reach the log");
    }
    if let Some(confirmed) = line.confirmed {
        // Who waited may have been stopped.
        let _ = confirmed.send(appended);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::{broker::v1::JobFinished, v1::Progress};
    use solvemesh_broker::{LogStart, MemoryConfig, MemoryMesh};

    use super::*;

    #[tokio::test]
    async fn entries_reach_the_log_in_the_order_of_their_writing_before_the_journal_closes() {
        let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(MemoryConfig::default()));
        let close = CancellationToken::new();
        let (journal, task) = Journal::open(mesh.clone(), close.clone());
        let task = tokio::spawn(task);
        let mut author = Author::of_job("j".to_owned(), Vec::new());
        author.begin_attempt();
        for _ in 0..500 {
            journal.write(author.entry(Kind::Progress(Progress::default()))).await;
        }
        let last = author.entry(Kind::Finished(JobFinished::default()));
        assert_eq!(journal.confirm(last).await, Ok(()));
        close.cancel();
        task.await.unwrap();
        let late = author.entry(Kind::Progress(Progress::default()));
        assert_eq!(journal.confirm(late).await, Err(MeshError::Closed));

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
        let mut author = Author::of_job("j".to_owned(), vec![1]);
        let entry = author.entry(Kind::Finished(JobFinished::default()));
        assert_eq!((entry.attempt_id.as_str(), entry.number), ("", 0));
        assert_eq!((entry.job_id.as_str(), entry.digest), ("j", vec![1]));
    }
}
