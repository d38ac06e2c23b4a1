use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard},
    time::{Duration, Instant},
};

use solvemesh::v1::JobState;
use solvemesh_broker::{LogMessage, LogStart, Mesh};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{error, info, warn};

use crate::clock::now;
use crate::table::{
    CatchUpError, Changes, Fold, Listener, Position, Retention, SnapshotFile, markers,
    markers::{Awaited, Reading},
    snapshot_writer::SnapshotWriter,
    start,
    watchers::JobListeners,
};

/// Maximum number of requests that wait for the next marker.
const MARKER_REQUESTS: usize = 4096;
/// How often to check where the log starts, and to evict jobs by age.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(10);

/// A handle to the job table, which background tasks keep up to date. Cheap to clone: all clones
/// share one table.
#[derive(Clone)]
pub struct Table {
    fold: Arc<RwLock<Fold>>,
    hub: Arc<JobListeners>,
    last_entries: Arc<LastEntries>,
    requests: mpsc::Sender<markers::Request>,
    ready: watch::Receiver<bool>,
    saver: Option<Arc<SnapshotWriter>>,
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
        let (requests, asked) = mpsc::channel(MARKER_REQUESTS);
        let tail = Tail {
            fold: Arc::default(),
            hub: Arc::default(),
            last_entries: Arc::default(),
            awaited: Arc::default(),
            reattach: Arc::default(),
            caught_up: Arc::new(caught_up),
            retention,
        };
        let table = Self {
            fold: tail.fold.clone(),
            hub: tail.hub.clone(),
            last_entries: tail.last_entries.clone(),
            requests: requests.clone(),
            ready,
            saver: snapshots
                .clone()
                .map(|file| Arc::new(SnapshotWriter::new(tail.fold.clone(), file))),
            _tasks: Arc::default(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(markers::run(mesh.clone(), asked, tail.awaited.clone(), tail.clone()));
        tasks.spawn(tail.clone().expire_periodically(mesh.clone()));
        tasks.spawn(tail.follow(mesh, snapshots));
        if let Some(saver) = table.saver.clone() {
            tasks.spawn(async move { saver.run().await });
        }
        // Makes the table ready: sets `caught_up` once the log has been read to its end.
        tasks.spawn(async move {
            if let Err(behind) = catch_up(&requests).await {
                error!(%behind, "results log can't be read");
            }
        });
        Self { _tasks: Arc::new(tasks), ..table }
    }

    /// Writes a snapshot now, if snapshots are enabled.
    pub async fn save(&self) {
        if let Some(saver) = &self.saver {
            saver.save().await;
        }
    }

    /// Reads from the table under its lock, which also blocks the tail: keep `query` short.
    pub fn read<T>(&self, query: impl FnOnce(&Fold) -> T) -> T {
        query(&read(&self.fold))
    }

    /// Whether the table has caught up with the log since the start of this process. Becomes false
    /// again if the log is replaced by another.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// Checks in the background whether the table still reads the log, and re-attaches its reader
    /// if not. To be called when a confirmed entry has not arrived in time.
    pub fn check_reader(&self) {
        let (answer, _) = oneshot::channel();
        // A full channel means that other requests trigger the same check.
        let _ = self.requests.try_send(answer);
    }

    /// Time since the last entry about a running job was read; `None` if the job is not running.
    pub fn since_last_entry(&self, job: &str) -> Option<Duration> {
        self.last_entries.lock().get(job).map(Instant::elapsed)
    }

    /// Registers a listener for some jobs, which need not be in the table yet.
    pub fn listen(&self, jobs: &[Arc<str>]) -> Listener {
        self.hub.listen(jobs)
    }

    /// Waits until everything that is in the log at the time of the call is folded.
    ///
    /// # Errors
    ///
    /// [`CatchUpError`] if that takes longer than `patience`, or if the log can't be read or written.
    pub async fn catch_up(&self, patience: Duration) -> Result<(), CatchUpError> {
        match timeout(patience, catch_up(&self.requests)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CatchUpError(format!("no answer within {} s", patience.as_secs_f64()))),
        }
    }
}

/// Requests a marker and waits until it has been read.
async fn catch_up(requests: &mpsc::Sender<markers::Request>) -> Result<(), CatchUpError> {
    let (answer, answered) = oneshot::channel();
    let stopped = || CatchUpError("its reader has stopped".to_owned());
    requests.send(answer).await.map_err(|_| stopped())?;
    answered.await.map_err(|_| stopped())?
}

fn read(fold: &RwLock<Fold>) -> std::sync::RwLockReadGuard<'_, Fold> {
    fold.read().unwrap_or_else(PoisonError::into_inner)
}

