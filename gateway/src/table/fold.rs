//! The fold: state × entry → state. Pure: it depends on no clock, no configuration and no order
//! but that of the log, so that two gateways never disagree. The first terminal entry of a job
//! wins.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{JobEnd, LogBatch, LogEntry, log_entry},
    v1::{JobFinished, JobState},
};

use crate::table::{
    Position, Record,
    advance::{advance, describe},
    record::is_terminal,
    tombstones::Tombstones,
};

/// About how many bytes the broker stores for a message of the log in addition to its body.
/// Counted so that `bytes_read` is comparable with the size at which the broker truncates the log.
const MESSAGE_OVERHEAD: u64 = 200;

/// The job table: the state after all entries so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fold {
    pub(super) jobs: HashMap<Arc<str>, Arc<Record>>,
    /// All jobs by the position of their first entry.
    pub(super) by_first: BTreeMap<Position, Arc<str>>,
    /// Queued and running jobs by the position of their first entry.
    pub(super) live: BTreeMap<Position, Arc<str>>,
    /// Finished jobs by the position of their last event: the order in which they are forgotten.
    pub(super) ended: BTreeMap<Position, Arc<str>>,
    /// The finished jobs whose results are still in memory, likewise.
    pub(super) whole: BTreeMap<Position, Arc<str>>,
    /// Queued jobs by their queue deadline, in seconds since 1970.
    pub(super) waiting: BTreeSet<(i64, Arc<str>)>,
    pub(super) forgotten: Tombstones,
    pub(super) log_id: Option<String>,
    /// The offset of the first message of the log, as far as known.
    pub(super) first_offset: Option<u64>,
    /// When the first entry that was folded was written, by its writer's clock.
    pub(super) begin_time: Option<Timestamp>,
    /// Everything at or before it is folded.
    pub(super) head: Position,
    /// The last message that could be decoded, with its offset: identifies the log.
    pub(super) last: Option<(u64, Arc<LogBatch>)>,
    /// About how many bytes of the log were read, overhead included.
    pub(super) bytes_read: u64,
    /// The weights of the jobs in `live`, `ended` and `whole`, in bytes of memory.
    pub(super) live_weight: usize,
    pub(super) ended_weight: usize,
    pub(super) whole_weight: usize,
}

/// What one message of the log changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Jobs with new events.
    pub jobs: Vec<Arc<str>>,
    /// Those of them that have finished.
    pub ended: Vec<Arc<str>>,
    /// Nonces of the markers in the message.
    pub markers: Vec<String>,
}

