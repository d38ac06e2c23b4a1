use std::time::Duration;

use proptest::prelude::*;
use solvemesh::{
    broker::v1::LogEntry,
    v1::{JobEvent, JobFinished, JobState, SweepSummary, job_event},
};

use super::logs::*;
use crate::table::{Fold, HistoryEvent, Position, Record, Retention, counted_answers};

fn history(job: &Record) -> Vec<&HistoryEvent> {
    job.events_after(Position::default()).collect()
}

fn indices(event: &JobEvent) -> Option<Vec<i32>> {
    match event.kind.as_ref()? {
        job_event::Kind::ScenarioResults(answers) => {
            Some(answers.results.iter().map(|result| result.index).collect())
        }
        _ => None,
    }
}

/// The scenarios in each event with answers.
fn answered(fold: &Fold) -> Vec<Vec<i32>> {
    let job = fold.job("sweep").unwrap();
    history(&job).iter().filter_map(|history_event| indices(&history_event.event)).collect()
}

fn end(fold: &Fold) -> Option<JobFinished> {
    fold.job("sweep").unwrap().outcome().cloned()
}

fn summary(fold: &Fold) -> SweepSummary {
    fold.job("sweep").unwrap().to_job(false).sweep_summary.unwrap()
}

#[test]
fn sweep_finishes_with_its_last_answer() {
    let mut entries = vec![
        submitted("sweep"),
        started("sweep", "x"),
        answers("sweep", "x", 2, &[5, 4]),
        answers("sweep", "part", 1, &[0, 1, 2]),
    ];
    let before = log(&entries);
    assert_eq!((end(&before), before.live_count()), (None, 1));
    assert_eq!((summary(&before).answered_count, summary(&before).scenario_count), (5, 6));
    entries.push(answers("sweep", "part", 2, &[3]));
    let fold = log(&entries);
    let job = fold.job("sweep").unwrap();
    assert_eq!((job.state(), fold.live_count(), fold.live_weight()), (JobState::Succeeded, 0, 0));
    let end = end(&fold).unwrap();
    assert_eq!((end.state(), &end.result, &end.failure), (JobState::Succeeded, &None, &None));
    assert_eq!(end.sweep_summary.as_ref(), Some(&summary(&fold)));
    let best = summary(&fold).best.unwrap();
    assert_eq!((best.index, best.objective(), summary(&fold).answered_count), (5, 5.0, 6));
    // Offset 0 is a marker. The end is in the same entry as the last answers.
    let places: Vec<Position> = history(&job).iter().map(|it| it.position).collect();
    assert_eq!(places[4..], [Position::new(5, 0), Position::new(5, 0).later(1)]);
    let sequences: Vec<i32> = history(&job).iter().map(|it| it.event.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6]);
    entries.push(answers("sweep", "part", 3, &[3]));
    assert_eq!(log(&entries).job("sweep").unwrap().last_sequence(), 6);
}

#[test]
fn first_answer_of_a_scenario_counts_from_any_attempt() {
    let fold = log(&[
        submitted("sweep"),
        started("sweep", "x"),
        answers("sweep", "x", 2, &[0, 1]),
        started("sweep", "y"),
        answers("sweep", "y", 2, &[1, 2]),
        answers("sweep", "x", 3, &[2, 3]),
        answers("sweep", "x", 3, &[2, 3, 4]),
        answers("sweep", "y", 3, &[0, 3]),
        answers("sweep", "z", 1, &[-1, 6, 7]),
    ]);
    assert_eq!(answered(&fold), [vec![0, 1], vec![2], vec![3]]);
    let job = fold.job("sweep").unwrap();
    let before: Vec<&[i32]> = history(&job)
        .iter()
        .map(|history_event| history_event.duplicate_scenarios.as_slice())
        .collect();
    assert_eq!(before, [&[], &[], &[], &[], &[1][..], &[2]]);
    assert_eq!((summary(&fold).answered_count, job.state()), (4, JobState::Running));
}

