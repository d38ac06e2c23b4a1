//! The fold: state × entry → state. Pure: no clock, no configuration, no order but
//! the log's, so that two gateways never disagree. The first terminal entry wins.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{AttemptStarted, JobFinished, LogBatch, LogEntry, log_entry},
    v1::{
        AttemptFailed, CancelRequested, Failure, Finished, JobDescription, JobState, Queued,
        Started, event,
    },
};

use super::{Position, Record, record::Attempt, record::is_terminal, tombstones::Tombstones};

/// What all entries so far add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fold {
    jobs: HashMap<Arc<str>, Record>,
    by_first: BTreeMap<Position, Arc<str>>,
    ended: BTreeMap<Position, Arc<str>>,
    waiting: BTreeSet<(i64, Arc<str>)>,
    forgotten: Tombstones,
    log_id: Option<String>,
    first_offset: Option<u64>,
    head: Position,
    weight: usize,
    ended_weight: usize,
}

/// What one message of the log changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Jobs that have new events.
    pub jobs: Vec<Arc<str>>,
    /// Markers that were read.
    pub markers: Vec<String>,
}

impl Fold {
    /// Folds the message at `offset`. One that lies before the head was folded
    /// already and changes nothing.
    pub fn apply(&mut self, offset: u64, batch: &LogBatch) -> Changes {
        let mut changes = Changes::default();
        if self.first_offset.is_some() && Position::end_of(offset) <= self.head {
            return changes;
        }
        self.skip(offset);
        for (index, entry) in batch.entries.iter().enumerate() {
            let at = Position::new(offset, u32::try_from(index).unwrap_or(u32::MAX));
            match &entry.kind {
                Some(log_entry::Kind::Marker(marker)) => {
                    changes.markers.push(marker.nonce.clone());
                    if self.log_id.is_none() {
                        let told = [&marker.log_id, &marker.proposed_log_id];
                        self.log_id = told.into_iter().find(|id| !id.is_empty()).cloned();
                    }
                }
                Some(kind) if !entry.job_id.is_empty() => {
                    if let Some(id) = self.apply_to_job(at, entry, kind)
                        && changes.jobs.last() != Some(&id)
                    {
                        changes.jobs.push(id);
                    }
                }
                // An entry of a kind that this version does not know, or about no job.
                _ => {}
            }
        }
        changes
    }

    /// Passes over a message that can't be read.
    pub fn skip(&mut self, offset: u64) {
        self.first_offset.get_or_insert(offset);
        self.head = self.head.max(Position::end_of(offset));
    }

    /// Returns the job's id if the entry made events.
    fn apply_to_job(
        &mut self,
        at: Position,
        entry: &LogEntry,
        kind: &log_entry::Kind,
    ) -> Option<Arc<str>> {
        if self.forgotten.contains(&entry.job_id) {
            return None;
        }
        let job = match self.jobs.get_mut(entry.job_id.as_str()) {
            Some(job) => job,
            // A cancel makes no job: only what has its payload does.
            None if entry.digest.is_empty() => return None,
            None => {
                let id: Arc<str> = entry.job_id.as_str().into();
                self.by_first.insert(at, id.clone());
                self.jobs.entry(id.clone()).or_insert(Record::new(id, at))
            }
        };
        let (sequence, weight) = (job.last_sequence, job.counted);
        if !entry.digest.is_empty() {
            if job.digest.is_empty() {
                job.digest.clone_from(&entry.digest);
            } else if job.digest != entry.digest {
                return None;
            }
        }
        let had_ended = job.ended();
        if had_ended {
            // Only what was not known yet: a job whose gateway died after queueing it.
            if let log_entry::Kind::Submitted(submitted) = kind {
                describe(job, submitted.description.as_ref(), submitted.submit_time);
            }
        } else {
            let waited = waits(job);
            advance(job, at, entry, kind);
            if job.ended() {
                self.ended.insert(at, job.id.clone());
            }
            if waits(job) != waited {
                if let Some(deadline) = waited {
                    self.waiting.remove(&(deadline, job.id.clone()));
                }
                if let Some(deadline) = waits(job) {
                    self.waiting.insert((deadline, job.id.clone()));
                }
            }
        }
        job.counted = job.weight();
        self.weight = self.weight - weight + job.counted;
        if job.ended() {
            let before = if had_ended { weight } else { 0 };
            self.ended_weight = self.ended_weight - before + job.counted;
        }
        (job.last_sequence > sequence).then(|| job.id.clone())
    }

