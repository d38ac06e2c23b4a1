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

/// How often a snapshot is written of a log that grows.
const EVERY: Duration = Duration::from_secs(60);

/// Writes snapshots of a table.
pub(super) struct Saver {
    fold: Arc<RwLock<Fold>>,
    file: SnapshotFile,
    /// The offset of the last message that the latest snapshot has.
    saved: Mutex<Option<u64>>,
}

impl Saver {
    pub(super) fn new(fold: Arc<RwLock<Fold>>, file: SnapshotFile) -> Self {
        Self { fold, file, saved: Mutex::default() }
    }

    /// Writes one at times, until it is dropped.
    pub(super) async fn run(&self) {
        let mut every = interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once.
        every.tick().await;
        loop {
            every.tick().await;
            self.save().await;
        }
    }

    /// Writes one, unless the log has not grown since the one before. What can't be
    /// written costs the next start time, and nothing else.
    pub(super) async fn save(&self) {
        let mut saved = self.saved.lock().await;
        let snapshot = Snapshot::take(&self.fold.read().unwrap_or_else(PoisonError::into_inner));
        let Some(snapshot) = snapshot.filter(|new| Some(new.last_offset()) != *saved) else {
            return;
        };
        let (offset, file, begun) = (snapshot.last_offset(), self.file.clone(), Instant::now());
        match spawn_blocking(move || file.write(&snapshot)).await {
            Ok(Ok(bytes)) => {
                *saved = Some(offset);
                info!(offset, bytes, elapsed = ?begun.elapsed(), "wrote a snapshot of the table");
            }
            Ok(Err(error)) => {
                let path = self.file.path();
                warn!(path = %path.display(), %error, "a snapshot can't be written");
            }
            Err(fault) => warn!(%fault, "a snapshot was not written"),
        }
    }
}
