//! Where a table begins to read: after its snapshot, if that is of this log and the log
//! still has all that follows, else at the beginning. And where it goes on.

use std::sync::Arc;

use prost_types::Timestamp;
use solvemesh::broker::v1::LogBatch;
use solvemesh_broker::{Health, LogStart, Mesh, MeshError};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::table::{Fold, SnapshotError, SnapshotFile, snapshot::Restored};

/// Why a snapshot is left alone.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    File(#[from] SnapshotError),
    #[error("the log can't be asked whether it fits: {0}")]
    Mesh(#[from] MeshError),
    #[error("it is of another log")]
    OtherLog,
    #[error("the log no longer has what follows it")]
    TooOld,
}

/// The fold to go on from, and where. Waits for a broker that is away: it alone can tell
/// whether a snapshot fits.
pub(super) async fn begin(mesh: &dyn Mesh, file: SnapshotFile) -> (Fold, LogStart) {
    let path = file.path();
    let there = |health: &Health| !matches!(health, Health::Disconnected { .. });
    // A mesh that was closed answers nothing below either.
    let _ = mesh.health().wait_for(there).await;
    match restore(mesh, file).await {
        Ok(Some(fold)) => {
            let (jobs, head) = (fold.jobs.len(), fold.head());
            info!(jobs, %head, "read a snapshot of the table");
            // Attaching after the last message would skip what comes meanwhile; so it
            // comes once more, and changes nothing.
            return (fold, LogStart::Offset(head.offset));
        }
        Ok(None) => {}
        Err(cause) => {
            let path = path.display();
            warn!(%path, %cause, "a snapshot can't be used; reading the whole log");
        }
    }
    (Fold::default(), LogStart::First)
}

async fn restore(mesh: &dyn Mesh, file: SnapshotFile) -> Result<Option<Fold>, Unusable> {
    let read = spawn_blocking(move || file.read()).await;
    let read = read.unwrap_or(Err(SnapshotError::Damaged("it can't be read")))?;
    let Some(Restored { mut fold, last }) = read else { return Ok(None) };
    let first = mesh.log_start().await?.ok_or(Unusable::OtherLog)?;
    if last.offset < first {
        return Err(Unusable::TooOld);
    }
    let found = match mesh.read_log(last.offset).await {
        Ok(message) => message.batch.map_err(|_| Unusable::OtherLog)?,
        Err(MeshError::Gone(_)) => return Err(Unusable::OtherLog),
        Err(error) => return Err(error.into()),
    };
    if !last.is(&found) {
        return Err(Unusable::OtherLog);
    }
    fold.last = Some((last.offset, Arc::new(found)));
    fold.behead(first);
    Ok(Some(fold))
}

/// Where to go on whose reader is stuck after this message: behind it, unless the log was
/// deleted and made again, for then it begins anew. In a cluster it may be the replica
/// that is read from which is behind.
pub(super) async fn again(mesh: &dyn Mesh, last: Option<(u64, Arc<LogBatch>)>) -> LogStart {
    let Some((offset, batch)) = last else { return LogStart::First };
    match is_of_another(mesh, offset, &batch).await {
        Ok(true) => LogStart::First,
        Ok(false) => LogStart::Offset(offset),
        Err(cause) => {
            warn!(%cause, "whether the log is another is not known");
            LogStart::Offset(offset)
        }
    }
}

/// Whether a log is not the one that had this message: it begins after it, or later.
async fn is_of_another(mesh: &dyn Mesh, offset: u64, batch: &LogBatch) -> Result<bool, MeshError> {
    let Some(begin) = mesh.log_start().await? else { return Ok(false) };
    if begin > offset {
        return Ok(true);
    }
    let first = mesh.read_log(begin).await?;
    let first = first.batch.ok().and_then(|batch| times(&batch).next());
    Ok(first.zip(times(batch).last()).is_none_or(|(first, last)| first > last))
}

/// When the entries were written: seconds and nanoseconds since 1970.
fn times(batch: &LogBatch) -> impl Iterator<Item = (i64, i32)> {
    let times = batch.entries.iter().filter_map(|entry| entry.time);
    times.map(|Timestamp { seconds, nanos }| (seconds, nanos))
}
