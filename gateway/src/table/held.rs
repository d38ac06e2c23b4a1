//! How the table holds a job: decoded, or packed.
//!
//! A decoded job takes some seven kilobytes, most of them for optional fields that are empty. Most
//! jobs of a table have finished long ago and are hardly read, so those are packed: encoded as in a
//! snapshot, with what indexes, lists and watchers have to know beside that.

use std::{borrow::Cow, sync::Arc};

use prost::{Message as _, encode_length_delimiter, length_delimiter_len};
use prost_types::Timestamp;
use solvemesh::{gateway::v1::JobSnapshot, v1::JobState};

use crate::table::{Owner, Position, Record, snapshot::convert};

/// A job of which [`Record::weight`] is more than this stays decoded: what it has too much of is
/// values, which are as large when encoded, and each batch of a watcher would decode all of them.
const MAX_PACKED_WEIGHT: usize = 8 << 10;

/// A packed job of at most this size, in bytes, keeps its results: they take less than the rest of it,
/// and to evict them would cost more than to pack it.
const MAX_WITH_RESULTS: usize = 2 << 10;

/// About how many bytes of memory the id of a job and its places in the indexes take.
const INDEX_BYTES: usize = 280;

/// About how many bytes of memory an owner takes that is not nobody.
const OWNER_BYTES: usize = 140;

/// The labels of a packed job, in the order of their keys. A map would reserve room for eleven.
type Labels = Box<[(Box<str>, Box<str>)]>;

/// What a job has after a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing, as it has finished.
    Nothing,
    /// Its next event is at this position or later; it may have none yet.
    From(Position),
}

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
    /// The position of the event before the last one; `first` if there is none.
    before_end: Position,
    end: Position,
    state: JobState,
    finish_time: Option<Timestamp>,
    results_evicted: bool,
    /// Whether an entry has contained the digest of its payload.
    has_digest: bool,
    owner: Arc<Owner>,
    labels: Labels,
    /// A [`JobSnapshot`].
    job: Box<[u8]>,
}

impl Held {
    /// Holds a job as one that is not needed soon: packed, if it has finished and is small.
    pub(super) fn at_rest(job: Record) -> Self {
        if !job.is_finished() || job.weight() > MAX_PACKED_WEIGHT {
            return Self::Decoded(Arc::new(job));
        }
        let before_end = job.history.events().rev().nth(1).map(|event| event.position);
        Self::Packed(Arc::new(Packed {
            first: job.first,
            before_end: before_end.unwrap_or(job.first),
            end: job.last_position(),
            state: job.state(),
            finish_time: job.finish_time(),
            results_evicted: job.stage.results_evicted(),
            has_digest: !job.digest.is_empty(),
            owner: job.owner.clone(),
            labels: job
                .description
                .labels
                .iter()
                .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
                .collect(),
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

    /// What it has after a position.
    pub(crate) fn rest_after(&self, cursor: Position) -> Rest {
        if self.end().is_some_and(|end| end <= cursor) {
            return Rest::Nothing;
        }
        Rest::From(match self {
            Self::Decoded(job) => {
                job.events_after(cursor).next().map_or(Position::MAX, |next| next.position)
            }
            Self::Packed(packed) if cursor < packed.first => packed.first,
            Self::Packed(packed) if cursor >= packed.before_end => packed.end,
            Self::Packed(_) => cursor,
        })
    }

    /// Whether an entry that is no submission, with this digest, changes nothing of the job.
    pub(super) fn ignores(&self, digest: &[u8]) -> bool {
        match self {
            Self::Decoded(_) => false,
            // The first digest counts.
            Self::Packed(packed) => packed.has_digest || digest.is_empty(),
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

    /// Whether it has results in memory that can be evicted.
    pub(super) fn has_evictable_results(&self) -> bool {
        match self {
            Self::Decoded(job) => job.is_finished() && !job.stage.results_evicted(),
            Self::Packed(packed) => !packed.results_evicted && packed.job.len() > MAX_WITH_RESULTS,
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

    /// Its label with this key.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        match self {
            Self::Decoded(job) => job.description.labels.get(key).map(String::as_str),
            Self::Packed(packed) => {
                let found = packed.labels.binary_search_by(|(it, _)| (**it).cmp(key));
                found.ok().map(|at| &*packed.labels[at].1)
            }
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
        let text: usize = self.labels.iter().map(|(key, value)| key.len() + value.len()).sum();
        let labels = size_of_val(&*self.labels) + text;
        let owner = if *self.owner == Owner::default() { 0 } else { OWNER_BYTES };
        size_of::<Self>() + self.job.len() + labels + owner + INDEX_BYTES
    }
}
