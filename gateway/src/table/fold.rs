//! The fold: state × entry → state. Pure: it depends on no clock, no configuration and no order
//! but that of the log, so that two gateways never disagree. The first terminal entry of a job
//! wins.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{JobEnd, LogBatch, LogEntry, log_entry},
    v1::JobFinished,
};

use crate::table::{
    Held, Position, Record, Rest,
    advance::{advance, set_description},
    finishes::solve_time,
    index::Indexed,
    stage::is_terminal,
    tombstones::Tombstones,
    usage::{Day, Spent, Usage, day_of},
};

/// About how many bytes the broker stores for a message of the log in addition to its body.
/// Counted so that `bytes_read` is comparable with the size at which the broker truncates the log.
const MESSAGE_OVERHEAD: u64 = 200;

/// The job table: the state after all entries so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fold {
    pub(super) jobs: HashMap<Arc<str>, Held>,
    /// All jobs by the position of their first entry.
    pub(super) by_first: BTreeMap<Position, Arc<str>>,
    /// Queued and running jobs by the position of their first entry.
    pub(super) live: BTreeMap<Position, Arc<str>>,
    /// Finished jobs by the position of their last event: the order in which they are forgotten.
    pub(super) finished: BTreeMap<Position, Arc<str>>,
    /// The finished jobs with results in memory that can be evicted, likewise.
    pub(super) with_results: BTreeMap<Position, Arc<str>>,
    /// The finished jobs that have not been packed yet, likewise.
    pub(super) just_finished: BTreeMap<Position, Arc<str>>,
    /// Queued jobs by their queue deadline, in seconds since 1970.
    pub(super) queue_deadlines: BTreeSet<(i64, Arc<str>)>,
    pub(super) forgotten: Tombstones,
    pub(super) log_id: Option<String>,
    /// The offset of the first message of the log, as of the last check.
    pub(super) first_offset: Option<u64>,
    /// When the first entry that was folded was written, by its writer's clock.
    pub(super) begin_time: Option<Timestamp>,
    /// Everything at or before it is folded.
    pub(super) head: Position,
    /// The last message that could be decoded, with its offset: identifies the log.
    pub(super) last: Option<(u64, Arc<LogBatch>)>,
    /// About how many bytes of the log were read, overhead included.
    pub(super) bytes_read: u64,
    /// The weights of the jobs in `live`, `finished` and `with_results`, in bytes of memory.
    pub(super) live_weight: usize,
    pub(super) finished_weight: usize,
    pub(super) with_results_weight: usize,
    /// What the owners of jobs have and have used.
    pub(super) usage: Usage,
}

/// What one message of the log changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes {
    /// Jobs with new events.
    pub(crate) jobs: Vec<Arc<str>>,
    /// Those of them that have finished.
    pub(crate) finished: Vec<Arc<str>>,
    /// Nonces of the markers in the message.
    pub(crate) markers: Vec<String>,
}