    /// A job, unless the log never spoke of it or it was forgotten.
    pub fn job(&self, id: &str) -> Option<&Record> {
        self.jobs.get(id)
    }

    /// Whether a job was known and is forgotten.
    pub fn is_forgotten(&self, id: &str) -> bool {
        self.forgotten.contains(id)
    }

    /// The jobs that the log first spoke of before a position, the latest first.
    pub fn latest_before(&self, before: Position) -> impl Iterator<Item = &Record> {
        self.by_first.range(..before).rev().filter_map(|(_, id)| self.jobs.get(id))
    }

    /// Queued jobs whose time in the queue was over at a time, in seconds since 1970;
    /// at most so many.
    pub fn overdue(&self, now: i64, most: usize) -> Vec<Arc<str>> {
        let due = self.waiting.iter().take_while(|(deadline, _)| *deadline < now);
        due.take(most).map(|(_, id)| id.clone()).collect()
    }

    /// How many jobs are queued or running.
    pub fn live(&self) -> usize {
        self.jobs.len() - self.ended.len()
    }

    /// Everything at or before it is folded.
    pub fn head(&self) -> Position {
        self.head
    }

    /// The offset of the first message that was folded.
    pub fn first_offset(&self) -> Option<u64> {
        self.first_offset
    }

    /// The id of the log, once an entry told it.
    pub fn log_id(&self) -> Option<&str> {
        self.log_id.as_deref()
    }

    /// About how many bytes of memory the jobs take that are queued or running.
    pub fn live_weight(&self) -> usize {
        self.weight - self.ended_weight
    }

    /// Forgets the jobs that ended first until at most `jobs` ended ones are left, and
    /// they take at most about `bytes` of memory. Entries about a forgotten job change
    /// nothing.
    pub fn forget(&mut self, jobs: usize, bytes: usize) {
        while self.ended.len() > jobs || self.ended_weight > bytes {
            let Some((_, id)) = self.ended.pop_first() else { return };
            if let Some(job) = self.jobs.remove(&id) {
                self.weight -= job.counted;
                self.ended_weight -= job.counted;
                self.by_first.remove(&job.first);
                self.forgotten.insert(&id);
            }
        }
    }
}

/// Moves a live job on by one entry.
fn advance(job: &mut Record, at: Position, entry: &LogEntry, kind: &log_entry::Kind) {
    let mut at = at;
    if !entry.attempt_id.is_empty() && !numbers_on(job, entry) {
        return;
    }
    let attempt = number_of(job, entry);
    match kind {
        log_entry::Kind::Submitted(submitted) => {
            describe(job, submitted.description.as_ref(), submitted.submit_time);
            if job.last_sequence == 0 {
                queued(job, at, entry.time);
            }
        }
        log_entry::Kind::Started(started) => {
            describe(job, started.description.as_ref(), started.submit_time);
            if job.last_sequence == 0 {
                queued(job, at, started.submit_time.or(entry.time));
                at = at.later(1);
            }
            begin(job, entry, started);
            let started = Started { worker: started.worker.clone() };
            job.happen(at, entry.time, job.attempt(), event::Kind::Started(started), None);
        }
        log_entry::Kind::Progress(progress) if is_current(job, entry) => {
            job.progress = Some(*progress);
            let kind = event::Kind::Progress(*progress);
            job.happen(at, entry.time, job.attempt(), kind, None);
        }
        log_entry::Kind::Progress(_) => {}
        log_entry::Kind::AttemptLost(lost) if is_current(job, entry) => {
            job.state = JobState::Queued;
            job.progress = None;
            let kind = event::Kind::AttemptFailed(AttemptFailed { failure: lost.failure.clone() });
            job.happen(at, entry.time, job.attempt(), kind, None);
            if job.cancel_requested {
                finish(job, at.later(1), entry.time, attempt, &cancelled());
            }
        }
        log_entry::Kind::AttemptLost(_) => {}
        log_entry::Kind::Finished(finished) => finish(job, at, entry.time, attempt, finished),
        log_entry::Kind::CancelAsked(_) if job.state == JobState::Queued => {
            job.cancel_requested = true;
            finish(job, at, entry.time, attempt, &cancelled());
        }
        log_entry::Kind::CancelAsked(_) if !job.cancel_requested => {
            job.cancel_requested = true;
            let kind = event::Kind::CancelRequested(CancelRequested {});
            job.happen(at, entry.time, job.attempt(), kind, None);
        }
        log_entry::Kind::QueueTimePassed(_) if job.state == JobState::Queued => {
            finish(job, at, entry.time, attempt, &expired());
        }
        log_entry::Kind::CancelAsked(_)
        | log_entry::Kind::QueueTimePassed(_)
        | log_entry::Kind::Marker(_) => {}
    }
}

