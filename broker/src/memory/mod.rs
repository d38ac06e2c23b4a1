//! A [`Mesh`] in the memory of one process: for a laptop, a test, a first try. Nothing is
//! persistent.

mod bulk;
mod lookup_queue;
mod queue;
mod ring_log;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message as _;
use solvemesh::broker::v1::{
    BulkReference, Heartbeat, JobEnvelope, LogBatch, LogEntry, LookupRequest, LookupResponse,
    job_envelope::Body,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    bulk::{Bulk, Claim},
    lookup_queue::LookupQueue,
    queue::{Message, Queue},
    ring_log::RingLog,
};
use crate::{
    BulkObject, CancelEvent, Consumer, DeadLetter, Delivery, FORMAT_VERSION, Health, Lane, Lease,
    LogMessage, LogStart, Lookup, MAX_ENTRY_BYTES, Mesh, MeshError, Payload,
};

/// The number of items that are buffered for each follower.
const READ_AHEAD: usize = 256;

/// The limits of a [`MemoryMesh`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Maximum number of jobs queued in one lane; above it, [`MeshError::Full`].
    pub queue_length: usize,
    /// Maximum size of the jobs queued in one lane, in bytes; above it, [`MeshError::Full`].
    pub queue_bytes: usize,
    /// Maximum size of the log, in bytes; above it, the oldest messages are truncated.
    pub log_bytes: usize,
    /// Maximum size of all stored objects, in bytes; above it, the oldest one that no job refers
    /// to is evicted. The models of jobs may use half of it; above that,
    /// [`MeshError::Blocked`].
    pub bulk_bytes: usize,
    /// Maximum number of cancels that are retained for late followers, markers included.
    pub cancels: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            queue_length: 100_000,
            queue_bytes: 1 << 30,
            log_bytes: 1 << 30,
            bulk_bytes: 1 << 30,
            cancels: 100_000,
        }
    }
}

/// The number of heartbeats that are retained for followers that are slow.
const HEARTBEATS: usize = 1024;

/// An item of the log of cancels.
#[derive(Clone, Debug)]
enum Notice {
    /// The job with this id is cancelled.
    Cancel(String),
    /// Appended by a follower when it attaches. Once it reads its own marker, it has read every
    /// cancel that was announced before.
    Marker(Uuid),
}

/// A [`Mesh`] in one process. Its tasks end when it is closed or dropped.
#[derive(Debug)]
pub struct MemoryMesh {
    config: MemoryConfig,
    lanes: Mutex<BTreeMap<Lane, Arc<Queue>>>,
    dead_letters: Arc<Queue>,
    log: Arc<RingLog<LogBatch>>,
    cancels: Arc<RingLog<Notice>>,
    heartbeats: Arc<RingLog<Heartbeat>>,
    bulk: Arc<Mutex<Bulk>>,
    lookups: Arc<LookupQueue>,
    connected_workers: Mutex<BTreeSet<String>>,
    health: watch::Sender<Health>,
    closed: CancellationToken,
}

impl MemoryMesh {
    /// An empty mesh.
    pub fn new(config: MemoryConfig) -> Self {
        let dead_letters = Arc::new(Queue::new(config.queue_length, config.queue_bytes, None));
        Self {
            lanes: Mutex::default(),
            dead_letters,
            log: Arc::new(RingLog::new(config.log_bytes)),
            cancels: Arc::new(RingLog::new(config.cancels)),
            heartbeats: Arc::new(RingLog::new(HEARTBEATS)),
            bulk: Arc::new(Mutex::new(Bulk::new(config.bulk_bytes))),
            lookups: Arc::default(),
            connected_workers: Mutex::default(),
            health: watch::Sender::new(Health::Ready),
            closed: CancellationToken::new(),
            config,
        }
    }

    fn lane(&self, lane: &Lane) -> Arc<Queue> {
        let mut lanes = self.lanes.lock();
        let queue = lanes.entry(lane.clone()).or_insert_with(|| {
            let dead_letters = Some(Arc::clone(&self.dead_letters));
            Arc::new(Queue::new(self.config.queue_length, self.config.queue_bytes, dead_letters))
        });
        Arc::clone(queue)
    }

    fn check_open(&self) -> Result<(), MeshError> {
        if self.closed.is_cancelled() { Err(MeshError::Closed) } else { Ok(()) }
    }
}

impl Drop for MemoryMesh {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

#[async_trait]
impl Mesh for MemoryMesh {
    async fn enqueue(&self, lane: &Lane, job: &JobEnvelope) -> Result<(), MeshError> {
        self.check_open()?;
        let model = match &job.body {
            Some(Body::PayloadReference(stored)) => Some(Claim::new(&self.bulk, &stored.id)?),
            Some(Body::Payload(_)) | None => None,
        };
        let message = Message::new(job.clone(), model);
        self.lane(lane).push(message).map_err(|_| MeshError::Full(lane.clone()))
    }

    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Consumer<Delivery>, MeshError> {
        self.check_open()?;
        Ok(self.lane(lane).consume(prefetch, &self.closed, |message, settle| Delivery {
            payload: Payload::of(message.job().clone()),
            redelivered: message.redelivered(),
            lease: Lease::new(settle),
        }))
    }