#[test]
fn answers_count_for_requeued_jobs_and_without_a_start() {
    let again = log(&[
        submitted("sweep"),
        started("sweep", "x"),
        lost("sweep", "x", 2),
        answers("sweep", "part", 1, &[0]),
    ]);
    assert_eq!(again.job("sweep").unwrap().state(), JobState::Queued);
    assert_eq!(answered(&again), [[0]]);
    let unseen = log(&[submitted("sweep"), answers("sweep", "part", 1, &[0]), overdue("sweep")]);
    assert_eq!(unseen.job("sweep").unwrap().state(), JobState::Running);
    assert_eq!(answered(&unseen), [[0]]);
}

#[test]
fn answers_are_ignored_for_unknown_jobs_and_single_models() {
    let fold = log(&[
        answers("sweep", "x", 1, &[0]),
        submitted("a"),
        started("a", "x"),
        answers("a", "x", 2, &[0]),
    ]);
    assert!(fold.job("sweep").is_none());
    let job = fold.job("a").unwrap();
    assert_eq!((job.last_sequence(), job.to_job(true).sweep_summary), (2, None));
}

#[test]
fn sweep_finishes_at_the_first_scenario_that_meets_the_target() {
    let mut entries = vec![
        submitted_until_good("sweep"),
        answers("sweep", "x", 1, &[0, 3]),
        started("sweep", "y"),
    ];
    assert_eq!(end(&log(&entries)), None);
    let mut good = answers("sweep", "y", 2, &[4, 1]);
    if let Some(solvemesh::broker::v1::log_entry::Kind::ScenarioResults(answers)) = &mut good.kind {
        answers.results[0].objective = Some(1.0);
    }
    entries.extend([good, answers("sweep", "x", 2, &[2])]);
    let fold = log(&entries);
    assert_eq!(answered(&fold), [[0, 3], [4, 1]]);
    let end = end(&fold).unwrap();
    assert_eq!(end.state(), JobState::Succeeded);
    let summary = end.sweep_summary.unwrap();
    assert_eq!((summary.stopped_by, summary.answered_count), (Some(4), 4));
}

#[test]
fn summary_is_kept_when_a_sweep_does_not_succeed() {
    let begun = [submitted("sweep"), started("sweep", "x"), answers("sweep", "x", 2, &[0, 1])];
    let ends = [
        (
            vec![cancel("sweep"), finished("sweep", "x", 3, JobState::Cancelled)],
            JobState::Cancelled,
        ),
        (vec![cancel("sweep"), lost("sweep", "x", 3)], JobState::Cancelled),
        (vec![finished("sweep", "", 0, JobState::Failed)], JobState::Failed),
        (vec![lost("sweep", "x", 3), overdue("sweep")], JobState::Expired),
    ];
    for (rest, state) in ends {
        let fold = log(&[&begun[..], &rest].concat());
        let end = end(&fold).unwrap();
        assert_eq!(end.state(), state);
        assert_eq!(
            end.sweep_summary.as_ref().map(|sweep| sweep.answered_count),
            Some(2),
            "{state:?}"
        );
        assert_eq!(end.sweep_summary, Some(summary(&fold)));
    }
    let queued = log(&[submitted("sweep"), cancel("sweep")]);
    assert_eq!((summary(&queued).scenario_count, summary(&queued).answered_count), (6, 0));
}

