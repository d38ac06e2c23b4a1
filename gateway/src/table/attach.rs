//! Decides where the reader attaches to the log: at startup after the snapshot, if that is of this
//! log and the log still has everything after it, else at the first message; and after a stall.

use std::sync::Arc;

use prost_types::Timestamp;
use solvemesh::broker::v1::LogBatch;
use solvemesh_broker::{Health, LogStart, Mesh, MeshError};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::table::{Fold, SnapshotError, SnapshotFile, snapshot::Restored};

/// Why a snapshot can't be used.
#[derive(Debug, thiserror::Error)]
enum SnapshotUnusable {
    #[error(transparent)]
    File(#[from] SnapshotError),
    #[error("can't check whether it is of this log: {0}")]
    Mesh(#[from] MeshError),
    #[error("it belongs to another log")]
    OtherLog,
    #[error("the log no longer has what follows it")]
    TooOld,
}

/// Returns the fold to start with, from the snapshot or empty, and where to read on. Waits until
/// the broker is available, as only it can tell whether the snapshot is of this log.
pub(super) async fn at_startup(mesh: &dyn Mesh, file: SnapshotFile) -> (Fold, LogStart) {
    let path = file.path();
    let connected = |health: &Health| !matches!(health, Health::Disconnected { .. });
    // An error means that the mesh was closed: then `restore` fails too.
    let _ = mesh.health().wait_for(connected).await;
    match restore(mesh, file).await {
        Ok(Some(fold)) => {
            let (jobs, head) = (fold.jobs.len(), fold.head());
            info!(jobs, %head, "job table restored from snapshot");
            // Attach at the last message, not after it: the offset after it does not exist yet,
            // and messages that arrive meanwhile would be skipped. Folding the last message a
            // second time changes nothing.
            return (fold, LogStart::Offset(head.offset));
        }
        Ok(None) => {}
        Err(cause) => {
            let path = path.display();
            warn!(%path, %cause, "snapshot unusable; reading the whole log");
        }
    }
    (Fold::default(), LogStart::First)
}

/// Reads the snapshot and checks it against the log: the message that the snapshot folded last
/// must be in the log, with the same content. `None` if there is no snapshot.
async fn restore(mesh: &dyn Mesh, file: SnapshotFile) -> Result<Option<Fold>, SnapshotUnusable> {
    let read = spawn_blocking(move || file.read()).await;
    let read = read.unwrap_or(Err(SnapshotError::Damaged("it can't be read")))?;
    let Some(Restored { mut fold, last }) = read else { return Ok(None) };
    let first = mesh.log_start().await?.ok_or(SnapshotUnusable::OtherLog)?;
    if last.offset < first {
        return Err(SnapshotUnusable::TooOld);
    }
    let found = match mesh.read_log(last.offset).await {
        Ok(message) => message.batch.map_err(|_| SnapshotUnusable::OtherLog)?,
        Err(MeshError::Gone(_)) => return Err(SnapshotUnusable::OtherLog),
        Err(error) => return Err(error.into()),
    };
    if !last.matches(&found) {
        return Err(SnapshotUnusable::OtherLog);
    }
    fold.last = Some((last.offset, Arc::new(found)));
    // The log may have been truncated since the snapshot was written.
    fold.truncate_before(first);
    Ok(Some(fold))
}

/// Where to re-attach a reader that is stuck after the message `last`: at that message, or at the
/// start if the log was deleted and created again. On a cluster a stuck reader may only mean that
/// the replica it reads from lags behind, so the latter must be checked.
pub(super) async fn after_stall(mesh: &dyn Mesh, last: Option<(u64, Arc<LogBatch>)>) -> LogStart {
    let Some((offset, batch)) = last else { return LogStart::First };
    match log_was_replaced(mesh, offset, &batch).await {
        Ok(true) => LogStart::First,
        Ok(false) => LogStart::Offset(offset),
        Err(cause) => {
            warn!(%cause, "can't check whether the log was replaced");
            LogStart::Offset(offset)
        }
    }
}

/// Whether the log is not the one that contained this message: its first offset is greater, or
/// its first entry was written later.
async fn log_was_replaced(
    mesh: &dyn Mesh,
    offset: u64,
    batch: &LogBatch,
) -> Result<bool, MeshError> {
    let Some(start) = mesh.log_start().await? else { return Ok(false) };
    if start > offset {
        return Ok(true);
    }
    let first = mesh.read_log(start).await?;
    let first = first.batch.ok().and_then(|batch| times(&batch).next());
    // Batches without a time can't be compared: treat the log as another and read it again.
    Ok(first.zip(times(batch).last()).is_none_or(|(first, last)| first > last))
}

/// When the entries of a batch were written: seconds and nanoseconds since 1970.
fn times(batch: &LogBatch) -> impl Iterator<Item = (i64, i32)> {
    let times = batch.entries.iter().filter_map(|entry| entry.time);
    times.map(|Timestamp { seconds, nanos }| (seconds, nanos))
}
