//! How the table holds a job: decoded, or packed.
//!
//! A decoded job takes some seven kilobytes, most of them for optional fields that are empty. Most
//! jobs of a table have finished long ago and are hardly read, so those are packed: encoded as in a
//! snapshot, with what indexes, lists and watchers have to know beside that.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use prost::{Message as _, encode_length_delimiter, length_delimiter_len};
use prost_types::Timestamp;
use solvemesh::{gateway::v1::JobSnapshot, v1::JobState};

use crate::table::{Owner, Position, Record, snapshot::convert};

/// A job that takes more memory than this, in bytes, stays decoded: what it has too much of is
/// values, which are as large when encoded, and each batch of a watcher would decode all of them.
const MAX_UNPACKED_BYTES: usize = 16 << 10;

/// About how many bytes of memory the id of a job and its places in the indexes take.
const INDEX_BYTES: usize = 280;

/// A job of the table. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Held {
    /// One that is live, has just finished, or is large.
    Decoded(Arc<Record>),
    /// One that has finished.
    Packed(Arc<Packed>),
}

/// A finished job, encoded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed {
    first: Position,
    end: Position,
    state: JobState,
    finish_time: Option<Timestamp>,
    results_evicted: bool,
    owner: Arc<Owner>,
    labels: BTreeMap<String, String>,
    /// A [`JobSnapshot`].
    job: Box<[u8]>,
}

impl Held {
    /// Holds a job as one that is not needed soon: packed, if it has finished and is small.
    pub(super) fn at_rest(job: Record) -> Self {
        if !job.is_finished() || job.weight() > MAX_UNPACKED_BYTES {
            return Self::Decoded(Arc::new(job));
        }
        Self::Packed(Arc::new(Packed {
            first: job.first,
            end: job.last_position(),
            state: job.state(),
            finish_time: job.finish_time(),
            results_evicted: job.stage.results_evicted(),
            owner: job.owner.clone(),
            labels: job.description.labels.clone(),
            job: convert::from_record(job).encode_to_vec().into(),
        }))
    }

    /// Packs it, if it has finished and is small.
    pub(super) fn packed(self) -> Self {
        match self {
            Self::Decoded(job) => Self::at_rest(Arc::unwrap_or_clone(job)),
            Self::Packed(_) => self,
        }
    }

    /// Changes the job. One that is packed is so afterwards, if it has not become too large.
    pub(super) fn update<T>(&mut self, change: impl FnOnce(&mut Record) -> T) -> T {
        match self {
            // Copies the record only while a snapshot shares it.
            Self::Decoded(job) => change(Arc::make_mut(job)),
            Self::Packed(packed) => {
                let mut job = packed.decode();
                let changed = change(&mut job);
                *self = Self::at_rest(job);
                changed
            }
        }
    }

    /// The job.
    pub(crate) fn record(&self) -> Cow<'_, Record> {
        match self {
            Self::Decoded(job) => Cow::Borrowed(job),
            Self::Packed(packed) => Cow::Owned(packed.decode()),
        }
    }

    /// A [`JobSnapshot`] of it, preceded by its length as a varint.
    pub(super) fn to_snapshot(&self) -> Vec<u8> {
        match self {
            Self::Decoded(job) => {
                convert::from_record(Record::clone(job)).encode_length_delimited_to_vec()
            }
            Self::Packed(packed) => {
                let job = &packed.job;
                let mut bytes = Vec::with_capacity(job.len() + length_delimiter_len(job.len()));
                // A vector has room for everything.
                let _ = encode_length_delimiter(job.len(), &mut bytes);
                bytes.extend_from_slice(job);
                bytes
            }
        }
    }

    /// The position of its first entry in the log.
    pub(super) fn first(&self) -> Position {
        match self {
            Self::Decoded(job) => job.first,
            Self::Packed(packed) => packed.first,
        }
    }

    /// The position of its last event, if it has finished.
    pub(super) fn end(&self) -> Option<Position> {
        match self {
            Self::Decoded(job) => job.is_finished().then(|| job.last_position()),
            Self::Packed(packed) => Some(packed.end),
        }
    }

    /// Its current state.
    pub(crate) fn state(&self) -> JobState {
        match self {
            Self::Decoded(job) => job.state(),
            Self::Packed(packed) => packed.state,
        }
    }

    /// When it finished; `None` also if its terminal entry has no time.
    pub(super) fn finish_time(&self) -> Option<Timestamp> {
        match self {
            Self::Decoded(job) => job.finish_time(),
            Self::Packed(packed) => packed.finish_time,
        }
    }

    /// Whether its results were evicted from memory.
    pub(super) fn results_evicted(&self) -> bool {
        match self {
            Self::Decoded(job) => job.stage.results_evicted(),
            Self::Packed(packed) => packed.results_evicted,
        }
    }

    /// Who it is counted for.
    pub(super) fn owner(&self) -> &Arc<Owner> {
        match self {
            Self::Decoded(job) => &job.owner,
            Self::Packed(packed) => &packed.owner,
        }
    }

    /// Whose tenant it belongs to.
    pub(crate) fn tenant(&self) -> &str {
        &self.owner().tenant
    }

    /// Its labels.
    pub(crate) fn labels(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Decoded(job) => &job.description.labels,
            Self::Packed(packed) => &packed.labels,
        }
    }

    /// About how many bytes of memory it takes, or will take.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Decoded(job) => job.counted_weight,
            Self::Packed(packed) => packed.weight(),
        }
    }
}

impl Packed {
    fn decode(&self) -> Record {
        let job = JobSnapshot::decode(&*self.job).ok().and_then(convert::to_record);
        job.expect("encoded by `Held::at_rest`")
    }

    fn weight(&self) -> usize {
        let labels: usize = self.labels.iter().map(|(key, value)| key.len() + value.len()).sum();
        size_of::<Self>() + self.job.len() + labels + INDEX_BYTES
    }
}
