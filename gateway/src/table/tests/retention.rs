use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{LogBatch, LogEntry, log_entry::Kind},
    v1::{Job, JobState, Solution, SolveResult},
};

use super::logs::*;
use crate::table::{Changes, Fold, Held, Position, Rest, Retention};

const ALL: Retention = Retention {
    jobs: usize::MAX,
    bytes: usize::MAX,
    age: Duration::MAX,
    results: usize::MAX,
    result_bytes: usize::MAX,
    result_age: Duration::MAX,
    decoded: usize::MAX,
};

/// Three jobs with solutions that finished at 1, 2 and 3 s, and a queued one.
fn three_finished() -> Vec<LogEntry> {
    let mut entries = Vec::new();
    for (job, seconds) in [("a", 1), ("b", 2), ("c", 3)] {
        let mut end = finished(job, job, 3, JobState::Succeeded);
        end.time = Some(Timestamp { seconds, nanos: 0 });
        if let Some(Kind::Finished(finished)) = &mut end.kind {
            let solution = Some(Solution { values: vec![1.0], ..Default::default() });
            let result = Some(SolveResult { solution, ..Default::default() });
            finished.outcome.as_mut().unwrap().result = result;
        }
        entries.extend([submitted(job), started(job, job), progress(job, job, 2), end]);
    }
    entries.push(submitted("d"));
    entries
}

#[test]
fn jobs_are_forgotten_in_the_order_of_their_ends() {
    let mut fold = log(&three_finished());
    fold.retain(&Retention { jobs: 1, ..ALL }, 0);
    assert_eq!((fold.job("a"), fold.job("b")), (None, None));
    assert!(fold.is_forgotten("a") && !fold.is_forgotten("c"));
    assert!(fold.job("c").is_some() && fold.job("d").is_some());
    assert_eq!(apply(&mut fold, 100, vec![started("a", "late")]), Changes::default());
    assert!(fold.live_weight() > 0);
    fold.retain(&Retention { bytes: 1 << 20, ..ALL }, 0);
    assert!(fold.job("c").is_some(), "within the bytes, whatever live jobs take");
    fold.retain(&Retention { bytes: 0, ..ALL }, 0);
    assert_eq!(fold.job("c"), None, "over the bytes");
    assert!(fold.job("d").is_some(), "live jobs are kept");
}

#[test]
fn jobs_are_forgotten_by_age() {
    let mut fold = log(&three_finished());
    fold.retain(&Retention { age: Duration::from_secs(10), ..ALL }, 12);
    assert_eq!(["a", "b", "c", "d"].map(|job| fold.job(job).is_some()), [false, true, true, true]);
}

#[test]
fn results_are_evicted_before_their_jobs() {
    for kept in [
        Retention { results: 1, ..ALL },
        Retention { result_age: Duration::from_secs(10), ..ALL },
        Retention { result_bytes: log(&three_finished()[8..12]).with_results_weight, ..ALL },
    ] {
        let mut fold = log(&three_finished());
        fold.retain(&kept, 13);
        let left = ["a", "b", "c"].map(|job| fold.job(job).unwrap().evicted_position());
        // A marker comes before the entries.
        assert_eq!(left, [Some(Position::new(4, 0)), Some(Position::new(8, 0)), None], "{kept:?}");
        let job = fold.job("a").unwrap();
        let full = job.to_job(true);
        assert!(full.solution_omitted && full.result.is_some());
        let sequences: Vec<i32> =
            job.events_after(Position::default()).map(|h| h.event.sequence).collect();
        assert_eq!(sequences, [1, 2, 4], "its progress is evicted too");
        assert_eq!((full.state(), full.last_sequence), (JobState::Succeeded, 4));
    }
}

