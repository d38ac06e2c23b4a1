//! The handle through which the rest of the gateway uses the job table.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use solvemesh_broker::Mesh;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time,
};
use tracing::error;

use crate::clock::now;
use crate::metrics::LogMetrics;
use crate::table::{
    CatchUpError, Fold, LanePace, Listener, Retention, SnapshotFile,
    finishes::RecentFinishes,
    listeners::JobListeners,
    liveness::LastEntries,
    markers::{self, CatchUpRequest},
    snapshot_writer::SnapshotWriter,
    tail::Tail,
};

/// Maximum number of requests that wait for the next marker.
const MAX_CATCH_UP_REQUESTS: usize = 4096;

/// A handle to the job table, which background tasks keep up to date. Cheap to clone: all clones
/// share one table.
#[derive(Clone)]
pub struct Table {
    fold: Arc<RwLock<Fold>>,
    listeners: Arc<JobListeners>,
    last_entries: Arc<LastEntries>,
    finishes: Arc<RecentFinishes>,
    log_lag: Arc<Mutex<Option<Duration>>>,
    metrics: LogMetrics,
    catch_up_requests: mpsc::Sender<CatchUpRequest>,
    ready: watch::Receiver<bool>,
    snapshot_writer: Option<Arc<SnapshotWriter>>,
    // Dropping the last clone aborts the tasks.
    _tasks: Arc<JoinSet<()>>,
}

impl Table {
    /// Starts the tasks that tail the log: from the snapshot, if there is one of this log, else
    /// from the first message. With `snapshots`, snapshots are written regularly.
    pub fn follow(
        mesh: Arc<dyn Mesh>,
        retention: Retention,
        snapshots: Option<SnapshotFile>,
    ) -> Self {
        let (caught_up, ready) = watch::channel(false);
        let (catch_up_requests, request_receiver) = mpsc::channel(MAX_CATCH_UP_REQUESTS);
        let tail = Tail::new(caught_up, retention);
        let writer = |file| Arc::new(SnapshotWriter::new(tail.fold.clone(), file));
        let snapshot_writer = snapshots.clone().map(writer);

        let mut tasks = JoinSet::new();
        let awaited = tail.awaited.clone();
        tasks.spawn(markers::run(mesh.clone(), request_receiver, awaited, tail.clone()));
        tasks.spawn(tail.clone().evict_periodically(mesh.clone()));
        tasks.spawn(tail.clone().follow(mesh, snapshots));
        if let Some(writer) = snapshot_writer.clone() {
            tasks.spawn(async move { writer.run().await });
        }
        // Makes the table ready: sets `caught_up` once the log has been read to its end.
        let requests = catch_up_requests.clone();
        tasks.spawn(async move {
            if let Err(error) = request_catch_up(&requests).await {
                error!(cause = %error, "results log can't be read");
            }
        });
        Self {
            fold: tail.fold,
            listeners: tail.listeners,
            last_entries: tail.last_entries,
            finishes: tail.finishes,
            log_lag: tail.log_lag,
            metrics: tail.metrics,
            catch_up_requests,
            ready,
            snapshot_writer,
            _tasks: Arc::new(tasks),
        }
    }

    /// Writes a snapshot now, if snapshots are enabled.
    pub async fn save(&self) {
        if let Some(writer) = &self.snapshot_writer {
            writer.save().await;
        }
    }

    /// Reads from the table under its lock, which also blocks the tail: keep `query` short.
    pub(crate) fn read<T>(&self, query: impl FnOnce(&Fold) -> T) -> T {
        query(&self.fold.read())
    }

    /// Whether the table has caught up with the log since the start of this process. Becomes false
    /// again if the log is replaced by another.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// Checks in the background whether the table still reads the log, and re-attaches its reader
    /// if not. To be called when a confirmed entry has not arrived in time.
    pub(crate) fn check_reader(&self) {
        let (response, _) = oneshot::channel();
        // A full channel means that other requests trigger the same check.
        let _ = self.catch_up_requests.try_send(response);
    }

    /// Time since the last entry about a running job was read; `None` if the job is not running.
    pub(crate) fn since_last_entry(&self, job: &str) -> Option<Duration> {
        self.last_entries.elapsed(job)
    }

    /// How each lane has done lately.
    pub(crate) fn paces(&self) -> BTreeMap<String, LanePace> {
        self.finishes.paces(now())
    }

    /// Time between the writing of the latest log entry and its arrival here, by the clocks of
    /// writer and gateway. `None` if none has arrived since the table caught up.
    pub(crate) fn log_lag(&self) -> Option<Duration> {
        *self.log_lag.lock()
    }

    /// What is counted of the log.
    pub(crate) fn metrics(&self) -> LogMetrics {
        self.metrics.clone()
    }

    /// Registers a listener for some jobs, which need not be in the table yet.
    pub(crate) fn listen(&self, jobs: &[Arc<str>]) -> Listener {
        self.listeners.listen(jobs)
    }

    /// Waits until everything that is in the log at the time of the call is folded.
    ///
    /// # Errors
    ///
    /// [`CatchUpError`] if that takes longer than `timeout`, or if the log can't be read or
    /// written.
    pub(crate) async fn catch_up(&self, timeout: Duration) -> Result<(), CatchUpError> {
        match time::timeout(timeout, request_catch_up(&self.catch_up_requests)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CatchUpError(format!("no answer within {} s", timeout.as_secs_f64()))),
        }
    }
}

/// Requests a marker and waits until it has been read.
async fn request_catch_up(requests: &mpsc::Sender<CatchUpRequest>) -> Result<(), CatchUpError> {
    let (response, received) = oneshot::channel();
    let stopped = || CatchUpError("its reader has stopped".to_owned());
    requests.send(response).await.map_err(|_| stopped())?;
    received.await.map_err(|_| stopped())?
}
