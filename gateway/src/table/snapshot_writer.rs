use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use crate::table::{Fold, SnapshotFile, snapshot::Snapshot};

/// How often a snapshot is written while the log grows.
const EVERY: Duration = Duration::from_secs(60);

/// Writes snapshots of a table, periodically and on request.
pub(super) struct SnapshotWriter {
    fold: Arc<RwLock<Fold>>,
    file: SnapshotFile,
    /// The offset of the last message in the latest snapshot. The lock also keeps two snapshots
    /// from being written at the same time.
    saved: Mutex<Option<u64>>,
}

impl SnapshotWriter {
    pub(super) fn new(fold: Arc<RwLock<Fold>>, file: SnapshotFile) -> Self {
        Self { fold, file, saved: Mutex::default() }
    }

    /// Writes snapshots periodically, until the future is dropped.
    pub(super) async fn run(&self) {
        let mut every = interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick completes immediately.
        every.tick().await;
        loop {
            every.tick().await;
            self.save().await;
        }
    }

    /// Writes a snapshot, unless the log has not grown since the last one. Errors are only logged:
    /// without a snapshot the next start takes longer, nothing else.
    pub(super) async fn save(&self) {
        let mut saved = self.saved.lock().await;
        let snapshot = Snapshot::take(&self.fold.read().unwrap_or_else(PoisonError::into_inner));
        let Some(snapshot) = snapshot.filter(|new| Some(new.last_offset()) != *saved) else {
            return;
        };
        let (offset, file, start) = (snapshot.last_offset(), self.file.clone(), Instant::now());
        match spawn_blocking(move || file.write(&snapshot)).await {
            Ok(Ok(bytes)) => {
                *saved = Some(offset);
                info!(offset, bytes, elapsed = ?start.elapsed(), "snapshot written");
            }
            Ok(Err(error)) => {
                let path = self.file.path();
                warn!(path = %path.display(), %error, "can't write a snapshot");
            }
            Err(error) => warn!(%error, "snapshot task failed"),
        }
    }
}
