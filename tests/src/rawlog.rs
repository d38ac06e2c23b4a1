//! The results log as it lies in the broker, read without a gateway.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solvemesh::broker::v1::{LogEntry, Marker, log_entry};
use solvemesh_broker::{AmqpConfig, AmqpMesh, LogMessage, LogStart, Mesh};
use tokio::{sync::watch, task::JoinHandle, time};

/// How often to ask what nobody tells.
const LOOK: Duration = Duration::from_millis(300);

/// A reader of the whole log, from its beginning, that keeps all of it.
pub struct RawLog {
    mesh: AmqpMesh,
    messages: Arc<Mutex<Vec<LogMessage>>>,
    read: watch::Receiver<usize>,
    reading: JoinHandle<()>,
}

impl RawLog {
    /// Begins to read the log of the mesh on a broker, and goes on as it grows.
    pub async fn configured(config: AmqpConfig) -> Self {
        let mesh = AmqpMesh::connect(config).await.expect("a broker");
        let mut incoming = mesh.follow_log(LogStart::First).await.expect("a log");
        let messages = Arc::new(Mutex::new(Vec::new()));
        let (count, read) = watch::channel(0);
        let kept = Arc::clone(&messages);
        let reading = tokio::spawn(async move {
            while let Some(message) = incoming.recv().await {
                lock(&kept).push(message);
                count.send_modify(|count| *count += 1);
            }
        });
        Self { mesh, messages, read, reading }
    }

    /// Reads along from the message that was read last.
    pub fn reader(&self) -> Reader {
        let messages = Arc::clone(&self.messages);
        let taken = lock(&messages).len();
        Reader { messages, read: self.read.clone(), taken, entries: VecDeque::new() }
    }

    /// What was read so far.
    pub fn messages(&self) -> Vec<LogMessage> {
        lock(&self.messages).clone()
    }

    /// Waits until the broker has let go of all that was read so far. It tells nobody, so it
    /// is asked again and again.
    pub async fn let_go(&self) {
        let last = lock(&self.messages).last().map_or(0, |message| message.offset);
        while self.mesh.log_start().await.expect("a log").is_none_or(|first| first <= last) {
            time::sleep(LOOK).await;
        }
    }

    /// Reads to the present end of the log: all that was confirmed before is there.
    pub async fn catch_up(&self) {
        let nonce = format!("the end of {}", lock(&self.messages).len());
        let mut reader = self.reader();
        let marker = Marker { nonce: nonce.clone(), ..Marker::default() };
        let entry = LogEntry { kind: Some(log_entry::Kind::Marker(marker)), ..LogEntry::default() };
        self.mesh.append(entry).await.expect("a log that takes entries");
        let ours = |entry: &LogEntry| matches!(&entry.kind, Some(log_entry::Kind::Marker(marker)) if marker.nonce == nonce);
        reader.until(ours).await;
    }
}

impl Drop for RawLog {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Reads along with a [`RawLog`], entry by entry.
pub struct Reader {
    messages: Arc<Mutex<Vec<LogMessage>>>,
    read: watch::Receiver<usize>,
    /// How many messages were taken.
    taken: usize,
    /// The entries of the last one that are still to be read.
    entries: VecDeque<LogEntry>,
}

impl Reader {
    /// The next entry. Messages that can't be read are passed over.
    pub async fn next(&mut self) -> LogEntry {
        loop {
            if let Some(entry) = self.entries.pop_front() {
                return entry;
            }
            self.read.wait_for(|read| *read > self.taken).await.expect("a log that is read");
            let batch = lock(&self.messages)[self.taken].batch.clone();
            self.taken += 1;
            self.entries = batch.map(|batch| batch.entries).unwrap_or_default().into();
        }
    }

    /// Reads on to an entry of some kind.
    pub async fn until(&mut self, wanted: impl Fn(&LogEntry) -> bool) -> LogEntry {
        loop {
            let entry = self.next().await;
            if wanted(&entry) {
                return entry;
            }
        }
    }
}

fn lock(messages: &Mutex<Vec<LogMessage>>) -> MutexGuard<'_, Vec<LogMessage>> {
    messages.lock().unwrap_or_else(PoisonError::into_inner)
}
