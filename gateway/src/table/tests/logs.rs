//! Logs for tests: entries as their writers write them, and random logs as crashes, retries and
//! races produce them.

use std::sync::Arc;

use proptest::prelude::*;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{
        AttemptLost, AttemptStarted, CancelRequested, JobEnd, LogBatch, LogEntry, Marker,
        QueueTimePassed, Submitted, log_entry::Kind,
    },
    v1::{
        Failure, Incumbent, JobDescription, JobFinished, JobState, LogLines, Progress,
        ScenarioResult, ScenarioResults, StopOnFirst, SweepDescription, TerminationReason,
    },
};

use crate::table::{Changes, Fold};

/// The size of each message, in bytes.
pub(super) const BYTES: usize = 100;

pub(super) fn apply(fold: &mut Fold, offset: u64, entries: Vec<LogEntry>) -> Changes {
    fold.apply(offset, BYTES, Arc::new(LogBatch { version: 1, entries }))
}

pub(super) fn entry(job: &str, attempt: &str, number: u32, kind: Kind) -> LogEntry {
    LogEntry {
        time: None,
        job_id: job.to_owned(),
        digest: if matches!(kind, Kind::CancelRequested(_)) { Vec::new() } else { vec![1] },
        attempt_id: attempt.to_owned(),
        number,
        kind: Some(kind),
    }
}

/// The description of a job. One whose name starts with "sweep" is a sweep with six scenarios.
fn description(job: &str) -> JobDescription {
    let sweep = SweepDescription { scenario_count: 6, ..Default::default() };
    let sweep = job.starts_with("sweep").then_some(sweep);
    JobDescription {
        model_name: format!("model of {job}"),
        tenant: "some tenant".to_owned(),
        labels: [("of".to_owned(), job.to_owned()), ("a".to_owned(), "b".to_owned())].into(),
        sweep,
        ..Default::default()
    }
}

/// A sweep that stops at the first scenario with an objective of 1 or less.
pub(super) fn submitted_until_good(job: &str) -> LogEntry {
    let mut entry = submitted(job);
    if let Some(Kind::Submitted(submitted)) = &mut entry.kind
        && let Some(sweep) = submitted.description.as_mut().and_then(|it| it.sweep.as_mut())
    {
        sweep.stop_on_first = Some(StopOnFirst { objective_target: Some(1.0) });
    }
    entry
}

/// Answers of scenarios, each with an objective of 10 minus its index.
pub(super) fn answers(job: &str, attempt: &str, number: u32, indices: &[i32]) -> LogEntry {
    let answer = |&index: &i32| ScenarioResult {
        index,
        reason: TerminationReason::Optimal.into(),
        objective: Some(f64::from(10 - index)),
        values: vec![1.0],
        iteration_count: 1,
        ..Default::default()
    };
    let results = indices.iter().map(answer).collect();
    entry(job, attempt, number, Kind::ScenarioResults(ScenarioResults { results }))
}

pub(super) fn submitted(job: &str) -> LogEntry {
    let description = description(job);
    entry(
        job,
        "",
        0,
        Kind::Submitted(Submitted {
            description: Some(description),
            submit_time: Some(Default::default()),
            ..Default::default()
        }),
    )
}

pub(super) fn started(job: &str, attempt: &str) -> LogEntry {
    let description = description(job);
    let started = AttemptStarted {
        worker: "w".to_owned(),
        description: Some(description),
        submit_time: Some(Default::default()),
        worker_id: "w".to_owned(),
        start_objective: None,
    };
    entry(job, attempt, 1, Kind::Started(started))
}

pub(super) fn progress(job: &str, attempt: &str, number: u32) -> LogEntry {
    entry(
        job,
        attempt,
        number,
        Kind::Progress(Progress { node_count: Some(i64::from(number)), ..Default::default() }),
    )
}

pub(super) fn better(job: &str, attempt: &str, number: u32) -> LogEntry {
    let objective = -f64::from(number);
    let incumbent =
        Incumbent { objective: Some(objective), values: vec![1.0], ..Default::default() };
    entry(job, attempt, number, Kind::Incumbent(incumbent))
}

fn lines(job: &str, attempt: &str, number: u32) -> LogEntry {
    let log = LogLines { lines: vec![format!("line {number}")], omitted_count: 0 };
    entry(job, attempt, number, Kind::Log(log))
}

pub(super) fn finished(job: &str, attempt: &str, number: u32, state: JobState) -> LogEntry {
    let outcome = JobFinished { state: state.into(), ..Default::default() };
    entry(
        job,
        attempt,
        number,
        Kind::Finished(JobEnd { outcome: Some(outcome), ..Default::default() }.into()),
    )
}