impl Fold {
    /// Folds the message at `offset`, with a body of `bytes` bytes. A message before the head
    /// was folded already and changes nothing: a reader that re-attaches gets its last message
    /// again.
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
                    self.note_log_id([&marker.log_id, &marker.proposed_log_id]);
                }
                Some(kind) if !entry.job_id.is_empty() => {
                    if let log_entry::Kind::Submitted(submitted) = kind {
                        self.note_log_id([&submitted.log_id]);
                    }
                    let Some(id) = self.apply_to_job(at, bytes_before, entry, kind) else {
                        continue;
                    };
                    // A finished job has no more events, so one with a new event finished just
                    // now. It may be forgotten already, if its start was truncated.
                    if self.job(&id).is_none_or(Record::ended) {
                        changes.ended.push(id.clone());
                    }
                    if changes.jobs.last() != Some(&id) {
                        changes.jobs.push(id);
                    }
                }
                // A kind of entry that this version does not know, or an entry without a job.
                _ => {}
            }
        }
        self.last = Some((offset, batch));
        changes
    }

    /// Keeps the first non-empty id of the log.
    fn note_log_id<const N: usize>(&mut self, ids: [&String; N]) {
        if self.log_id.is_none() {
            self.log_id = ids.into_iter().find(|id| !id.is_empty()).cloned();
        }
    }

    /// Skips a message that can't be decoded.
    pub fn skip(&mut self, offset: u64, bytes: usize) {
        self.first_offset.get_or_insert(offset);
        self.head = self.head.max(Position::end_of(offset));
        self.bytes_read += bytes as u64 + MESSAGE_OVERHEAD;
    }

    /// Applies an entry to its job. Returns the job's id if that has new events.
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
            let job = self.new_record(at, bytes_before, entry, kind)?;
            self.put(Arc::new(job));
        }
        // Copies the record only while a snapshot shares it.
        let job = Arc::make_mut(self.jobs.get_mut(entry.job_id.as_str())?);
        let id = job.id.clone();
        let (sequence, weight) = (job.last_sequence(), job.counted);
        if !entry.digest.is_empty() {
            if job.digest.is_empty() {
                job.digest.clone_from(&entry.digest);
            } else if job.digest != entry.digest {
                // Another payload under the same request id, accepted by two gateways at the
                // same time: the job belongs to the payload whose entry is first.
                return None;
            }
        }
        let (had_ended, start_truncated) = (job.ended(), job.stage.start_truncated());
        if had_ended && let log_entry::Kind::Submitted(submitted) = kind {
            // Fills in only what is missing: a job may be finished by an entry without its
            // description, before this one.
            describe(job, submitted.description.as_ref(), submitted.submit_time);
        }
        if !had_ended {
            let before = queue_deadline(job);
            advance(job, at, entry, kind);
            if queue_deadline(job) != before {
                if let Some(deadline) = before {
                    self.waiting.remove(&(deadline, id.clone()));
                }
                if let Some(deadline) = queue_deadline(job) {
                    self.waiting.insert((deadline, id.clone()));
                }
            }
        }
        job.counted = job.weight();
        let (counted, changed) = (job.counted, job.last_sequence() > sequence);
        if had_ended {
            self.ended_weight = self.ended_weight - weight + counted;
            if self.whole.contains_key(&job.end()) {
                self.whole_weight = self.whole_weight - weight + counted;
            }
        } else {
            self.live_weight = self.live_weight - weight + counted;
            if job.ended() {
                let (first, end) = (job.first, job.end());
                self.live.remove(&first);
                self.live_weight -= counted;
                self.count_ended(end, &id, counted, true);
                if start_truncated {
                    // A gateway that starts now can't know this job.
                    self.forget(&id);
                }
            }
        }
        changed.then_some(id)
    }

    /// A record for an unknown job, if this entry may be a job's first: one that contains the
    /// job's description. Other entries belong to a job whose start was truncated, or to none.
    fn new_record(
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
        // A job that was accepted before the oldest entry that is left may have lost its first
        // entry to truncation, even if this one is its `Submitted`: a worker may start and finish
        // it before the gateway logs that. Gateways that started earlier have forgotten such a
        // job, so this one must not list it either. No live job is affected: admission stops
        // before the log drops their entries.
        let is_truncated = self.first_offset.is_some_and(|first| first > 0);
        let is_older = |(accepted, oldest): (Timestamp, Timestamp)| {
            (accepted.seconds, accepted.nanos) < (oldest.seconds, oldest.nanos)
        };
        if is_truncated && accepted.zip(self.begin_time).is_some_and(is_older) {
            return None;
        }
        let mut job = Record::new(entry.job_id.as_str().into(), at);
        job.bytes_before = bytes_before;
        Some(job)
    }

    /// Inserts a job that is not in the table yet.
    pub(super) fn put(&mut self, job: Arc<Record>) {
        let id = job.id.clone();
        self.by_first.insert(job.first, id.clone());
        if job.ended() {
            self.count_ended(job.end(), &id, job.counted, !job.stage.results_evicted());
        } else {
            self.live.insert(job.first, id.clone());
            self.live_weight += job.counted;
            if let Some(deadline) = queue_deadline(&job) {
                self.waiting.insert((deadline, id.clone()));
            }
        }
        self.jobs.insert(id, job);
    }

    /// Adds a job to those that have finished; `whole` if its result is in memory.
    fn count_ended(&mut self, end: Position, id: &Arc<str>, weight: usize, whole: bool) {
        self.ended.insert(end, id.clone());
        self.ended_weight += weight;
        if whole {
            self.whole.insert(end, id.clone());
            self.whole_weight += weight;
        }
    }

    /// A job; `None` if the log has no entry of it so far, or if it was forgotten.
    pub fn job(&self, id: &str) -> Option<&Record> {
        self.jobs.get(id).map(Arc::as_ref)
    }

    /// Whether a job was in the table and was forgotten.
    pub fn is_forgotten(&self, id: &str) -> bool {
        self.forgotten.contains(id)
    }

    /// The jobs whose first entry is before a position, the latest first.
    pub fn latest_before(&self, before: Position) -> impl Iterator<Item = &Record> {
        self.by_first.range(..before).rev().filter_map(|(_, id)| self.job(id))
    }

    /// Queued jobs whose queue deadline is before `now` (seconds since 1970); at most `max`.
    pub fn overdue(&self, now: i64, max: usize) -> Vec<Arc<str>> {
        let due = self.waiting.iter().take_while(|(deadline, _)| *deadline < now);
        due.take(max).map(|(_, id)| id.clone()).collect()
    }

    /// Number of queued and running jobs.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// About how many bytes the log has grown since the first entry of the oldest job that is
    /// queued or running; 0 without one.
    pub fn bytes_since_oldest_live(&self) -> u64 {
        let oldest = self.live.first_key_value().and_then(|(_, id)| self.job(id));
        oldest.map_or(0, |job| self.bytes_read - job.bytes_before)
    }

    /// Everything at or before it is folded.
    pub fn head(&self) -> Position {
        self.head
    }

    /// The offset of the first message of the log, as of the last check.
    pub fn first_offset(&self) -> Option<u64> {
        self.first_offset
    }

    /// The id of the log, once an entry has contained it.
    pub fn log_id(&self) -> Option<&str> {
        self.log_id.as_deref()
    }

    /// About how many bytes of memory queued and running jobs take, or will take.
    pub fn live_weight(&self) -> usize {
        self.live_weight
    }
}

/// Whether a `JobEnd` may be a job's first entry: it contains a description only if the job
/// finished without an attempt, as otherwise the attempt's start is the first entry.
fn makes_known(finished: &JobEnd) -> bool {
    let ends = |outcome: &JobFinished| is_terminal(outcome.state());
    finished.description.is_some() && finished.outcome.as_ref().is_some_and(ends)
}

/// The queue deadline of a queued job, in seconds since 1970.
fn queue_deadline(job: &Record) -> Option<i64> {
    let deadline = job.description.queue_expire_time.as_ref()?;
    (job.state() == JobState::Queued).then_some(deadline.seconds)
}