    async fn is_served(&self, lane: &Lane) -> Result<bool, MeshError> {
        self.check_open()?;
        Ok(self.lane(lane).has_consumers())
    }

    async fn dead_letters(&self) -> Result<Consumer<DeadLetter>, MeshError> {
        self.check_open()?;
        Ok(self.dead_letters.consume(DEAD_PREFETCH, &self.closed, |message, settle| DeadLetter {
            job_id: message.job().job_id.clone(),
            digest: message.job().digest.clone(),
            reason: "rejected".to_owned(),
            body: message.job().encode_to_vec().into(),
            lease: Lease::new(settle),
        }))
    }

    async fn append(&self, entry: LogEntry) -> Result<(), MeshError> {
        self.check_open()?;
        let bytes = entry.encoded_len();
        if bytes > MAX_ENTRY_BYTES {
            return Err(MeshError::TooLarge { bytes, limit: MAX_ENTRY_BYTES });
        }
        self.log.append(LogBatch { version: FORMAT_VERSION, entries: vec![entry] }, bytes);
        Ok(())
    }

    async fn follow_log(&self, from: LogStart) -> Result<mpsc::Receiver<LogMessage>, MeshError> {
        self.check_open()?;
        let from = match from {
            LogStart::First => 0,
            LogStart::Offset(offset) => offset,
        };
        let (messages, reader) = mpsc::channel(READ_AHEAD);
        let decode = |offset, batch| Some(log_message(offset, batch));
        tokio::spawn(Arc::clone(&self.log).follow(from, decode, messages, self.closed.clone()));
        Ok(reader)
    }

    async fn log_start(&self) -> Result<Option<u64>, MeshError> {
        self.check_open()?;
        Ok(self.log.start())
    }

    async fn read_log(&self, offset: u64) -> Result<LogMessage, MeshError> {
        self.check_open()?;
        match self.log.get(offset) {
            Some((at, batch)) if at == offset => Ok(log_message(at, batch)),
            Some((at, _)) => Err(MeshError::Gone(format!(
                "log message at offset {offset}; the log continues at {at}"
            ))),
            None => Err(MeshError::Unavailable(format!("the log ends before {offset}"))),
        }
    }

    async fn announce_cancel(&self, job_id: &str) -> Result<(), MeshError> {
        self.check_open()?;
        self.cancels.append(Notice::Cancel(job_id.to_owned()), 1);
        Ok(())
    }

    async fn follow_cancels(&self) -> Result<mpsc::Receiver<CancelEvent>, MeshError> {
        self.check_open()?;
        let (events, reader) = mpsc::channel(READ_AHEAD);
        // Distinguishes the marker of this follower from those of others.
        let own_marker = Uuid::new_v4();
        self.cancels.append(Notice::Marker(own_marker), 1);
        let decode = move |_, notice| match notice {
            Notice::Cancel(job) => Some(CancelEvent::Cancel(job)),
            Notice::Marker(marker) => (marker == own_marker).then_some(CancelEvent::CaughtUp),
        };
        tokio::spawn(Arc::clone(&self.cancels).follow(0, decode, events, self.closed.clone()));
        Ok(reader)
    }

    async fn store(&self, object: BulkObject) -> Result<BulkReference, MeshError> {
        self.check_open()?;
        self.bulk.lock().store(object)
    }

    async fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        self.check_open()?;
        self.bulk.lock().load(reference)
    }

    async fn lookup(
        &self,
        request: LookupRequest,
        timeout: Duration,
    ) -> Result<LookupResponse, MeshError> {
        let answered = self.lookups.lookup(request, timeout);
        self.closed.run_until_cancelled(answered).await.unwrap_or(Err(MeshError::Closed))
    }

    async fn consume_lookups(&self) -> Result<Consumer<Lookup>, MeshError> {
        self.check_open()?;
        Ok(self.lookups.consume(&self.closed))
    }

    async fn register_worker(&self, id: &str) -> Result<(), MeshError> {
        self.check_open()?;
        self.connected_workers.lock().insert(id.to_owned());
        Ok(())
    }

    async fn is_worker_connected(&self, id: &str) -> Result<bool, MeshError> {
        self.check_open()?;
        Ok(self.connected_workers.lock().contains(id))
    }

    async fn send_heartbeat(&self, heartbeat: Heartbeat) -> Result<(), MeshError> {
        self.check_open()?;
        self.heartbeats.append(heartbeat, 1);
        Ok(())
    }

    async fn follow_heartbeats(&self) -> Result<mpsc::Receiver<Heartbeat>, MeshError> {
        self.check_open()?;
        let (heartbeats, reader) = mpsc::channel(READ_AHEAD);
        let log = Arc::clone(&self.heartbeats);
        let from = log.end();
        let decode = |_, heartbeat| Some(heartbeat);
        tokio::spawn(log.follow(from, decode, heartbeats, self.closed.clone()));
        Ok(reader)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    async fn close(&self, _grace: Duration) {
        self.closed.cancel();
        self.health.send_replace(Health::Disconnected { error: MeshError::Closed.to_string() });
    }
}

/// The number of dead letters that one consumer may hold unsettled.
const DEAD_PREFETCH: u16 = 16;

fn log_message(offset: u64, batch: LogBatch) -> LogMessage {
    LogMessage { offset, bytes: batch.encoded_len(), batch: Ok(batch) }
}