/// When the latest entry about each running job was read, by this process's clock. Not part of
/// the fold, because two gateways may differ.
#[derive(Debug, Default)]
struct LastEntries(Mutex<HashMap<Arc<str>, Instant>>);

impl LastEntries {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of the tasks that keep a table up to date.
#[derive(Clone)]
struct Tail {
    fold: Arc<RwLock<Fold>>,
    hub: Arc<JobListeners>,
    last_entries: Arc<LastEntries>,
    awaited: Arc<Awaited>,
    /// Makes the reader attach to the log again.
    reattach: Arc<Notify>,
    caught_up: Arc<watch::Sender<bool>>,
    retention: Retention,
}

impl Tail {
    /// Reads and folds the log until the mesh is closed.
    async fn follow(self, mesh: Arc<dyn Mesh>, snapshots: Option<SnapshotFile>) {
        let mut from = LogStart::First;
        if let Some(file) = snapshots {
            let (fold, start) = start::begin(&*mesh, file).await;
            (*self.write(), from) = (fold, start);
        }
        while self.read_from(&*mesh, from).await.is_continue() {
            let last = read(&self.fold).last.clone();
            from = start::again(&*mesh, last).await;
            if from == LogStart::First {
                warn!("results log was replaced; reading the new one from its start");
                self.caught_up.send_replace(false);
                *self.write() = Fold::default();
                self.last_entries.lock().clear();
            }
        }
        error!("results log reader stopped");
    }

    /// Folds messages until the reader has to be re-attached (`Continue`) or the mesh is closed
    /// (`Break`).
    async fn read_from(&self, mesh: &dyn Mesh, from: LogStart) -> ControlFlow<()> {
        let mut messages = match mesh.follow_log(from).await {
            Ok(messages) => messages,
            Err(error) => {
                error!(%error, "results log can't be followed");
                return ControlFlow::Break(());
            }
        };
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.fold(message),
                    None => return ControlFlow::Break(()),
                },
                () = self.reattach.notified() => return ControlFlow::Continue(()),
            }
        }
    }

    fn fold(&self, LogMessage { offset, bytes, batch }: LogMessage) {
        let changes = {
            let mut fold = self.write();
            match batch {
                Ok(batch) => {
                    let changes = fold.apply(offset, bytes, Arc::new(batch));
                    // Before `retain`, which may forget a job that has just finished.
                    self.record_changes(&fold, &changes);
                    fold.retain(&self.retention, now());
                    changes
                }
                Err(error) => {
                    warn!(offset, %error, "undecodable log message skipped");
                    fold.skip(offset, bytes);
                    return;
                }
            }
        };
        // After the lock is released: woken listeners read the table at once.
        self.hub.wake(&changes.jobs);
        for marker in &changes.markers {
            self.awaited.seen(marker);
        }
    }

    /// Forgets jobs whose start the log has truncated, and evicts by age while no message
    /// arrives. Runs until its task is aborted.
    async fn expire_periodically(self, mesh: Arc<dyn Mesh>) {
        let mut ticks = interval(EXPIRY_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // If the broker is not available, the next tick tries again.
            let first = mesh.log_start().await.ok().flatten();
            let mut fold = self.write();
            if let Some(first) = first {
                fold.truncate_before(first);
            }
            fold.retain(&self.retention, now());
        }
    }

    /// Updates the times of the last entries, and logs the jobs that have finished.
    fn record_changes(&self, fold: &Fold, changes: &Changes) {
        let (now, caught_up) = (Instant::now(), *self.caught_up.borrow());
        let mut last_entries = self.last_entries.lock();
        for id in &changes.jobs {
            if fold.job(id).is_some_and(|job| job.state() == JobState::Running) {
                last_entries.insert(id.clone(), now);
            } else {
                last_entries.remove(id);
            }
        }
        // Jobs that finished in the past are not news.
        if !caught_up {
            return;
        }
        for job in changes.ended.iter().filter_map(|id| fold.job(id)) {
            let failure = job.outcome().and_then(|outcome| outcome.failure.as_ref());
            let cause = failure.map_or("", |failure| &failure.message);
            let attempt = job.attempts.last().map_or("", |attempt| &attempt.id);
            let state = job.state().as_str_name();
            info!(job = %job.id, attempt, state, cause, "job finished");
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Fold> {
        self.fold.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading for Tail {
    fn log_id(&self) -> Option<String> {
        read(&self.fold).log_id().map(str::to_owned)
    }

    fn head(&self) -> Position {
        read(&self.fold).head()
    }

    fn caught_up(&self) {
        let changed = self.caught_up.send_if_modified(|ready| !std::mem::replace(ready, true));
        if changed {
            info!("results log read to its end");
        }
    }

    fn reattach(&self) {
        self.reattach.notify_one();
    }
}