#[test]
fn evicted_answers_can_be_restored_from_their_entry() {
    let entries = [
        submitted("sweep"),
        started("sweep", "x"),
        answers("sweep", "x", 2, &[0, 1]),
        answers("sweep", "part", 1, &[1, 7, 2, 2, 3]),
        answers("sweep", "x", 3, &[4, 3, 5]),
    ];
    let whole = log(&entries);
    let mut few = whole.clone();
    let kept = Retention {
        jobs: usize::MAX,
        bytes: usize::MAX,
        age: Duration::MAX,
        results: 0,
        result_bytes: usize::MAX,
        result_age: Duration::MAX,
        decoded: usize::MAX,
    };
    few.retain(&kept, 0);
    assert!(few.finished_weight < whole.finished_weight);
    assert_eq!(summary(&few), summary(&whole));
    let (few, whole) = (few.job("sweep").unwrap(), whole.job("sweep").unwrap());
    assert_eq!(few.evicted_position(), None, "its end has nothing to evict");
    for (left, kept) in history(&few).into_iter().zip(history(&whole)) {
        assert_eq!((left.position, left.event.sequence), (kept.position, kept.event.sequence));
        let Some(expected) = indices(&kept.event) else {
            assert_eq!((left.evicted, &left.event), (false, &kept.event));
            continue;
        };
        assert_eq!((left.evicted, indices(&left.event)), (true, Some(Vec::new())));
        // Offset 0 is a marker.
        let entry = &entries[usize::try_from(left.position.offset).unwrap() - 1];
        let Some(solvemesh::broker::v1::log_entry::Kind::ScenarioResults(all)) = &entry.kind else {
            panic!("no answers: {entry:?}")
        };
        let restored = counted_answers(all.results.clone(), 6, &left.duplicate_scenarios);
        assert_eq!(restored.iter().map(|it| it.index).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn sweep_weighs_all_of_its_answers_from_the_start() {
    let answered = |count: i32| {
        let indices: Vec<i32> = (0..count).collect();
        log(&[submitted("sweep"), answers("sweep", "x", 1, &indices)])
    };
    let beginning = log(&[submitted("sweep")]).live_weight();
    let most = answered(5).live_weight();
    let ended = answered(6).finished_weight;
    assert!(beginning >= 6 * 180, "{beginning}");
    assert!(most >= beginning && most < beginning + 1000, "{beginning} {most}");
    assert!((6 * 180..6 * 300 + 2000).contains(&ended), "{ended}");
}

/// Six scenarios, answered in random order by two attempts and a share, some of them twice.
fn found() -> impl Strategy<Value = Vec<(&'static str, i32)>> {
    let writer = prop::sample::select(vec!["x", "y", "part"]);
    let all = Just((0..6).collect::<Vec<i32>>()).prop_shuffle();
    (prop::collection::vec((writer, -1..7_i32), 0..20), all).prop_map(|(mut answers, all)| {
        answers.extend(all.into_iter().map(|index| ("x", index)));
        answers
    })
}

/// The answers, batched into entries and messages of various sizes.
fn batched(found: &[(&'static str, i32)], sizes: &[usize]) -> Vec<Vec<LogEntry>> {
    let mut messages =
        vec![vec![submitted("sweep"), started("sweep", "x")], vec![started("sweep", "y")]];
    let mut rest = found;
    for (number, size) in (2..).zip(sizes.iter().cycle()) {
        let Some((writer, _)) = rest.first() else { break };
        let own = rest.iter().take(*size).take_while(|(other, _)| other == writer).count();
        let (now, after) = rest.split_at(own);
        let indices: Vec<i32> = now.iter().map(|(_, index)| *index).collect();
        let entry = answers("sweep", writer, number, &indices);
        match messages.last_mut().filter(|_| size % 2 == 0) {
            Some(message) => message.push(entry),
            None => messages.push(vec![entry]),
        }
        rest = after;
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn scenarios_are_counted_once_however_answers_are_batched(
        found in found(),
        sizes in prop::collection::vec(1..5_usize, 1..9),
    ) {
        let fold_of = |sizes: &[usize]| {
            let mut fold = Fold::default();
            for (offset, message) in batched(&found, sizes).into_iter().enumerate() {
                apply(&mut fold, offset as u64, message);
            }
            fold
        };
        let (some, ones) = (fold_of(&sizes), fold_of(&[1]));
        let flat = |fold: &Fold| answered(fold).concat();
        let mut all = flat(&some);
        prop_assert_eq!(&all, &flat(&ones));
        all.sort_unstable();
        prop_assert_eq!(all, (0..6).collect::<Vec<_>>());
        prop_assert_eq!(summary(&some), summary(&ones));
        prop_assert_eq!(end(&some).map(|end| end.state()), Some(JobState::Succeeded));
        let job = some.job("sweep").unwrap();
        let ends = history(&job);
        let last = ends.iter().rev().take(2).map(|it| indices(&it.event).is_some());
        prop_assert_eq!(last.collect::<Vec<_>>(), [false, true]);
    }
}