/// The one entry of a short attempt, which started in second 5 and succeeded in second 6.
pub(super) fn solved(job: &str, attempt: &str) -> LogEntry {
    let (start, mut end) = (started(job, attempt), finished(job, attempt, 1, JobState::Succeeded));
    if let (Some(Kind::Started(started)), Some(Kind::Finished(finished))) =
        (start.kind, &mut end.kind)
    {
        finished.started = Some(started);
        finished.start_time = Some(Timestamp { seconds: 5, nanos: 0 });
        end.time = Some(Timestamp { seconds: 6, nanos: 0 });
    }
    end
}

pub(super) fn cancel(job: &str) -> LogEntry {
    entry(job, "", 0, Kind::CancelRequested(CancelRequested {}))
}

pub(super) fn overdue(job: &str) -> LogEntry {
    LogEntry { digest: Vec::new(), ..entry(job, "", 0, Kind::QueueTimePassed(QueueTimePassed {})) }
}

pub(super) fn lost(job: &str, attempt: &str, number: u32) -> LogEntry {
    entry(
        job,
        attempt,
        number,
        Kind::AttemptLost(AttemptLost { failure: Some(Failure::default()) }),
    )
}

pub(super) fn marker(log_id: &str, proposed: &str) -> LogEntry {
    let marker = Marker {
        nonce: "n".to_owned(),
        log_id: log_id.to_owned(),
        proposed_log_id: proposed.to_owned(),
    };
    LogEntry { kind: Some(Kind::Marker(marker)), ..Default::default() }
}

pub(super) fn fold(entries: impl IntoIterator<Item = LogEntry>) -> Fold {
    let mut fold = Fold::default();
    for (offset, entry) in entries.into_iter().enumerate() {
        apply(&mut fold, offset as u64, vec![entry]);
    }
    fold
}

/// The fold of a log with a marker and then these entries, one per message.
pub(super) fn log(entries: &[LogEntry]) -> Fold {
    fold(std::iter::once(marker("", "log")).chain(entries.iter().cloned()))
}

/// The entries of a random attempt of a job.
pub(super) fn writer(
    job: &'static str,
    attempt: &'static str,
) -> impl Strategy<Value = Vec<LogEntry>> {
    (0..4u32, 0..5u8).prop_map(move |(progresses, end)| {
        if end == 4 && !job.starts_with("sweep") {
            return vec![solved(job, attempt)];
        }
        let mut entries = vec![started(job, attempt)];
        entries.extend((2..progresses + 2).map(|number| match number % 3 {
            _ if job.starts_with("sweep") => {
                // There are six scenarios; attempts answer some of them twice.
                let first = i32::try_from(number + u32::from(end)).unwrap() % 7;
                answers(job, attempt, number, &[first, first - 1, 5 - first])
            }
            0 => better(job, attempt, number),
            1 => lines(job, attempt, number),
            _ => progress(job, attempt, number),
        }));
        let last = progresses + 2;
        match end {
            0 => entries.push(finished(job, attempt, last, JobState::Succeeded)),
            1 => entries.push(finished(job, attempt, last, JobState::Failed)),
            2 => entries.push(lost(job, attempt, last)),
            _ => {} // The worker died.
        }
        entries
    })
}

/// A random log as crashes, retries and races produce it: the entries of each writer in order, in
/// batches that may be published twice, interleaved with those of the others.
pub(super) fn logs() -> impl Strategy<Value = Vec<LogBatch>> {
    let job = |id: &'static str, attempts: [&'static str; 3]| {
        let gateway = prop_oneof![
            Just(vec![submitted(id)]),
            Just(vec![submitted(id), submitted(id)]),
            Just(vec![submitted(id), cancel(id)]),
            Just(vec![submitted(id), overdue(id)]),
            Just(vec![]),
        ];
        (gateway, writer(id, attempts[0]), writer(id, attempts[1]), writer(id, attempts[2]))
    };
    let writers = (job("a", ["a1", "a2", "a3"]), job("sweep", ["b1", "b2", "b3"]));
    (writers, proptest::collection::vec((0..8usize, 1..3usize, proptest::bool::ANY), 60)).prop_map(
        |(((g1, a1, a2, a3), (g2, b1, b2, b3)), picks)| {
            let mut queues = [g1, a1, a2, a3, g2, b1, b2, b3];
            let mut log = vec![LogBatch { version: 1, entries: vec![marker("", "log")] }];
            for (writer, size, twice) in picks {
                let queue = &mut queues[writer];
                let batch: Vec<LogEntry> = queue.drain(..size.min(queue.len())).collect();
                if batch.is_empty() {
                    continue;
                }
                let batch = LogBatch { version: 1, entries: batch };
                if twice {
                    log.push(batch.clone());
                }
                log.push(batch);
            }
            log
        },
    )
}

pub(super) fn fold_from(mut fold: Fold, log: &[LogBatch], from: usize) -> Fold {
    for (offset, batch) in log.iter().enumerate().skip(from) {
        fold.apply(offset as u64, BYTES, Arc::new(batch.clone()));
    }
    fold
}
