//! What one entry makes of one live job. Pure.

use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{AttemptStarted, JobFinished, LogEntry, log_entry::Kind},
    v1::{
        AttemptFailed, CancelRequested, Failure, Finished, JobDescription, JobState, Queued,
        ScenarioResult, Started, event,
    },
};

use crate::table::{
    Position, Record,
    record::{Attempt, is_terminal},
    tally::Tally,
};

/// Moves a live job on by one entry.
pub(super) fn advance(job: &mut Record, at: Position, entry: &LogEntry, kind: &Kind) {
    let mut at = at;
    if !entry.attempt_id.is_empty() && !numbers_on(job, entry) {
        return;
    }
    let attempt = number_of(job, entry);
    match kind {
        Kind::Submitted(submitted) => {
            describe(job, submitted.description.as_ref(), submitted.submit_time);
            if job.last_sequence == 0 {
                queued(job, at, entry.time);
            }
        }
        Kind::Started(started) => {
            describe(job, started.description.as_ref(), started.submit_time);
            if job.last_sequence == 0 {
                queued(job, at, started.submit_time.or(entry.time));
                at = at.later(1);
            }
            begin(job, entry, started);
            let (worker, start_objective) = (started.worker.clone(), started.start_objective);
            let started = Started { worker, start_objective };
            job.happen(at, entry.time, job.attempt(), event::Kind::Started(started), None);
        }
        Kind::Progress(progress) if is_current(job, entry) => {
            job.progress = Some(*progress);
            let kind = event::Kind::Progress(*progress);
            job.happen(at, entry.time, job.attempt(), kind, None);
        }
        Kind::Incumbent(incumbent) if is_current(job, entry) => {
            let kind = event::Kind::Incumbent(incumbent.clone());
            job.happen(at, entry.time, job.attempt(), kind, None);
        }
        Kind::Log(log) if is_current(job, entry) => {
            let kind = event::Kind::Log(log.clone());
            job.happen(at, entry.time, job.attempt(), kind, None);
        }
        // A sweep's attempts share it: what each of them found counts.
        Kind::ScenarioResults(answers) => answer(job, at, entry.time, attempt, &answers.results),
        Kind::AttemptLost(lost) if is_current(job, entry) => {
            job.state = JobState::Queued;
            job.progress = None;
            let kind = event::Kind::AttemptFailed(AttemptFailed { failure: lost.failure.clone() });
            job.happen(at, entry.time, job.attempt(), kind, None);
            if job.cancel_requested {
                finish(job, at.later(1), entry.time, attempt, &cancelled());
            }
        }
        Kind::Finished(finished) => {
            describe(job, finished.description.as_ref(), finished.submit_time);
            if job.last_sequence == 0 {
                queued(job, at, finished.submit_time.or(entry.time));
                at = at.later(1);
            }
            finish(job, at, entry.time, attempt, finished);
        }
        Kind::CancelAsked(_) if job.state == JobState::Queued => {
            job.cancel_requested = true;
            finish(job, at, entry.time, attempt, &cancelled());
        }
        Kind::CancelAsked(_) if !job.cancel_requested => {
            job.cancel_requested = true;
            let kind = event::Kind::CancelRequested(CancelRequested {});
            job.happen(at, entry.time, job.attempt(), kind, None);
        }
        Kind::QueueTimePassed(_) if job.state == JobState::Queued => {
            finish(job, at, entry.time, attempt, &expired());
        }
        Kind::Progress(_)
        | Kind::Incumbent(_)
        | Kind::Log(_)
        | Kind::AttemptLost(_)
        | Kind::CancelAsked(_)
        | Kind::QueueTimePassed(_)
        | Kind::Marker(_) => {}
    }
}

/// Fills in what was submitted, where that was not known yet.
pub(super) fn describe(
    job: &mut Record,
    description: Option<&JobDescription>,
    time: Option<Timestamp>,
) {
    if job.submit_time.is_none() {
        job.submit_time = time;
        if let Some(description) = description {
            job.description = description.clone();
            // One that has ended takes no answers.
            if job.tally.is_none() && !job.ended() {
                job.tally = description.sweep.as_ref().map(Tally::of);
            }
        }
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

/// Takes answers of scenarios in; the last one ends the job, and so does the first that is
/// good enough.
fn answer(
    job: &mut Record,
    at: Position,
    time: Option<Timestamp>,
    attempt: i32,
    results: &[ScenarioResult],
) {
    let Some((tally, sweep)) = job.tally.as_mut().zip(job.description.sweep.as_ref()) else {
        return;
    };
    let fresh = tally.add(sweep, results);
    if fresh.results.is_empty() {
        return;
    }
    let is_over = tally.is_over();
    // Someone is at it, though nothing tells who.
    if job.attempts.is_empty() {
        job.state = JobState::Running;
    }
    job.answer(at, time, attempt, fresh);
    if is_over {
        finish(job, at.later(1), time, attempt, &ended(JobState::Succeeded));
    }
}

fn cancelled() -> JobFinished {
    ended(JobState::Cancelled)
}

fn ended(state: JobState) -> JobFinished {
    let outcome = Finished { state: state.into(), ..Finished::default() };
    JobFinished { outcome: Some(outcome), ..JobFinished::default() }
}

fn expired() -> JobFinished {
    let failure = Failure {
        reason: "DEADLINE_EXCEEDED".to_owned(),
        message: "the job's time in the queue was over".to_owned(),
    };
    let state = JobState::Expired.into();
    let outcome = Finished { state, failure: Some(failure), ..Finished::default() };
    JobFinished { outcome: Some(outcome), ..JobFinished::default() }
}

fn finish(
    job: &mut Record,
    at: Position,
    time: Option<Timestamp>,
    attempt: i32,
    finished: &JobFinished,
) {
    let Some(mut outcome) = finished.outcome.clone() else { return };
    if !is_terminal(outcome.state()) {
        return;
    }
    outcome.sweep = job.tally.take().map(|tally| tally.summary().clone());
    job.state = outcome.state();
    job.finish_time = time;
    let solution = finished.solution.clone();
    job.happen(at, time, attempt, event::Kind::Finished(outcome), solution);
}
