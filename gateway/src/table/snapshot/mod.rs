//! Snapshots of a table: a restart reads only what came after. A snapshot holds all
//! that the fold needs to go on, and nothing that can be derived.
//!
//! The file: [`MAGIC`]; then, each preceded by its length, a `SnapshotHeader` and a
//! `JobSnapshot` for each job; then the SHA-256 of all before it. One that is damaged,
//! of another format or of another log is left alone, and the log read instead.

mod convert;
mod file;

use std::sync::Arc;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use solvemesh::{broker::v1::LogBatch, gateway::v1::SnapshotHeader};

pub use file::{SnapshotError, SnapshotFile};

use crate::table::{Fold, Record};

/// What a snapshot file begins with.
const MAGIC: &[u8; 20] = b"solvemesh snapshot\r\n";
/// The version of the format that this gateway writes, and the only one it reads.
const VERSION: u32 = 1;

/// What is to be written: cheap to take, as it shares the records with the fold.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    header: SnapshotHeader,
    jobs: Vec<Arc<Record>>,
    last: Arc<LogBatch>,
}

/// What was read back.
#[derive(Debug)]
pub(super) struct Restored {
    /// The fold as it was.
    pub(super) fold: Fold,
    /// The last message that it folded.
    pub(super) last: LastMessage,
}

/// A message of the log by which it is told from another log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LastMessage {
    pub(super) offset: u64,
    digest: Vec<u8>,
}

impl Snapshot {
    /// What a fold has; nothing before its first message.
    pub(super) fn take(fold: &Fold) -> Option<Self> {
        let (last_offset, last) = fold.last.clone()?;
        Some(Self {
            header: convert::header(fold, last_offset),
            jobs: fold.jobs.values().cloned().collect(),
            last,
        })
    }

    /// The offset of the last message that it has.
    pub(super) fn last_offset(&self) -> u64 {
        self.header.last_offset
    }
}

impl LastMessage {
    /// Whether it is this one.
    pub(super) fn is(&self, batch: &LogBatch) -> bool {
        self.digest == digest(batch)
    }
}

fn digest(batch: &LogBatch) -> Vec<u8> {
    Sha256::digest(batch.encode_to_vec()).to_vec()
}
