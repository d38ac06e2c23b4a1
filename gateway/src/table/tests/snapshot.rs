use std::{fs, sync::Arc, time::Duration};

use proptest::prelude::*;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{LogBatch, LogEntry},
    v1::JobState,
};
use solvemesh_broker::{LogStart, MemoryConfig, MemoryMesh, Mesh};
use tempfile::TempDir;

use super::logs::*;
use crate::table::{
    Fold, Retention, SnapshotError, SnapshotFile, attach,
    snapshot::{Restored, Snapshot},
};

const FEW: Retention = Retention {
    jobs: 1,
    bytes: usize::MAX,
    age: Duration::MAX,
    results: 0,
    result_bytes: usize::MAX,
    result_age: Duration::MAX,
    // As in a table that was restored.
    decoded: 0,
};

fn write(fold: &Fold) -> (TempDir, SnapshotFile) {
    let folder = TempDir::new().unwrap();
    let file = SnapshotFile::in_folder(folder.path()).unwrap();
    file.write(&Snapshot::take(fold).unwrap()).unwrap();
    (folder, file)
}

/// The fold in a file, completed with the last message as if that was read from the log.
fn read(file: &SnapshotFile, last: (u64, Arc<LogBatch>)) -> Fold {
    let Restored { mut fold, last: stored } = file.read().unwrap().unwrap();
    assert_eq!(stored.offset, last.0);
    assert!(stored.matches(&last.1));
    fold.last = Some(last);
    fold
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn restored_fold_continues_like_the_original(
        log in logs(),
        cut in 1..60usize,
    ) {
        let cut = cut.min(log.len());
        let mut whole = fold_from(Fold::default(), &log[..cut], 0);
        whole.retain(&FEW, 0);
        let (_folder, file) = write(&whole);
        let restored = read(&file, whole.last.clone().unwrap());
        prop_assert_eq!(&restored, &whole);
        let again = cut.saturating_sub(1);
        prop_assert_eq!(fold_from(restored, &log, again), fold_from(whole, &log, again));
    }
}

#[test]
fn progress_of_a_lost_attempt_survives_while_its_job_is_queued() {
    // The attempt still reports after it was declared lost.
    let entries = [submitted("a"), started("a", "x"), lost("a", "x", 2), progress("a", "x", 3)];
    let fold = log(&entries);
    let job = fold.job("a").unwrap().to_job(false);
    assert_eq!((job.state(), job.progress.is_some()), (JobState::Queued, true));
    let (_folder, file) = write(&fold);
    let restored = read(&file, fold.last.clone().unwrap());
    assert_eq!(restored.job("a").unwrap().to_job(false), job);
    assert_eq!(restored, fold);
}

#[test]
fn damaged_or_truncated_file_is_refused() {
    let fold = log(&[submitted("a"), started("a", "x"), progress("a", "x", 2), submitted("b")]);
    let (_folder, file) = write(&fold);
    let good = fs::read(file.path()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(file.path(), &bad).unwrap();
        assert!(file.read().is_err(), "byte {at}");
        fs::write(file.path(), &good[..at]).unwrap();
        let cut = file.read().map(|read| read.is_some());
        assert!(matches!(cut, Err(SnapshotError::Damaged(_))), "{at} bytes: {cut:?}");
    }
    fs::write(file.path(), &good).unwrap();
    assert!(file.read().is_ok());
}

#[test]
fn missing_file_is_no_error() {
    let folder = TempDir::new().unwrap();
    let file = SnapshotFile::in_folder(folder.path().join("new/folder")).unwrap();
    assert!(file.read().unwrap().is_none());
}

/// A log in memory with the submissions of these jobs, one per message.
async fn mesh_with(jobs: &[&str], log_bytes: usize) -> MemoryMesh {
    let mesh = MemoryMesh::new(MemoryConfig { log_bytes, ..MemoryConfig::default() });
    for job in jobs {
        mesh.append(submitted(job)).await.unwrap();
    }
    mesh
}

/// The fold of the first `messages` messages of a log.
async fn folded(mesh: &MemoryMesh, messages: usize) -> Fold {
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut fold = Fold::default();
    for _ in 0..messages {
        let message = log.recv().await.unwrap();
        fold.apply(message.offset, message.bytes, Arc::new(message.batch.unwrap()));
    }
    fold
}

#[tokio::test]
async fn snapshot_is_used_only_if_it_is_of_this_log() {
    let mesh = mesh_with(&["a", "b", "c"], usize::MAX).await;
    let fold = folded(&mesh, 2).await;
    let (_folder, file) = write(&fold);
    let (begun, from) = attach::at_startup(&mesh, file.clone()).await;
    assert_eq!(begun, fold);
    assert_eq!(from, LogStart::Offset(1));

    for other in [&["a", "x", "c"][..], &["a"], &[]] {
        let mesh = mesh_with(other, usize::MAX).await;
        let (begun, from) = attach::at_startup(&mesh, file.clone()).await;
        assert_eq!((begun, from), (Fold::default(), LogStart::First), "{other:?}");
    }
}

#[tokio::test]
async fn snapshot_older_than_the_truncated_log_is_not_used() {
    let whole = mesh_with(&["a", "b", "c", "d"], usize::MAX).await;
    let (_folder, file) = write(&folded(&whole, 2).await);
    // The same log, truncated to its last message.
    let rest = mesh_with(&["a", "b", "c", "d"], 1).await;
    let (begun, from) = attach::at_startup(&rest, file.clone()).await;
    assert_eq!((begun, from), (Fold::default(), LogStart::First));
}

#[tokio::test]
async fn stuck_reader_reattaches_at_its_position_unless_the_log_was_replaced() {
    let written_at =
        |seconds, job| LogEntry { time: Some(Timestamp { seconds, nanos: 0 }), ..submitted(job) };
    let mesh = MemoryMesh::new(MemoryConfig::default());
    for (seconds, job) in [(1, "a"), (2, "b"), (3, "c")] {
        mesh.append(written_at(seconds, job)).await.unwrap();
    }
    for read in 1..=3 {
        let fold = folded(&mesh, read).await;
        let behind = LogStart::Offset(read as u64 - 1);
        assert_eq!(attach::after_stall(&mesh, fold.last.clone()).await, behind);

        let replaced = MemoryMesh::new(MemoryConfig::default());
        // An empty log can't be distinguished from the old one.
        assert_eq!(attach::after_stall(&replaced, fold.last.clone()).await, behind);
        replaced.append(written_at(4, "d")).await.unwrap();
        assert_eq!(attach::after_stall(&replaced, fold.last.clone()).await, LogStart::First);
    }
    assert_eq!(attach::after_stall(&mesh, None).await, LogStart::First);
}