#[test]
fn a_large_job_is_packed_once_its_results_are_evicted() {
    let mut entries = three_finished();
    if let Some(Kind::Finished(end)) = &mut entries[3].kind
        && let Some(result) = end.outcome.as_mut().and_then(|outcome| outcome.result.as_mut())
    {
        result.solution = Some(Solution { values: vec![1.0; 10_000], ..Default::default() });
    }
    let mut fold = log(&entries);
    let packed =
        |fold: &Fold| ["a", "b", "c", "d"].map(|id| matches!(fold.jobs[id], Held::Packed(_)));
    fold.retain(&Retention { decoded: 1, ..ALL }, 0);
    assert_eq!(packed(&fold), [false, true, false, false], "a is large, c the latest, d queued");
    let without_progress = Job { progress: None, ..fold.job("a").unwrap().to_job(false) };
    assert_eq!(fold.with_results.len(), 2, "those of b are a part of it");
    fold.retain(&Retention { decoded: 1, results: 1, ..ALL }, 0);
    assert_eq!(packed(&fold), [true, true, false, false]);
    assert!(fold.job("a").unwrap().evicted_position().is_some());
    assert!(fold.job("b").unwrap().evicted_position().is_none());
    assert_eq!(fold.job("a").unwrap().to_job(false), without_progress);
    assert!(fold.jobs["a"].weight() < 4096, "{}", fold.jobs["a"].weight());
}

#[test]
fn results_that_are_too_old_are_evicted_some_at_a_time() {
    let entries: Vec<LogEntry> = (0..1200)
        .flat_map(|job| {
            let mut end = finished(&job.to_string(), "x", 2, JobState::Succeeded);
            end.time = Some(Timestamp::default());
            [submitted(&job.to_string()), started(&job.to_string(), "x"), end]
        })
        .collect();
    let mut fold = log(&entries);
    let old = Retention { result_age: Duration::from_secs(10), ..ALL };
    let mut left = Vec::new();
    while fold.retain(&old, 100) {
        left.push(fold.with_results.len());
    }
    assert_eq!(left, [700, 200]);
    assert_eq!(fold.with_results.len(), 0);
}

#[test]
fn bytes_since_the_oldest_live_job_are_counted() {
    let mut fold = log(&three_finished());
    let message = fold.bytes_since_oldest_live();
    assert!(message >= BYTES as u64);
    apply(&mut fold, 14, vec![submitted("e")]);
    assert_eq!(fold.bytes_since_oldest_live(), 2 * message);
    apply(&mut fold, 15, vec![cancel("d")]);
    assert_eq!(fold.bytes_since_oldest_live(), 2 * message, "since the next one");
    apply(&mut fold, 16, vec![cancel("e")]);
    assert_eq!(fold.bytes_since_oldest_live(), 0);
}

#[test]
fn jobs_whose_start_is_truncated_are_forgotten_once_finished() {
    let mut entries = three_finished();
    entries.insert(0, submitted("old"));
    let mut fold = log(&entries);
    fold.truncate_before(8);
    assert_eq!(["a", "b", "c"].map(|job| fold.job(job).is_some()), [false, false, true]);
    assert!(fold.is_forgotten("b"));
    assert_eq!(fold.first_offset(), Some(8));
    assert!(fold.job("old").is_some(), "it is still queued");
    apply(&mut fold, 100, vec![cancel("old")]);
    assert!(fold.job("old").is_none() && fold.is_forgotten("old"));
    fold.truncate_before(3);
    assert_eq!(fold.first_offset(), Some(8), "a lower first offset is ignored");
}

