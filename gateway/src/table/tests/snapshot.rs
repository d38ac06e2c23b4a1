use std::{fs, sync::Arc, time::Duration};

use proptest::prelude::*;
use prost_types::Timestamp;
use solvemesh::broker::v1::{LogBatch, LogEntry};
use solvemesh_broker::{LogStart, MemoryConfig, MemoryMesh, Mesh};
use tempfile::TempDir;

use super::logs::*;
use crate::table::{
    Fold, Kept, SnapshotError, SnapshotFile,
    snapshot::{Restored, Snapshot},
    start,
};

const FEW: Kept = Kept {
    jobs: 1,
    bytes: usize::MAX,
    age: Duration::MAX,
    results: 0,
    result_bytes: usize::MAX,
    result_age: Duration::MAX,
};

fn write(fold: &Fold) -> (TempDir, SnapshotFile) {
    let folder = TempDir::new().unwrap();
    let file = SnapshotFile::in_folder(folder.path()).unwrap();
    file.write(&Snapshot::take(fold).unwrap()).unwrap();
    (folder, file)
}

/// What a file has, and the last message as the log would tell it.
fn read(file: &SnapshotFile, last: (u64, Arc<LogBatch>)) -> Fold {
    let Restored { mut fold, last: noted } = file.read().unwrap().unwrap();
    assert_eq!(noted.offset, last.0);
    assert!(noted.is(&last.1));
    fold.last = Some(last);
    fold
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_fold_goes_on_from_its_snapshot_as_if_it_had_never_stopped(
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
fn a_file_that_is_damaged_anywhere_or_cut_off_is_left_alone() {
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
fn where_there_is_no_file_there_is_no_snapshot() {
    let folder = TempDir::new().unwrap();
    let file = SnapshotFile::in_folder(folder.path().join("new/folder")).unwrap();
    assert!(file.read().unwrap().is_none());
}

/// A log in memory that has these jobs' submissions, a message each.
async fn mesh_with(jobs: &[&str], log_bytes: usize) -> MemoryMesh {
    let mesh = MemoryMesh::new(MemoryConfig { log_bytes, ..MemoryConfig::default() });
    for job in jobs {
        mesh.append(submitted(job)).await.unwrap();
    }
    mesh
}

/// The fold of the first messages of a log.
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
async fn a_table_begins_at_its_snapshot_only_where_that_is_of_this_log() {
    let mesh = mesh_with(&["a", "b", "c"], usize::MAX).await;
    let fold = folded(&mesh, 2).await;
    let (_folder, file) = write(&fold);
    let (begun, from) = start::begin(&mesh, file.clone()).await;
    assert_eq!(begun, fold);
    assert_eq!(from, LogStart::Offset(1));

    for other in [&["a", "x", "c"][..], &["a"], &[]] {
        let mesh = mesh_with(other, usize::MAX).await;
        let (begun, from) = start::begin(&mesh, file.clone()).await;
        assert_eq!((begun, from), (Fold::default(), LogStart::First), "{other:?}");
    }
}

#[tokio::test]
async fn a_snapshot_whose_log_has_lost_what_follows_is_left_alone() {
    let whole = mesh_with(&["a", "b", "c", "d"], usize::MAX).await;
    let (_folder, file) = write(&folded(&whole, 2).await);
    // Of the same log the last message alone is left.
    let rest = mesh_with(&["a", "b", "c", "d"], 1).await;
    let (begun, from) = start::begin(&rest, file.clone()).await;
    assert_eq!((begun, from), (Fold::default(), LogStart::First));
}

#[tokio::test]
async fn a_stuck_table_goes_on_where_it_is_unless_the_log_began_anew() {
    let written_at =
        |seconds, job| LogEntry { time: Some(Timestamp { seconds, nanos: 0 }), ..submitted(job) };
    let mesh = MemoryMesh::new(MemoryConfig::default());
    for (seconds, job) in [(1, "a"), (2, "b"), (3, "c")] {
        mesh.append(written_at(seconds, job)).await.unwrap();
    }
    for read in 1..=3 {
        let fold = folded(&mesh, read).await;
        let behind = LogStart::Offset(read as u64 - 1);
        assert_eq!(start::again(&mesh, fold.last.clone()).await, behind);

        let anew = MemoryMesh::new(MemoryConfig::default());
        // A log that has nothing yet does not tell what it is.
        assert_eq!(start::again(&anew, fold.last.clone()).await, behind);
        anew.append(written_at(4, "d")).await.unwrap();
        assert_eq!(start::again(&anew, fold.last.clone()).await, LogStart::First);
    }
    assert_eq!(start::again(&mesh, None).await, LogStart::First);
}
