//! The results log, read directly from the broker and not through a gateway.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solvemesh::broker::v1::{LogEntry, Marker, log_entry};
use solvemesh_broker::{AmqpConfig, AmqpMesh, LogMessage, LogStart, Mesh};
use tokio::{sync::watch, task::JoinHandle, time};

/// Interval at which the first offset of the log is polled: the broker does not announce it.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Reads the whole log from its beginning, and keeps all of it in memory.
pub struct RawLog {
    mesh: AmqpMesh,
    messages: Arc<Mutex<Vec<LogMessage>>>,
    read: watch::Receiver<usize>,
    reading: JoinHandle<()>,
}

impl RawLog {
    /// Starts to read the log of the mesh on a broker, and follows it as it grows.
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

    /// A reader that starts behind the last message that was read so far.
    pub fn reader(&self) -> Reader {
        let messages = Arc::clone(&self.messages);
        let consumed = lock(&messages).len();
        Reader { messages, read: self.read.clone(), consumed, entries: VecDeque::new() }
    }

    /// The messages that were read so far.
    pub fn messages(&self) -> Vec<LogMessage> {
        lock(&self.messages).clone()
    }

    /// Waits until the broker has truncated everything that was read so far.
    pub async fn let_go(&self) {
        let last = lock(&self.messages).last().map_or(0, |message| message.offset);
        while self.mesh.log_start().await.expect("a log").is_none_or(|first| first <= last) {
            time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Reads to the current end of the log: everything that was confirmed before this call is
    /// then in [`RawLog::messages`]. A stream gives no sign of its end, so this appends a
    /// marker and waits until it is read back.
    pub async fn catch_up(&self) {
        let nonce = format!("the end of {}", lock(&self.messages).len());
        let mut reader = self.reader();
        let marker = Marker { nonce: nonce.clone(), ..Marker::default() };
        let entry = LogEntry { kind: Some(log_entry::Kind::Marker(marker)), ..LogEntry::default() };
        self.mesh.append(entry).await.expect("an entry that is appended");
        let is_ours = |entry: &LogEntry| match &entry.kind {
            Some(log_entry::Kind::Marker(marker)) => marker.nonce == nonce,
            _ => false,
        };
        reader.until(is_ours).await;
    }
}

impl Drop for RawLog {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Reads the entries of a [`RawLog`], one by one, as they arrive.
pub struct Reader {
    messages: Arc<Mutex<Vec<LogMessage>>>,
    read: watch::Receiver<usize>,
    /// Number of messages that were consumed.
    consumed: usize,
    /// Entries of the last message that were not returned yet.
    entries: VecDeque<LogEntry>,
}

impl Reader {
    /// Waits for the next entry. Undecodable messages are skipped.
    pub async fn next(&mut self) -> LogEntry {
        loop {
            if let Some(entry) = self.entries.pop_front() {
                return entry;
            }
            self.read.wait_for(|read| *read > self.consumed).await.expect("a log that is read");
            let batch = lock(&self.messages)[self.consumed].batch.clone();
            self.consumed += 1;
            self.entries = batch.map(|batch| batch.entries).unwrap_or_default().into();
        }
    }

    /// Reads up to the first entry for which `wanted` is true, and returns it.
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