/// Sets the time of every entry to the offset of its message, in seconds, and the submit time of
/// every job to the time of its first entry.
fn timed(mut log: Vec<LogBatch>) -> Vec<LogBatch> {
    let mut firsts = std::collections::HashMap::new();
    for (seconds, batch) in (0..).zip(&mut log) {
        for entry in &mut batch.entries {
            let now = Timestamp { seconds, nanos: 0 };
            entry.time = Some(now);
            let accepted = *firsts.entry(entry.job_id.clone()).or_insert(now);
            match &mut entry.kind {
                Some(Kind::Submitted(submitted)) => submitted.submit_time = Some(accepted),
                Some(Kind::Started(started)) => started.submit_time = Some(accepted),
                Some(Kind::Finished(end)) => {
                    if let Some(started) = &mut end.started {
                        started.submit_time = Some(accepted);
                    }
                }
                _ => {}
            }
        }
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn folds_of_a_truncated_log_agree_wherever_they_started(
        log in logs(),
        cut in 1..60usize,
        until in 0..60usize,
    ) {
        let log = timed(log);
        let cut = cut.min(log.len() - 1);
        let until = until.clamp(cut + 1, log.len());
        let mut before = fold_from(Fold::default(), &log[..until], 0);
        before.truncate_before(cut as u64);
        let before = fold_from(before, &log, until);
        let after = fold_from(Fold::default(), &log, cut);
        for id in ["a", "sweep"] {
            match (before.job(id), after.job(id)) {
                (Some(job), Some(same)) => {
                    prop_assert!(job.first.offset >= cut as u64);
                    prop_assert_eq!(job.to_job(true), same.to_job(true));
                    prop_assert_eq!(&job.history, &same.history);
                }
                (Some(job), None) => prop_assert!(
                    job.first.offset < cut as u64 && !job.is_finished(),
                    "known to one alone: {job:?}"
                ),
                (None, other) => prop_assert_eq!(other, None),
            }
        }
    }

    #[test]
    fn packed_jobs_are_those_that_were_packed(
        log in logs(),
        decoded in 0..3usize,
    ) {
        let (mut packed, mut whole) = (Fold::default(), Fold::default());
        for (offset, batch) in log.iter().enumerate() {
            let changes = apply(&mut packed, offset as u64, batch.entries.clone());
            prop_assert_eq!(changes, apply(&mut whole, offset as u64, batch.entries.clone()));
            packed.retain(&Retention { decoded, ..ALL }, 0);
            whole.retain(&ALL, 0);
            prop_assert!(packed.just_finished.len() <= decoded);
        }
        prop_assert_eq!(packed.usage(), whole.usage());
        prop_assert_eq!(packed.live_weight(), whole.live_weight());
        for (id, held) in &packed.jobs {
            let same = &whole.jobs[id];
            prop_assert!(matches!(same, Held::Decoded(_)));
            prop_assert_eq!(held.record(), same.record());
            prop_assert_eq!(held.first(), same.first());
            prop_assert_eq!(held.end(), same.end());
            prop_assert_eq!(held.state(), same.state());
            prop_assert_eq!(held.tenant(), same.tenant());
            prop_assert_eq!(held.label("of"), same.label("of"));
            prop_assert_eq!(held.label("of"), Some(&**id));
            prop_assert_eq!(held.label("none"), None);
            let positions = held.record().events_after(Position::default()).map(|it| it.position)
                .collect::<Vec<_>>();
            for cursor in [Position::default()].into_iter().chain(positions) {
                let record = same.record();
                let next = record.events_after(cursor).next().map(|it| it.position);
                match (held.rest_after(cursor), next) {
                    (Rest::Nothing, next) => prop_assert_eq!((next, record.is_finished()), (None, true)),
                    (Rest::From(from), Some(next)) => prop_assert!(from <= next, "{from} > {next}"),
                    (Rest::From(_), None) => prop_assert!(!record.is_finished()),
                }
            }
            prop_assert_eq!(held.finish_time(), same.finish_time());
            let evictable = packed.with_results.values().any(|it| it == id);
            prop_assert_eq!(held.has_evictable_results(), evictable);
        }
        prop_assert_eq!(packed.jobs.len(), whole.jobs.len());
    }

    #[test]
    fn eviction_does_not_change_what_is_kept(
        log in logs(),
        results in 0..2usize,
        jobs in 0..3usize,
        decoded in 0..3usize,
    ) {
        let mut few = Fold::default();
        let mut all = Fold::default();
        for (offset, batch) in log.iter().enumerate() {
            apply(&mut few, offset as u64, batch.entries.clone());
            few.retain(&Retention { results, jobs, decoded, ..ALL }, 0);
            apply(&mut all, offset as u64, batch.entries.clone());
        }
        prop_assert_eq!(few.live_count(), all.live_count());
        prop_assert!(few.finished.len() <= jobs && few.with_results.len() <= results);
        for id in ["a", "sweep"] {
            let Some(job) = few.job(id) else {
                prop_assert!(all.job(id).is_none() || few.is_forgotten(id));
                continue;
            };
            let same = all.job(id).unwrap();
            prop_assert_eq!(job.state(), same.state());
            prop_assert_eq!(job.last_sequence(), same.last_sequence());
            prop_assert_eq!(job.outcome().map(|o| o.state), same.outcome().map(|o| o.state));
        }
        let weight = |ids: &BTreeMap<Position, Arc<str>>| -> usize {
            ids.values().map(|id| few.jobs[id].weight()).sum()
        };
        let (ended, whole, live) =
            (weight(&few.finished), weight(&few.with_results), weight(&few.live));
        let counted = (few.finished_weight, few.with_results_weight, few.live_weight);
        prop_assert_eq!(counted, (ended, whole, live));
    }
}