impl Fold {
    /// Folds the message at `offset`, with a body of `bytes` bytes. A message before the head
    /// was folded already and changes nothing: a reader that re-attaches gets its last message
    /// again.
    pub(crate) fn apply(&mut self, offset: u64, bytes: usize, batch: Arc<LogBatch>) -> Changes {
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
                    self.set_log_id([&marker.log_id, &marker.proposed_log_id]);
                }
                Some(kind) if !entry.job_id.is_empty() => {
                    if let log_entry::Kind::Submitted(submitted) = kind {
                        self.set_log_id([&submitted.log_id]);
                    }
                    let Some(id) = self.apply_to_job(at, bytes_before, entry, kind) else {
                        continue;
                    };
                    // A finished job has no more events, so one with a new event finished just
                    // now. It may be forgotten already, if its start was truncated.
                    if self.jobs.get(&id).is_none_or(|job| job.end().is_some()) {
                        changes.finished.push(id.clone());
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
    fn set_log_id<const N: usize>(&mut self, ids: [&String; N]) {
        if self.log_id.is_none() {
            self.log_id = ids.into_iter().find(|id| !id.is_empty()).cloned();
        }
    }

    /// Skips a message that can't be decoded.
    pub(crate) fn skip(&mut self, offset: u64, bytes: usize) {
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
            self.insert(&job.id.clone(), Held::Decoded(Arc::new(job)));
        }
        let held = self.jobs.get_mut(entry.job_id.as_str())?;
        // An attempt that was superseded long ago may still report: not worth decoding the job.
        if !matches!(kind, log_entry::Kind::Submitted(_)) && held.ignores(&entry.digest) {
            return None;
        }
        let before = Indexed::of(held);
        let effect = held.update(|job| advance_by(job, at, entry, kind))?;
        let after = Indexed::of(held);
        self.reindex(&effect.id, &before, &after);
        if !before.is_finished() && after.is_finished() {
            if let Some((day, spent)) = effect.spent {
                self.usage.spend(day, &after.owner, spent);
            }
            if effect.start_truncated {
                // A gateway that starts now can't know this job.
                self.forget(&effect.id);
            }
        }
        effect.changed.then_some(effect.id)
    }

    /// A record for a job that is not in the table, if this entry may be the job's first: one that
    /// contains the job's description. Other entries belong to a job whose start was truncated, or
    /// to none.
    fn new_record(
        &self,
        at: Position,
        bytes_before: u64,
        entry: &LogEntry,
        kind: &log_entry::Kind,
    ) -> Option<Record> {
        let accepted = match kind {
            log_entry::Kind::Submitted(submitted) => submitted.submit_time,
            log_entry::Kind::Finished(finished) if may_create_job(finished) => {
                let started = finished.started.as_ref();
                started.map_or(finished.submit_time, |started| started.submit_time)
            }
            log_entry::Kind::Started(started) => started.submit_time,
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

    /// A job; `None` if the log has no entry of it so far, or if it was forgotten.
    pub(crate) fn job(&self, id: &str) -> Option<Cow<'_, Record>> {
        self.jobs.get(id).map(Held::record)
    }

    /// Whether the table has a job.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.jobs.contains_key(id)
    }

    /// What a job has after a position; `None` if the table does not have the job.
    pub(crate) fn rest_after(&self, id: &str, cursor: Position) -> Option<Rest> {
        self.jobs.get(id).map(|job| job.rest_after(cursor))
    }

    /// Whether a job was in the table and was forgotten.
    pub(crate) fn is_forgotten(&self, id: &str) -> bool {
        self.forgotten.contains(id)
    }

    /// The jobs whose first entry is before a position, the latest first.
    pub(crate) fn latest_before(&self, before: Position) -> impl Iterator<Item = &Held> {
        self.by_first.range(..before).rev().filter_map(|(_, id)| self.jobs.get(id))
    }

    /// Queued jobs whose queue deadline is before `now` (seconds since 1970); at most `max`.
    pub(crate) fn overdue(&self, now: i64, max: usize) -> Vec<Arc<str>> {
        let due = self.queue_deadlines.iter().take_while(|(deadline, _)| *deadline < now);
        due.take(max).map(|(_, id)| id.clone()).collect()
    }

    /// The queued and running jobs, in the order of their first entries.
    pub(crate) fn live_jobs(&self) -> impl Iterator<Item = &Record> {
        self.live.values().filter_map(|id| match self.jobs.get(id)? {
            Held::Decoded(job) => Some(&**job),
            // It has finished.
            Held::Packed(_) => None,
        })
    }

    /// Number of queued and running jobs.
    pub(crate) fn live_count(&self) -> usize {
        self.live.len()
    }

    /// About how many bytes the log has grown since the first entry of the oldest job that is
    /// queued or running; 0 without one.
    pub(crate) fn bytes_since_oldest_live(&self) -> u64 {
        let oldest = self.live.first_key_value().and_then(|(_, id)| self.job(id));
        oldest.map_or(0, |job| self.bytes_read - job.bytes_before)
    }

    /// Everything at or before it is folded.
    pub(crate) fn head(&self) -> Position {
        self.head
    }

    /// The offset of the first message of the log, as of the last check.
    pub(crate) fn first_offset(&self) -> Option<u64> {
        self.first_offset
    }

    /// The id of the log, once an entry has contained it.
    pub(crate) fn log_id(&self) -> Option<&str> {
        self.log_id.as_deref()
    }

    /// About how many bytes of memory jobs take: live ones, finished ones, and of these the ones
    /// whose results are in memory.
    pub(crate) fn weights(&self) -> [(&'static str, usize); 3] {
        [
            ("live", self.live_weight),
            ("finished", self.finished_weight),
            ("results", self.with_results_weight),
        ]
    }

    /// What the owners of jobs have and have used.
    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// About how many bytes of memory queued and running jobs take, or will take.
    pub(crate) fn live_weight(&self) -> usize {
        self.live_weight
    }
}

/// What an entry did to its job.
struct Effect {
    id: Arc<str>,
    /// Whether the job has new events.
    changed: bool,
    /// Whether the log has lost the first entries of the job, which was live before.
    start_truncated: bool,
    /// What the job has used, if it has finished.
    spent: Option<(Day, Spent)>,
}

/// Applies an entry to its job; `None` if it is not about the job's payload.
fn advance_by(
    job: &mut Record,
    at: Position,
    entry: &LogEntry,
    kind: &log_entry::Kind,
) -> Option<Effect> {
    if !accept_digest(job, &entry.digest) {
        return None;
    }
    let (sequence, start_truncated) = (job.last_sequence(), job.stage.start_truncated());
    if !job.is_finished() {
        advance(job, at, entry, kind);
    } else if let log_entry::Kind::Submitted(submitted) = kind {
        // Fills in only what is missing: a job may be finished by an entry without its
        // description, before this one.
        set_description(job, submitted.description.as_ref(), submitted.submit_time);
    }
    job.counted_weight = job.weight();
    Some(Effect {
        id: job.id.clone(),
        changed: job.last_sequence() > sequence,
        start_truncated,
        spent: if job.is_finished() { spent_by(job) } else { None },
    })
}

/// What a finished job has used, and on which day; `None` if its end has no time.
fn spent_by(job: &Record) -> Option<(Day, Spent)> {
    let day = day_of(job.finish_time()?.seconds);
    let solver_time = solve_time(job).map(|(_, time)| time).unwrap_or_default();
    Some((day, Spent { jobs: 1, solver_time }))
}

/// Whether a `JobEnd` may be a job's first entry: it contains a description only if the job
/// finished without an attempt, or with the start of the attempt, as otherwise that is the first
/// entry.
fn may_create_job(finished: &JobEnd) -> bool {
    let ends = |outcome: &JobFinished| is_terminal(outcome.state());
    let is_first = finished.description.is_some() || finished.started.is_some();
    is_first && finished.outcome.as_ref().is_some_and(ends)
}

/// Whether an entry is about the job's payload; entries without a digest are. Sets the digest of a
/// job that has none yet. Another digest is that of another payload under the same request id,
/// accepted by two gateways at the same time: the job belongs to the payload whose entry is first.
fn accept_digest(job: &mut Record, digest: &[u8]) -> bool {
    if job.digest.is_empty() {
        job.digest = digest.to_vec();
    }
    digest.is_empty() || job.digest == digest
}
