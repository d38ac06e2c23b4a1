//! The fold: state × entry → state. Pure: no clock, no configuration, no order but
//! the log's, so that two gateways never disagree. The first terminal entry wins.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{JobFinished, LogBatch, LogEntry, log_entry},
    v1::{Finished, JobState},
};

use crate::table::{
    Position, Record,
    advance::{advance, describe},
    record::is_terminal,
    tombstones::Tombstones,
};

/// What the broker stores beside the body of a message of the log, about, in bytes.
const MESSAGE_OVERHEAD: u64 = 200;

/// What all entries so far add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fold {
    pub(super) jobs: HashMap<Arc<str>, Arc<Record>>,
    /// Where the log first speaks of each.
    pub(super) by_first: BTreeMap<Position, Arc<str>>,
    /// Those that have not ended, likewise.
    pub(super) live: BTreeMap<Position, Arc<str>>,
    /// Those that have, by their ends.
    pub(super) ended: BTreeMap<Position, Arc<str>>,
    /// Of those, the ones that have not left their results to the log.
    pub(super) whole: BTreeMap<Position, Arc<str>>,
    /// Those in their queues, by the seconds since 1970 when their time there is over.
    pub(super) waiting: BTreeSet<(i64, Arc<str>)>,
    pub(super) forgotten: Tombstones,
    pub(super) log_id: Option<String>,
    pub(super) first_offset: Option<u64>,
    /// When the first entry that was folded was written.
    pub(super) begin_time: Option<Timestamp>,
    pub(super) head: Position,
    /// The last message that could be read.
    pub(super) last: Option<(u64, Arc<LogBatch>)>,
    pub(super) bytes_read: u64,
    pub(super) live_weight: usize,
    pub(super) ended_weight: usize,
    pub(super) whole_weight: usize,
}

/// What one message of the log changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Jobs that have new events.
    pub jobs: Vec<Arc<str>>,
    /// Those of them that ended.
    pub ended: Vec<Arc<str>>,
    /// Markers that were read.
    pub markers: Vec<String>,
}

impl Fold {
    /// Folds the message at `offset`, of so many bytes. One that lies before the head was
    /// folded already and changes nothing.
    pub fn apply(&mut self, offset: u64, bytes: usize, batch: Arc<LogBatch>) -> Changes {
        let mut changes = Changes::default();
        if self.first_offset.is_some() && Position::end_of(offset) <= self.head {
            return changes;
        }
        if self.begin_time.is_none() {
            self.begin_time = batch.entries.iter().find_map(|entry| entry.time);
        }
        let bytes_before = self.bytes_read;
        self.skip(offset, bytes);
        for (index, entry) in batch.entries.iter().enumerate() {
            let at = Position::new(offset, u32::try_from(index).unwrap_or(u32::MAX));
            match &entry.kind {
                Some(log_entry::Kind::Marker(marker)) => {
                    changes.markers.push(marker.nonce.clone());
                    self.hear_log_id([&marker.log_id, &marker.proposed_log_id]);
                }
                Some(kind) if !entry.job_id.is_empty() => {
                    if let log_entry::Kind::Submitted(submitted) = kind {
                        self.hear_log_id([&submitted.log_id]);
                    }
                    let Some(id) = self.apply_to_job(at, bytes_before, entry, kind) else {
                        continue;
                    };
                    // What has ended makes no events: this one was the last.
                    if self.job(&id).is_none_or(Record::ended) {
                        changes.ended.push(id.clone());
                    }
                    if changes.jobs.last() != Some(&id) {
                        changes.jobs.push(id);
                    }
                }
                // An entry of a kind that this version does not know, or about no job.
                _ => {}
            }
        }
        self.last = Some((offset, batch));
        changes
    }

    /// The first id that is told stays.
    fn hear_log_id<const N: usize>(&mut self, told: [&String; N]) {
        if self.log_id.is_none() {
            self.log_id = told.into_iter().find(|id| !id.is_empty()).cloned();
        }
    }

    /// Passes over a message that can't be read.
    pub fn skip(&mut self, offset: u64, bytes: usize) {
        self.first_offset.get_or_insert(offset);
        self.head = self.head.max(Position::end_of(offset));
        self.bytes_read += bytes as u64 + MESSAGE_OVERHEAD;
    }

    /// Returns the job's id if the entry made events.
    fn apply_to_job(
        &mut self,
        at: Position,
        bytes_before: u64,
        entry: &LogEntry,
        kind: &log_entry::Kind,
    ) -> Option<Arc<str>> {
        if self.forgotten.contains(&entry.job_id) {
            return None;
        }
        if !self.jobs.contains_key(entry.job_id.as_str()) {
            let job = self.first_heard_of(at, bytes_before, entry, kind)?;
            self.put(Arc::new(job));
        }
        let job = Arc::make_mut(self.jobs.get_mut(entry.job_id.as_str())?);
        let id = job.id.clone();
        let (sequence, weight) = (job.last_sequence, job.counted);
        if !entry.digest.is_empty() {
            if job.digest.is_empty() {
                job.digest.clone_from(&entry.digest);
            } else if job.digest != entry.digest {
                return None;
            }
        }
        let had_ended = job.ended();
        if had_ended && let log_entry::Kind::Submitted(submitted) = kind {
            // Only what was not known yet: a job whose gateway died after queueing it.
            describe(job, submitted.description.as_ref(), submitted.submit_time);
        }
        if !had_ended {
            let waited = waits(job);
            advance(job, at, entry, kind);
            if waits(job) != waited {
                if let Some(deadline) = waited {
                    self.waiting.remove(&(deadline, id.clone()));
                }
                if let Some(deadline) = waits(job) {
                    self.waiting.insert((deadline, id.clone()));
                }
            }
        }
        job.counted = job.weight();
        let (counted, moved) = (job.counted, job.last_sequence > sequence);
        if had_ended {
            self.ended_weight = self.ended_weight - weight + counted;
            if self.whole.contains_key(&job.end()) {
                self.whole_weight = self.whole_weight - weight + counted;
            }
        } else {
            self.live_weight = self.live_weight - weight + counted;
            if job.ended() {
                let (first, end, beheaded) = (job.first, job.end(), job.beheaded);
                self.live.remove(&first);
                self.live_weight -= counted;
                self.count_ended(end, &id, counted, true);
                if beheaded {
                    self.forget(&id);
                }
            }
        }
        moved.then_some(id)
    }

