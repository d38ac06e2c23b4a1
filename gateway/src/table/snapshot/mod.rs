//! Snapshots of a table, so that a restart reads only the log after the snapshot. A snapshot
//! contains everything that the fold needs to continue, and nothing that can be derived.
//!
//! File format: [`MAGIC`]; then, each preceded by its length as a varint, a `SnapshotHeader` and
//! a `JobSnapshot` for each job; then the SHA-256 of everything before it. A file that is damaged,
//! of another format, contract or log is ignored, and the whole log is read instead.

pub(super) mod convert;
mod file;

use std::sync::{Arc, LazyLock};

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use solvemesh::{DESCRIPTORS, broker::v1::LogBatch, gateway::v1::SnapshotHeader};

pub(crate) use file::SnapshotError;
pub use file::SnapshotFile;

use crate::table::{Fold, Held};

/// The first bytes of a snapshot file.
const MAGIC: &[u8; 20] = b"solvemesh snapshot\r\n";
/// The version of the layout of the file.
const VERSION: u32 = 2;

/// The format that this gateway writes, and the only one that it reads: a fingerprint of the layout
/// and of the whole contract. While versions are mixed, a gateway drops the fields of entries that it
/// does not know, so the snapshot of an older one may lack what a newer one has to keep: a job's
/// rank, or the tenant that may see it.
static FORMAT: LazyLock<u32> = LazyLock::new(|| {
    let sum = Sha256::new_with_prefix(VERSION.to_be_bytes()).chain_update(DESCRIPTORS).finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(sum);
    u32::from_be_bytes([a, b, c, d])
});

/// A snapshot to be written. Cheap to take, as it shares the jobs with the fold.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    header: SnapshotHeader,
    jobs: Vec<Held>,
    last: Arc<LogBatch>,
}

/// A snapshot that was read.
#[derive(Debug)]
pub(super) struct Restored {
    /// The fold at the time of the snapshot.
    pub(super) fold: Fold,
    /// The last message that the fold contains.
    pub(super) last: LastMessage,
}

/// Offset and digest of a message, by which its log is distinguished from another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LastMessage {
    pub(super) offset: u64,
    digest: Vec<u8>,
}

impl Snapshot {
    /// A snapshot of a fold; `None` before the first message.
    pub(super) fn take(fold: &Fold) -> Option<Self> {
        let (last_offset, last) = fold.last.clone()?;
        Some(Self {
            header: convert::header(fold, last_offset),
            jobs: fold.jobs.values().cloned().collect(),
            last,
        })
    }

    /// The offset of the last message that is folded.
    pub(super) fn last_offset(&self) -> u64 {
        self.header.last_offset
    }
}

impl LastMessage {
    /// Whether `batch` is this message.
    pub(super) fn matches(&self, batch: &LogBatch) -> bool {
        self.digest == digest(batch)
    }
}

fn digest(batch: &LogBatch) -> Vec<u8> {
    Sha256::digest(batch.encode_to_vec()).to_vec()
}
