//! The task that tails the results log and folds it into the table.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::{Mutex, RwLock};
use solvemesh::broker::v1::LogBatch;
use solvemesh_broker::{LogMessage, LogStart, Mesh};
use tokio::{
    sync::{Notify, watch},
    task::yield_now,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

use crate::clock::now;
use crate::metrics::LogMetrics;
use crate::table::{
    Changes, Fold, Position, Retention, SnapshotFile, attach,
    finishes::RecentFinishes,
    listeners::JobListeners,
    liveness::LastEntries,
    markers::{AwaitedMarker, LogReader},
};

/// How often to check where the log starts, and to evict jobs by age.
const EVICTION_INTERVAL: Duration = Duration::from_secs(10);

/// The state of the tasks that keep a table up to date. Clones share it.
#[derive(Clone)]
pub(super) struct Tail {
    pub(super) fold: Arc<RwLock<Fold>>,
    pub(super) listeners: Arc<JobListeners>,
    pub(super) last_entries: Arc<LastEntries>,
    pub(super) finishes: Arc<RecentFinishes>,
    /// See [`Table::log_lag`](super::Table::log_lag).
    pub(super) log_lag: Arc<Mutex<Option<Duration>>>,
    pub(super) metrics: LogMetrics,
    pub(super) awaited: Arc<AwaitedMarker>,
    /// Makes the reader attach to the log again.
    reattach: Arc<Notify>,
    caught_up: Arc<watch::Sender<bool>>,
    retention: Retention,
}

impl Tail {
    /// The tail of an empty table. Sets `caught_up` while the table has caught up with the log.
    pub(super) fn new(caught_up: watch::Sender<bool>, retention: Retention) -> Self {
        Self {
            fold: Arc::default(),
            listeners: Arc::default(),
            last_entries: Arc::default(),
            finishes: Arc::default(),
            log_lag: Arc::default(),
            metrics: LogMetrics::default(),
            awaited: Arc::default(),
            reattach: Arc::default(),
            caught_up: Arc::new(caught_up),
            retention,
        }
    }

    /// Reads and folds the log until the mesh is closed.
    pub(super) async fn follow(self, mesh: Arc<dyn Mesh>, snapshots: Option<SnapshotFile>) {
        let mut from = LogStart::First;
        if let Some(file) = snapshots {
            let (mut fold, start) = attach::at_startup(&*mesh, file).await;
            // Before anybody waits for the lock.
            while fold.retain(&self.retention, now()) {}
            (*self.fold.write(), from) = (fold, start);
        }
        while self.read_from(&*mesh, from).await.is_continue() {
            let last = self.fold.read().last.clone();
            from = attach::after_stall(&*mesh, last).await;
            if from == LogStart::First {
                warn!("results log was replaced; reading the new one from its start");
                self.caught_up.send_replace(false);
                *self.fold.write() = Fold::default();
                self.last_entries.clear();
                self.finishes.clear();
            }
        }
        info!("results log reader stopped");
    }

    /// Folds messages until the reader has to be re-attached (`Continue`) or the mesh is closed
    /// (`Break`).
    async fn read_from(&self, mesh: &dyn Mesh, from: LogStart) -> ControlFlow<()> {
        let mut messages = match mesh.follow_log(from).await {
            Ok(messages) => messages,
            Err(error) => {
                error!(cause = %error, "results log can't be followed");
                return ControlFlow::Break(());
            }
        };
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.fold_message(message),
                    None => return ControlFlow::Break(()),
                },
                () = self.reattach.notified() => return ControlFlow::Continue(()),
            }
        }
    }

    fn fold_message(&self, LogMessage { offset, bytes, batch }: LogMessage) {
        self.measure_lag(&batch);
        let changes = {
            let mut fold = self.fold.write();
            match batch {
                Ok(batch) => {
                    self.metrics.read(batch.entries.len());
                    let changes = fold.apply(offset, bytes, Arc::new(batch));
                    // Before `retain`, which may forget a job that has just finished.
                    self.last_entries.update(&fold, &changes.jobs);
                    self.finishes.update(&fold, &changes.finished, now());
                    self.log_finished(&fold, &changes);
                    fold.retain(&self.retention, now());
                    changes
                }
                Err(error) => {
                    warn!(offset, cause = %error, "undecodable log message skipped");
                    fold.skip(offset, bytes);
                    return;
                }
            }
        };
        // After the lock is released: woken listeners read the table at once.
        self.listeners.wake(&changes.jobs);
        for marker in &changes.markers {
            self.awaited.found(marker);
        }
    }

    /// Measures how long the latest entry of a message took to arrive. Not while the table is
    /// catching up: those entries were written before this process listened.
    fn measure_lag(&self, batch: &Result<LogBatch, String>) {
        if !*self.caught_up.borrow() {
            return;
        }
        let entries = batch.iter().flat_map(|batch| &batch.entries);
        let latest = entries.rev().find_map(|entry| entry.time);
        if let Some(written) = latest.and_then(|time| SystemTime::try_from(time).ok()) {
            // A writer's clock that is ahead counts as no lag.
            let lag = SystemTime::now().duration_since(written).unwrap_or_default();
            *self.log_lag.lock() = Some(lag);
        }
    }

    /// Forgets jobs whose start the log has truncated, and evicts by age while no message
    /// arrives. Runs until its task is aborted.
    pub(super) async fn evict_periodically(self, mesh: Arc<dyn Mesh>) {
        let mut ticks = interval(EVICTION_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // If the broker is not available, the next tick tries again.
            let first = mesh.log_start().await.ok().flatten();
            if let Some(first) = first {
                self.fold.write().truncate_before(first);
            }
            // In between, others get the lock.
            while self.fold.write().retain(&self.retention, now()) {
                yield_now().await;
            }
        }
    }

    /// Counts each job that has finished and writes a log line for it, unless the table is still catching up:
    /// then the job finished in the past.
    fn log_finished(&self, fold: &Fold, changes: &Changes) {
        if !*self.caught_up.borrow() {
            return;
        }
        for job in changes.finished.iter().filter_map(|id| fold.job(id)) {
            let failure = job.outcome().and_then(|outcome| outcome.failure.as_ref());
            let cause = failure.map_or("", |failure| &failure.message);
            let attempt = job.attempts.last().map_or("", |attempt| &attempt.id);
            let state = job.state().as_str_name();
            info!(job = %job.id, attempt, state, cause, "job finished");
            self.metrics.job_ended(&job);
        }
    }
}

impl LogReader for Tail {
    fn log_id(&self) -> Option<String> {
        self.fold.read().log_id().map(str::to_owned)
    }

    fn head(&self) -> Position {
        self.fold.read().head()
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