    /// The record of a job that the log speaks of for the first time, if the entry says
    /// what it is. Others speak of a job whose beginning the log no longer has, or of none.
    fn first_heard_of(
        &self,
        at: Position,
        bytes_before: u64,
        entry: &LogEntry,
        kind: &log_entry::Kind,
    ) -> Option<Record> {
        let accepted = match kind {
            log_entry::Kind::Submitted(submitted) => submitted.submit_time,
            log_entry::Kind::Started(started) => started.submit_time,
            log_entry::Kind::Finished(finished) if makes_known(finished) => finished.submit_time,
            _ => return None,
        };
        // Accepted before the oldest entry that is left: its own first one may be gone, even
        // where it was submitted later, for a worker may begin, and end, before the log has
        // that. No live job is so old: the log keeps what it has of those.
        let is_truncated = self.first_offset.is_some_and(|first| first > 0);
        let is_older = |(accepted, begin): (Timestamp, Timestamp)| {
            (accepted.seconds, accepted.nanos) < (begin.seconds, begin.nanos)
        };
        if is_truncated && accepted.zip(self.begin_time).is_some_and(is_older) {
            return None;
        }
        let mut job = Record::new(entry.job_id.as_str().into(), at);
        job.bytes_before = bytes_before;
        Some(job)
    }

    /// Takes a job in that is not there yet.
    pub(super) fn put(&mut self, job: Arc<Record>) {
        let id = job.id.clone();
        self.by_first.insert(job.first, id.clone());
        if job.ended() {
            self.count_ended(job.end(), &id, job.counted, !job.is_shed);
        } else {
            self.live.insert(job.first, id.clone());
            self.live_weight += job.counted;
            if let Some(deadline) = waits(&job) {
                self.waiting.insert((deadline, id.clone()));
            }
        }
        self.jobs.insert(id, job);
    }

    /// Counts a job of a weight among those that have ended, with its result or without.
    fn count_ended(&mut self, end: Position, id: &Arc<str>, weight: usize, whole: bool) {
        self.ended.insert(end, id.clone());
        self.ended_weight += weight;
        if whole {
            self.whole.insert(end, id.clone());
            self.whole_weight += weight;
        }
    }

    /// A job, unless the log never spoke of it or it was forgotten.
    pub fn job(&self, id: &str) -> Option<&Record> {
        self.jobs.get(id).map(Arc::as_ref)
    }

    /// Whether a job was known and is forgotten.
    pub fn is_forgotten(&self, id: &str) -> bool {
        self.forgotten.contains(id)
    }

    /// The jobs that the log first spoke of before a position, the latest first.
    pub fn latest_before(&self, before: Position) -> impl Iterator<Item = &Record> {
        self.by_first.range(..before).rev().filter_map(|(_, id)| self.job(id))
    }

    /// Queued jobs whose time in the queue was over at a time, in seconds since 1970;
    /// at most so many.
    pub fn overdue(&self, now: i64, most: usize) -> Vec<Arc<str>> {
        let due = self.waiting.iter().take_while(|(deadline, _)| *deadline < now);
        due.take(most).map(|(_, id)| id.clone()).collect()
    }

    /// How many jobs are queued or running.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// About how many bytes the log has grown since it first spoke of the oldest job that
    /// is queued or running.
    pub fn bytes_since_oldest_live(&self) -> u64 {
        let oldest = self.live.first_key_value().and_then(|(_, id)| self.job(id));
        oldest.map_or(0, |job| self.bytes_read - job.bytes_before)
    }

    /// Everything at or before it is folded.
    pub fn head(&self) -> Position {
        self.head
    }

    /// The offset of the first message that the log has, or had when that was last asked.
    pub fn first_offset(&self) -> Option<u64> {
        self.first_offset
    }

    /// The id of the log, once an entry told it.
    pub fn log_id(&self) -> Option<&str> {
        self.log_id.as_deref()
    }

    /// About how many bytes of memory the jobs take that are queued or running.
    pub fn live_weight(&self) -> usize {
        self.live_weight
    }
}

/// Whether the end of a job that was not known makes it known: where it had an attempt,
/// that did before.
fn makes_known(finished: &JobFinished) -> bool {
    let ends = |outcome: &Finished| is_terminal(outcome.state());
    finished.description.is_some() && finished.outcome.as_ref().is_some_and(ends)
}

/// Until when a job waits in its queue, if it does: in seconds since 1970.
fn waits(job: &Record) -> Option<i64> {
    let deadline = job.description.queue_deadline.as_ref()?;
    (job.state == JobState::Queued).then_some(deadline.seconds)
}