/// Whether the entry is new of its attempt, and notes that it was seen.
fn numbers_on(job: &mut Record, entry: &LogEntry) -> bool {
    match job.attempts.iter_mut().find(|attempt| attempt.id == entry.attempt_id) {
        Some(attempt) if entry.number <= attempt.last_number => false,
        Some(attempt) => {
            attempt.last_number = entry.number;
            true
        }
        // Only a start makes an attempt; a terminal entry counts without one.
        None => true,
    }
}

/// The number of the attempt that writes; the latest one's where none does.
fn number_of(job: &Record, entry: &LogEntry) -> i32 {
    let place = job.attempts.iter().position(|attempt| attempt.id == entry.attempt_id);
    place.map_or(job.attempt(), |place| i32::try_from(place + 1).unwrap_or(i32::MAX))
}

fn is_current(job: &Record, entry: &LogEntry) -> bool {
    job.attempts.last().is_some_and(|attempt| attempt.id == entry.attempt_id)
}

fn describe(job: &mut Record, description: Option<&JobDescription>, time: Option<Timestamp>) {
    if job.submit_time.is_none() {
        job.submit_time = time;
        if let Some(description) = description {
            job.description = description.clone();
        }
    }
}

fn queued(job: &mut Record, at: Position, time: Option<Timestamp>) {
    let description = Some(job.description.clone());
    job.happen(at, time, 0, event::Kind::Queued(Queued { description }), None);
}

fn begin(job: &mut Record, entry: &LogEntry, started: &AttemptStarted) {
    job.state = JobState::Running;
    job.progress = None;
    job.attempts.push(Attempt {
        id: entry.attempt_id.clone(),
        last_number: entry.number,
        start_time: entry.time,
        worker: started.worker.clone(),
        worker_id: started.worker_id.clone(),
    });
}

fn cancelled() -> JobFinished {
    let outcome = Finished { state: JobState::Cancelled.into(), result: None, failure: None };
    JobFinished { outcome: Some(outcome), solution: None }
}

fn expired() -> JobFinished {
    let failure = Failure {
        reason: "DEADLINE_EXCEEDED".to_owned(),
        message: "the job's time in the queue was over".to_owned(),
    };
    let outcome =
        Finished { state: JobState::Expired.into(), result: None, failure: Some(failure) };
    JobFinished { outcome: Some(outcome), solution: None }
}

/// Until when a job waits in its queue, if it does: in seconds since 1970.
fn waits(job: &Record) -> Option<i64> {
    let deadline = job.description.queue_deadline.as_ref()?;
    (job.state == JobState::Queued).then_some(deadline.seconds)
}

fn finish(
    job: &mut Record,
    at: Position,
    time: Option<Timestamp>,
    attempt: i32,
    finished: &JobFinished,
) {
    let Some(outcome) = finished.outcome.clone() else { return };
    if !is_terminal(outcome.state()) {
        return;
    }
    job.state = outcome.state();
    job.finish_time = time;
    let solution = finished.solution.clone();
    job.happen(at, time, attempt, event::Kind::Finished(outcome), solution);
}
