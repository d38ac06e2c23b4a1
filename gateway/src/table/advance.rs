//! The state transition of one live job by one entry. Pure.

use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{AttemptStarted, JobEnd, LogEntry, log_entry::Kind},
    failure_reason,
    v1::{
        Failure, JobAttemptFailed, JobCancelRequested, JobDescription, JobFinished, JobQueued,
        JobStarted, JobState, ScenarioResult, job_event,
    },
};

use crate::table::{
    Position, Record,
    record::Attempt,
    stage::{Finished, Results, Stage},
    tally::Tally,
    usage::Owner,
};

/// Applies one entry to a live job: updates its state and appends events to its history.
///
/// Several attempts at a job may write entries at the same time: the broker redelivers a job whose
/// worker lost its connection, and that worker may go on solving. The latest attempt is the one
/// that started last in the order of the log. Which entries of the others count depends on the
/// kind:
///
/// - Progress, incumbents, log lines and the loss of an attempt count only for the latest one.
///   From several attempts at once, a watcher would see bounds and objectives jump back and forth;
///   and the loss of a superseded attempt must not requeue a job that another one is solving.
/// - The end of a job counts whichever attempt it is from: the first terminal entry wins. Its
///   worker has checked the result, so that of a superseded attempt is as good as a later one.
/// - Answers of a sweep count likewise, because several workers share its scenarios.
///
/// The latter two count even without a start entry of their attempt: the shares of a sweep have
/// none.
pub(super) fn advance(job: &mut Record, at: Position, entry: &LogEntry, kind: &Kind) {
    // Moves on if the entry makes several events.
    let mut at = at;
    if !entry.attempt_id.is_empty() && !accept_number(job, entry) {
        return;
    }
    let attempt = attempt_number(job, entry);
    match kind {
        Kind::Submitted(submitted) => {
            set_description(job, submitted.description.as_ref(), submitted.submit_time);
            // A worker's entry may be first; then the job is queued, and perhaps running, already.
            if job.last_sequence() == 0 {
                push_queued(job, at, entry.time);
            }
        }
        Kind::Started(started) => {
            begin(job, at, entry, started, entry.time);
        }
        Kind::Progress(progress) if is_current(job, entry) => {
            if let Stage::Live(live) = &mut job.stage {
                live.progress = Some(*progress);
            }
            let kind = job_event::Kind::Progress(*progress);
            job.push_event(at, entry.time, job.latest_attempt(), kind, None);
        }
        Kind::Incumbent(incumbent) if is_current(job, entry) => {
            let kind = job_event::Kind::Incumbent(incumbent.clone());
            job.push_event(at, entry.time, job.latest_attempt(), kind, None);
        }
        Kind::Log(log) if is_current(job, entry) => {
            let kind = job_event::Kind::Log(log.clone());
            job.push_event(at, entry.time, job.latest_attempt(), kind, None);
        }
        // Several attempts share a sweep, so answers of each of them count.
        Kind::ScenarioResults(new) => add_answers(job, at, entry.time, attempt, &new.results),
        Kind::AttemptLost(lost) if is_current(job, entry) => {
            set_running(job, false);
            let kind =
                job_event::Kind::AttemptFailed(JobAttemptFailed { failure: lost.failure.clone() });
            job.push_event(at, entry.time, job.latest_attempt(), kind, None);
            // The attempt that the cancel was for is dead, and no other must start.
            if job.cancel_requested {
                finish(job, at.later(1), entry.time, attempt, &cancelled());
            }
        }
        Kind::Finished(finished) => {
            let mut attempt = attempt;
            if let Some(started) = &finished.started {
                at = begin(job, at, entry, started, finished.start_time.or(entry.time));
                attempt = job.latest_attempt();
            }
            set_description(job, finished.description.as_ref(), finished.submit_time);
            // Finished without an attempt, before any other entry.
            if job.last_sequence() == 0 {
                push_queued(job, at, finished.submit_time.or(entry.time));
                at = at.later(1);
            }
            finish(job, at, entry.time, attempt, finished);
        }
        // Final while queued; for a running job a request, which its attempt answers.
        Kind::CancelRequested(_) if job.state() == JobState::Queued => {
            job.cancel_requested = true;
            finish(job, at, entry.time, attempt, &cancelled());
        }
        Kind::CancelRequested(_) if !job.cancel_requested => {
            job.cancel_requested = true;
            let kind = job_event::Kind::CancelRequested(JobCancelRequested {});
            job.push_event(at, entry.time, job.latest_attempt(), kind, None);
        }
        // Means nothing once an attempt runs.
        Kind::QueueTimePassed(_) if job.state() == JobState::Queued => {
            finish(job, at, entry.time, attempt, &expired());
        }
        Kind::Progress(_)
        | Kind::Incumbent(_)
        | Kind::Log(_)
        | Kind::AttemptLost(_)
        | Kind::CancelRequested(_)
        | Kind::QueueTimePassed(_)
        | Kind::Marker(_) => {}
    }
}

/// Begins an attempt, which started at `time`. Returns the position of the next event of its entry.
fn begin(
    job: &mut Record,
    mut at: Position,
    entry: &LogEntry,
    started: &AttemptStarted,
    time: Option<Timestamp>,
) -> Position {
    set_description(job, started.description.as_ref(), started.submit_time);
    // The job's first entry: its gateway died before it logged the submission, or was slower than
    // the worker. Every history begins with the event `JobQueued`.
    if job.last_sequence() == 0 {
        push_queued(job, at, started.submit_time.or(time));
        at = at.later(1);
    }
    start_attempt(job, entry, started, time);
    let (worker, start_objective) = (started.worker.clone(), started.start_objective);
    let kind = job_event::Kind::Started(JobStarted { worker, start_objective });
    job.push_event(at, time, job.latest_attempt(), kind, None);
    at.later(1)
}

