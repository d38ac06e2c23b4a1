//! The task that writes snapshots of a table.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use crate::table::{Fold, SnapshotFile, snapshot::Snapshot};

/// How often a snapshot is written while the log grows.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(60);

/// Writes snapshots of a table, periodically and on request.
pub(super) struct SnapshotWriter {
    fold: Arc<RwLock<Fold>>,
    file: SnapshotFile,
    /// The offset of the last message in the latest snapshot. The lock is held during a write, so
    /// that two snapshots are never written at the same time; hence an async one.
    written: Mutex<Option<u64>>,
}

impl SnapshotWriter {
    pub(super) fn new(fold: Arc<RwLock<Fold>>, file: SnapshotFile) -> Self {
        Self { fold, file, written: Mutex::default() }
    }

    /// Writes snapshots periodically, until the future is dropped.
    pub(super) async fn run(&self) {
        let mut ticks = interval(SNAPSHOT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick completes immediately.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.save().await;
        }
    }

    /// Writes a snapshot, unless the log has not grown since the last one. Errors are only logged:
    /// without a snapshot the next start takes longer, nothing else.
    pub(super) async fn save(&self) {
        let mut written = self.written.lock().await;
        let snapshot = Snapshot::take(&self.fold.read());
        let Some(snapshot) = snapshot.filter(|new| Some(new.last_offset()) != *written) else {
            return;
        };
        let (offset, file, start) = (snapshot.last_offset(), self.file.clone(), Instant::now());
        match spawn_blocking(move || file.write(&snapshot)).await {
            Ok(Ok(bytes)) => {
                *written = Some(offset);
                info!(offset, bytes, elapsed = ?start.elapsed(), "snapshot written");
            }
            Ok(Err(error)) => {
                let path = self.file.path();
                warn!(path = %path.display(), cause = %error, "can't write a snapshot");
            }
            Err(error) => warn!(cause = %error, "snapshot task failed"),
        }
    }
}
