//! Converts a table to the messages of its snapshot file, and back.

use std::{sync::Arc, time::Duration};

use solvemesh::{
    gateway::v1::{
        AttemptSnapshot, DaySnapshot, HistoryEventSnapshot, JobSnapshot, LogPosition,
        SnapshotHeader, TallySnapshot,
    },
    v1::JobState,
};

use super::{FORMAT, LastMessage, Restored};
use crate::table::{
    Fold, HistoryEvent, Position, Record, Tally,
    history::History,
    record::Attempt,
    stage::{Finished, Live, Results, Stage},
    usage::{Day, Owner, Spent},
};

/// Size of the fingerprint of a forgotten job, in bytes.
const FINGERPRINT_BYTES: usize = 16;

/// The state of a table beside its jobs. The writer fills in the digest of the last message.
pub(super) fn header(fold: &Fold, last_offset: u64) -> SnapshotHeader {
    SnapshotHeader {
        version: *FORMAT,
        log_id: fold.log_id.clone().unwrap_or_default(),
        first_offset: fold.first_offset.unwrap_or_default(),
        head: Some(from_position(fold.head)),
        last_offset,
        last_digest: Vec::new(),
        begin_time: fold.begin_time,
        bytes_read: fold.bytes_read,
        forgotten: fold.forgotten.fingerprints().flat_map(u128::to_be_bytes).collect(),
        jobs: fold.jobs.len() as u64,
        days: fold.usage.days().map(from_day).collect(),
    }
}

/// A table with the state of a header, without jobs; `None` if the header is invalid.
pub(super) fn from_header(header: SnapshotHeader) -> Option<Restored> {
    let mut fold = Fold {
        log_id: Some(header.log_id).filter(|id| !id.is_empty()),
        first_offset: Some(header.first_offset),
        begin_time: header.begin_time,
        head: to_position(header.head?),
        bytes_read: header.bytes_read,
        ..Fold::default()
    };
    if !header.forgotten.len().is_multiple_of(FINGERPRINT_BYTES) {
        return None;
    }
    for bytes in header.forgotten.chunks_exact(FINGERPRINT_BYTES) {
        fold.forgotten.insert_fingerprint(u128::from_be_bytes(bytes.try_into().ok()?));
    }
    for day in header.days {
        let spent =
            Spent { jobs: day.job_count, solver_time: Duration::from_nanos(day.solver_nanos) };
        let owner = Owner { tenant: day.tenant, key: day.submitter };
        fold.usage.spend(day.day, &Arc::new(owner), spent);
    }
    let last = LastMessage { offset: header.last_offset, digest: header.last_digest };
    Some(Restored { fold, last })
}

fn from_day((day, owner, spent): (Day, &Owner, Spent)) -> DaySnapshot {
    DaySnapshot {
        day,
        tenant: owner.tenant.clone(),
        submitter: owner.key.clone(),
        job_count: spent.jobs,
        solver_nanos: u64::try_from(spent.solver_time.as_nanos()).unwrap_or(u64::MAX),
    }
}

/// Converts a job for the file.
pub(in crate::table) fn from_record(job: Record) -> JobSnapshot {
    JobSnapshot {
        job_id: job.id.to_string(),
        first: Some(from_position(job.first)),
        bytes_before: job.bytes_before,
        start_truncated: job.stage.start_truncated(),
        submit_time: job.submit_time,
        state: job.state().into(),
        cancel_requested: job.cancel_requested,
        progress: job.stage.progress(),
        finish_time: job.stage.finish_time(),
        last_sequence: job.last_sequence(),
        result_evicted: job.stage.results_evicted(),
        tally: job.tally().map(from_tally),
        digest: job.digest,
        description: Some(job.description),
        attempts: job.attempts.into_iter().map(from_attempt).collect(),
        history: job.history.into_events().map(from_event).collect(),
    }
}

/// Converts a job from the file; `None` if a field is missing or invalid.
pub(in crate::table) fn to_record(job: JobSnapshot) -> Option<Record> {
    let stage = to_stage(&job)?;
    let history: Vec<HistoryEvent> =
        job.history.into_iter().map(to_event).collect::<Option<_>>()?;
    let description = job.description?;
    let mut record = Record {
        owner: Owner::of(&description),
        bytes_before: job.bytes_before,
        digest: job.digest,
        description,
        submit_time: job.submit_time,
        stage,
        attempts: job.attempts.into_iter().map(to_attempt).collect(),
        cancel_requested: job.cancel_requested,
        history: History::new(history, job.last_sequence),
        ..Record::new(job.job_id.into(), to_position(job.first?))
    };
    record.counted_weight = record.weight();
    Some(record)
}

/// The fields of a job that depend on its state. Those of other states are not written.
fn to_stage(job: &JobSnapshot) -> Option<Stage> {
    let live = |running| {
        let tally = match &job.tally {
            Some(tally) => Some(Tally::from_parts(tally.answered.clone(), tally.summary.clone()?)),
            None => None,
        };
        let (progress, start_truncated) = (job.progress, job.start_truncated);
        Some(Stage::Live(Live { running, progress, tally, start_truncated }))
    };
    match JobState::try_from(job.state).ok()? {
        JobState::Queued => live(false),
        JobState::Running => live(true),
        state => {
            let results = if job.result_evicted {
                Results::Evicted
            } else {
                Results::Retained { progress: job.progress }
            };
            Finished::new(state, job.finish_time, results).map(Stage::Finished)
        }
    }
}

fn from_position(Position { offset, entry, event }: Position) -> LogPosition {
    LogPosition { offset, entry, event }
}

fn to_position(LogPosition { offset, entry, event }: LogPosition) -> Position {
    Position { offset, entry, event }
}

fn from_attempt(attempt: Attempt) -> AttemptSnapshot {
    AttemptSnapshot {
        attempt_id: attempt.id,
        last_number: attempt.last_number,
        start_time: attempt.start_time,
        worker: attempt.worker,
        worker_id: attempt.worker_id,
    }
}

fn to_attempt(attempt: AttemptSnapshot) -> Attempt {
    Attempt {
        id: attempt.attempt_id,
        last_number: attempt.last_number,
        start_time: attempt.start_time,
        worker: attempt.worker,
        worker_id: attempt.worker_id,
    }
}

fn from_tally(tally: &Tally) -> TallySnapshot {
    let (answered, summary) = (tally.answered().to_vec(), tally.summary().clone());
    TallySnapshot { answered, summary: Some(summary) }
}

fn from_event(history_event: HistoryEvent) -> HistoryEventSnapshot {
    HistoryEventSnapshot {
        position: Some(from_position(history_event.position)),
        event: Some(Arc::unwrap_or_clone(history_event.event)),
        solution: history_event.solution,
        evicted: history_event.evicted,
        duplicate_scenarios: history_event.duplicate_scenarios,
    }
}

fn to_event(history_event: HistoryEventSnapshot) -> Option<HistoryEvent> {
    Some(HistoryEvent {
        position: to_position(history_event.position?),
        event: Arc::new(history_event.event?),
        solution: history_event.solution,
        evicted: history_event.evicted,
        duplicate_scenarios: history_event.duplicate_scenarios,
    })
}