/// Sets description and submit time, if no entry has contained them yet.
pub(super) fn set_description(
    job: &mut Record,
    description: Option<&JobDescription>,
    time: Option<Timestamp>,
) {
    if job.submit_time.is_none() {
        job.submit_time = time;
        if let Some(description) = description {
            job.description = description.clone();
            job.owner = Owner::of(description);
            // A finished job accepts no answers.
            if let Stage::Live(live) = &mut job.stage
                && live.tally.is_none()
            {
                live.tally = description.sweep.as_ref().map(Tally::of);
            }
        }
    }
}

/// Whether an attempt's entry is new, and if so, notes its number. An entry may be in the log
/// twice, because it is published again if its confirm was lost.
fn accept_number(job: &mut Record, entry: &LogEntry) -> bool {
    match job.attempts.iter_mut().find(|attempt| attempt.id == entry.attempt_id) {
        Some(attempt) if entry.number <= attempt.last_number => false,
        Some(attempt) => {
            attempt.last_number = entry.number;
            true
        }
        // Only a start entry adds an attempt; a terminal entry counts without one.
        None => true,
    }
}

/// The number of the attempt that wrote an entry; that of the latest one for entries of gateways
/// and of attempts without a start entry.
fn attempt_number(job: &Record, entry: &LogEntry) -> i32 {
    let index = job.attempts.iter().position(|attempt| attempt.id == entry.attempt_id);
    index.map_or(job.latest_attempt(), |index| i32::try_from(index + 1).unwrap_or(i32::MAX))
}

/// Whether an entry is of the latest attempt.
fn is_current(job: &Record, entry: &LogEntry) -> bool {
    job.attempts.last().is_some_and(|attempt| attempt.id == entry.attempt_id)
}

/// Appends the event `JobQueued`.
fn push_queued(job: &mut Record, at: Position, time: Option<Timestamp>) {
    let description = Some(job.description.clone());
    job.push_event(at, time, 0, job_event::Kind::Queued(JobQueued { description }.into()), None);
}

/// Makes a live job running or queued, without the progress of an earlier attempt.
fn set_running(job: &mut Record, running: bool) {
    if let Stage::Live(live) = &mut job.stage {
        live.running = running;
        live.progress = None;
    }
}

/// Adds an attempt, which makes all earlier ones superseded.
fn start_attempt(
    job: &mut Record,
    entry: &LogEntry,
    started: &AttemptStarted,
    time: Option<Timestamp>,
) {
    set_running(job, true);
    job.attempts.push(Attempt {
        id: entry.attempt_id.clone(),
        last_number: entry.number,
        start_time: time,
        worker: started.worker.clone(),
        worker_id: started.worker_id.clone(),
    });
}

/// Adds answers of scenarios. The job finishes with the last one, or with the first that meets
/// the sweep's target.
fn add_answers(
    job: &mut Record,
    at: Position,
    time: Option<Timestamp>,
    attempt: i32,
    results: &[ScenarioResult],
) {
    let Stage::Live(live) = &mut job.stage else { return };
    let Some((tally, sweep)) = live.tally.as_mut().zip(job.description.sweep.as_ref()) else {
        return;
    };
    let new_answers = tally.add(sweep, results);
    if new_answers.results.is_empty() {
        return;
    }
    let is_finished = tally.is_finished();
    // Shares of a sweep have no start entry, so answers may arrive before any attempt.
    if job.attempts.is_empty() {
        live.running = true;
    }
    job.answer(at, time, attempt, new_answers);
    if is_finished {
        finish(job, at.later(1), time, attempt, &finished_as(JobState::Succeeded));
    }
}

fn cancelled() -> JobEnd {
    finished_as(JobState::Cancelled)
}

/// A terminal entry with a state and nothing else.
fn finished_as(state: JobState) -> JobEnd {
    let outcome = JobFinished { state: state.into(), ..JobFinished::default() };
    JobEnd { outcome: Some(outcome), ..JobEnd::default() }
}

fn expired() -> JobEnd {
    let failure = Failure {
        reason: failure_reason::DEADLINE_EXCEEDED.to_owned(),
        message: "the job's time in the queue was over".to_owned(),
    };
    let state = JobState::Expired.into();
    let outcome = JobFinished { state, failure: Some(failure), ..JobFinished::default() };
    JobEnd { outcome: Some(outcome), ..JobEnd::default() }
}

/// Finishes the job, unless the outcome is missing or its state is not a terminal one.
fn finish(
    job: &mut Record,
    at: Position,
    time: Option<Timestamp>,
    attempt: i32,
    finished: &JobEnd,
) {
    let Some(mut outcome) = finished.outcome.clone() else { return };
    let results = Results::Retained { progress: job.stage.progress() };
    let Some(end) = Finished::new(outcome.state(), time, results) else { return };
    // A worker may hear of a cancel on its own stream, and finish the job, before the log has the
    // entry of the request.
    job.cancel_requested |= outcome.state() == JobState::Cancelled;
    // The log has the answers only; the summary is this fold's.
    outcome.sweep_summary = job.tally().map(|tally| tally.summary().clone());
    job.stage = Stage::Finished(end);
    let solution = finished.solution.clone();
    job.push_event(at, time, attempt, job_event::Kind::Finished(outcome.into()), solution);
    job.shrink();
}
