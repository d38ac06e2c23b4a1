use proptest::prelude::*;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{BulkReference, LogEntry, Submitted, log_entry::Kind},
    v1::{JobDescription, JobState, job_event},
};

use super::logs::*;
use crate::table::{Changes, EventClass, Fold, HistoryEvent, Position};

/// The events of a job as text: a letter for the kind, and the sequence number.
fn events_of(fold: &Fold, job: &str) -> String {
    let Some(job) = fold.job(job) else { return "unknown".to_owned() };
    let letter = |history_event: &HistoryEvent| match history_event.event.kind.as_ref() {
        Some(job_event::Kind::Queued(_)) => 'q',
        Some(job_event::Kind::Started(_)) => 's',
        Some(job_event::Kind::Progress(_)) => 'p',
        Some(job_event::Kind::CancelRequested(_)) => 'c',
        Some(job_event::Kind::AttemptFailed(_)) => 'l',
        Some(job_event::Kind::Finished(_)) => 'f',
        other => panic!("an event of a kind that no entry makes: {other:?}"),
    };
    let events: Vec<String> = job
        .events_after(Position::default())
        .map(|h| format!("{}{}", letter(h), h.event.sequence))
        .collect();
    events.join(" ")
}

#[test]
fn job_is_queued_started_and_finished() {
    let fold = log(&[
        submitted("a"),
        started("a", "x"),
        progress("a", "x", 2),
        finished("a", "x", 3, JobState::Succeeded),
    ]);
    assert_eq!(events_of(&fold, "a"), "q1 s2 p3 f4");
    let job = fold.job("a").unwrap();
    assert_eq!((job.state(), job.latest_attempt(), fold.live_count()), (JobState::Succeeded, 1, 0));
}

#[test]
fn a_short_attempt_has_one_entry_and_two_events() {
    for before in [vec![submitted("a")], vec![]] {
        let queued_later = before.is_empty();
        let mut entries = before;
        entries.extend([solved("a", "x"), solved("a", "x"), solved("a", "y")]);
        if queued_later {
            entries.push(submitted("a"));
        }
        let fold = log(&entries);
        assert_eq!(events_of(&fold, "a"), "q1 s2 f3");
        let job = fold.job("a").unwrap();
        assert_eq!((job.state(), job.latest_attempt()), (JobState::Succeeded, 1));
        let seconds = |time: Option<Timestamp>| time.map(|time| time.seconds);
        let shown = job.to_job(false);
        assert_eq!((seconds(shown.start_time), seconds(shown.finish_time)), (Some(5), Some(6)));
        assert_eq!(shown.description.unwrap().model_name, "model of a");
    }
}

#[test]
fn a_short_attempt_at_a_job_that_was_cancelled_in_its_queue_changes_nothing() {
    let fold = log(&[submitted("a"), cancel("a"), solved("a", "x")]);
    assert_eq!(events_of(&fold, "a"), "q1 f2");
    assert_eq!(fold.job("a").unwrap().state(), JobState::Cancelled);
}

#[test]
fn first_terminal_entry_wins() {
    let fold = log(&[
        submitted("a"),
        started("a", "x"),
        started("a", "y"),
        finished("a", "x", 2, JobState::Succeeded),
        finished("a", "y", 2, JobState::Failed),
    ]);
    assert_eq!(events_of(&fold, "a"), "q1 s2 s3 f4");
    let job = fold.job("a").unwrap();
    assert_eq!(job.state(), JobState::Succeeded);
    let attempts: Vec<i32> = job
        .events_after(Position::default())
        .map(|history_event| history_event.event.attempt)
        .collect();
    assert_eq!(attempts, [0, 1, 2, 1], "the end is the first attempt's");
}

#[test]
fn duplicate_entries_are_dropped() {
    let fold = log(&[
        submitted("a"),
        submitted("a"),
        started("a", "x"),
        started("a", "x"),
        progress("a", "x", 2),
        progress("a", "x", 2),
        progress("a", "x", 3),
        progress("a", "x", 2),
    ]);
    assert_eq!(events_of(&fold, "a"), "q1 s2 p3 p4");
}

#[test]
fn progress_of_a_superseded_attempt_is_dropped() {
    let fold = log(&[
        submitted("a"),
        started("a", "x"),
        started("a", "y"),
        progress("a", "x", 2),
        progress("a", "y", 2),
    ]);
    assert_eq!(events_of(&fold, "a"), "q1 s2 s3 p4");
}

#[test]
fn start_creates_a_job_without_its_submission() {
    let fold = log(&[started("a", "x"), submitted("a")]);
    assert_eq!(events_of(&fold, "a"), "q1 s2");
    assert_eq!(fold.job("a").unwrap().description.model_name, "model of a");
}

#[test]
fn late_submission_describes_a_finished_job() {
    let mut end = finished("a", "", 0, JobState::Failed);
    if let Some(Kind::Finished(finished)) = &mut end.kind {
        finished.description = Some(JobDescription::default());
    }
    let fold = log(&[end, submitted("a")]);
    assert_eq!(events_of(&fold, "a"), "q1 f2");
    assert_eq!(fold.job("a").unwrap().description.model_name, "model of a");
}

#[test]
fn cancel_finishes_a_queued_job_at_once() {
    let fold = log(&[
        submitted("a"),
        cancel("a"),
        started("a", "x"),
        finished("a", "x", 2, JobState::Succeeded),
    ]);
    assert_eq!(events_of(&fold, "a"), "q1 f2");
    assert_eq!(fold.job("a").unwrap().state(), JobState::Cancelled);
}

#[test]
fn only_queued_jobs_expire() {
    let queued = log(&[submitted("a"), overdue("a"), started("a", "x")]);
    assert_eq!(events_of(&queued, "a"), "q1 f2");
    assert_eq!(queued.job("a").unwrap().state(), JobState::Expired);
    let running = log(&[submitted("a"), started("a", "x"), overdue("a")]);
    assert_eq!(events_of(&running, "a"), "q1 s2");
}

#[test]
fn queued_jobs_are_overdue_after_their_queue_deadline() {
    let timed = |job: &str, seconds| {
        let queue_deadline = Some(prost_types::Timestamp { seconds, nanos: 0 });
        let description =
            Some(JobDescription { queue_expire_time: queue_deadline, ..Default::default() });
        let submitted =
            Submitted { description, submit_time: Some(Default::default()), ..Default::default() };
        entry(job, "", 0, Kind::Submitted(submitted))
    };
    let due = |fold: &Fold, now| -> Vec<String> {
        fold.overdue(now, 10).iter().map(ToString::to_string).collect()
    };
    let fold = log(&[timed("late", 20), timed("soon", 10), timed("gone", 5), started("gone", "x")]);
    assert_eq!(due(&fold, 10), Vec::<String>::new());
    assert_eq!(due(&fold, 11), ["soon"]);
    assert_eq!(due(&fold, 21), ["soon", "late"]);
    let again = log(&[timed("gone", 5), started("gone", "x"), lost("gone", "x", 2)]);
    assert_eq!(due(&again, 6), ["gone"]);
}

#[test]
fn cancel_of_a_running_job_is_a_request() {
    let fold = log(&[submitted("a"), started("a", "x"), cancel("a"), cancel("a")]);
    assert_eq!(events_of(&fold, "a"), "q1 s2 c3");
    assert_eq!(fold.job("a").unwrap().state(), JobState::Running);
}

#[test]
fn a_cancelled_job_was_requested_to_be_even_if_its_end_is_logged_first() {
    let end = finished("a", "x", 2, JobState::Cancelled);
    let fold = log(&[submitted("a"), started("a", "x"), end, cancel("a")]);
    assert_eq!(events_of(&fold, "a"), "q1 s2 f3");
    assert!(fold.job("a").unwrap().cancel_requested);
}

#[test]
fn lost_attempt_requeues_its_job_unless_cancelled() {
    let again = log(&[submitted("a"), started("a", "x"), lost("a", "x", 2), started("a", "y")]);
    assert_eq!(events_of(&again, "a"), "q1 s2 l3 s4");
    let cancelled = log(&[submitted("a"), started("a", "x"), cancel("a"), lost("a", "x", 2)]);
    assert_eq!(events_of(&cancelled, "a"), "q1 s2 c3 l4 f5");
    assert_eq!(cancelled.job("a").unwrap().state(), JobState::Cancelled);
}

#[test]
fn entries_with_another_digest_are_ignored() {
    let mut other = started("a", "x");
    other.digest = vec![2];
    let fold = log(&[submitted("a"), other]);
    assert_eq!(events_of(&fold, "a"), "q1");
}

#[test]
fn cancel_does_not_create_a_job() {
    assert_eq!(events_of(&log(&[cancel("a")]), "a"), "unknown");
}

#[test]
fn entries_without_description_do_not_create_a_job() {
    for entry in [
        progress("a", "x", 2),
        lost("a", "x", 2),
        overdue("a"),
        finished("a", "x", 2, JobState::Succeeded),
    ] {
        assert_eq!(events_of(&log(&[entry]), "a"), "unknown");
    }
}

#[test]
fn first_log_id_is_kept() {
    assert_eq!(
        fold([marker("", "one"), marker("", "two"), marker("three", "")]).log_id(),
        Some("one")
    );
    assert_eq!(fold([marker("one", ""), marker("", "two")]).log_id(), Some("one"));
}

#[test]
fn message_that_was_folded_changes_nothing() {
    let mut fold = log(&[submitted("a")]);
    let before = fold.clone();
    assert_eq!(apply(&mut fold, 1, vec![started("a", "x")]), Changes::default());
    assert_eq!(fold, before);
}

#[test]
fn solution_parts_have_their_own_sequences_and_positions() {
    let mut end = finished("a", "x", 2, JobState::Succeeded);
    if let Some(Kind::Finished(finished)) = &mut end.kind {
        finished.solution = Some(BulkReference { parts: 3, ..Default::default() });
    }
    let fold = log(&[submitted("a"), started("a", "x"), end]);
    assert_eq!(events_of(&fold, "a"), "q1 s2 f6");
    let job = fold.job("a").unwrap();
    let at = Position::new(3, 0);
    assert_eq!(job.sequence_at(Position::end_of(2)), 2);
    assert_eq!(job.sequence_at(at), 3, "the first part");
    assert_eq!(job.sequence_at(at.later(2)), 5, "the last part");
    assert_eq!(job.sequence_at(at.later(3)), 6, "the end");
}

#[test]
fn long_history_is_thinned() {
    let max = EventClass::Progress.max_events();
    let many = u32::try_from(max * 3).unwrap();
    let entries: Vec<LogEntry> = [submitted("a"), started("a", "x")]
        .into_iter()
        .chain((2..many).map(|number| progress("a", "x", number)))
        .collect();
    let fold = log(&entries);
    let job = fold.job("a").unwrap();
    let kept = job.events_after(Position::default()).count();
    assert!((max / 2..=max + 2).contains(&kept), "{kept} kept");
    assert_eq!(job.last_sequence(), i32::try_from(many).unwrap());
}

#[test]
fn best_incumbent_and_latest_progress_are_never_thinned() {
    let max = EventClass::Incumbent.max_events();
    let many = u32::try_from(max * 3).unwrap();
    let mut entries = vec![submitted("a"), started("a", "x"), progress("a", "x", 2)];
    entries.extend((3..many).map(|number| better("a", "x", number)));
    let fold = log(&entries);
    let job = fold.job("a").unwrap();
    let kept = job.events_after(Position::default()).count();
    assert!((max / 2..=max + 3).contains(&kept), "{kept} kept");
    let full = job.to_job(true);
    assert_eq!(full.incumbent.map(|best| best.objective), Some(Some(-f64::from(many - 1))));
    assert!(full.progress.is_some() && job.to_job(false).incumbent.is_none());
    // Another attempt starts without an incumbent.
    entries.push(started("a", "y"));
    assert_eq!(log(&entries).job("a").unwrap().to_job(true).incumbent, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn folds_from_different_starts_agree(log in logs(), cut in 0..60usize, back in 0..10usize) {
        let whole = fold_from(Fold::default(), &log, 0);
        let cut = cut.min(log.len());
        let snapshot = fold_from(Fold::default(), &log[..cut], 0);
        let resumed = fold_from(snapshot, &log, cut.saturating_sub(back));
        prop_assert_eq!(whole, resumed);
    }

    #[test]
    fn histories_are_gap_free_and_finish_at_most_once(log in logs()) {
        let fold = fold_from(Fold::default(), &log, 0);
        for id in ["a", "sweep"] {
            let Some(job) = fold.job(id) else { continue };
            let sequences: Vec<i32> =
                job.events_after(Position::default()).map(|h| h.event.sequence).collect();
            let expected: Vec<i32> = (1..=job.last_sequence()).collect();
            prop_assert_eq!(&sequences, &expected);
            let positions: Vec<Position> =
                job.events_after(Position::default()).map(|h| h.position).collect();
            prop_assert!(positions.is_sorted_by(|a, b| a < b));
            let ends: Vec<bool> = job
                .events_after(Position::default())
                .map(|h| matches!(h.event.kind, Some(job_event::Kind::Finished(_))))
                .collect();
            let count = ends.iter().filter(|end| **end).count();
            prop_assert_eq!(count, usize::from(job.is_finished()));
            prop_assert_eq!(ends.last().copied().unwrap_or(false), job.is_finished());
        }
    }

    #[test]
    fn terminal_state_never_changes(log in logs()) {
        let mut fold = Fold::default();
        let mut ended = std::collections::HashMap::new();
        for (offset, batch) in log.iter().enumerate() {
            apply(&mut fold, offset as u64, batch.entries.clone());
            for id in ["a", "sweep"] {
                if let Some(job) = fold.job(id).filter(|job| job.is_finished()) {
                    let first = ended.entry(id).or_insert_with(|| job.clone().into_owned());
                    prop_assert_eq!(first.state(), job.state());
                    prop_assert_eq!(first.last_sequence(), job.last_sequence());
                }
            }
        }
    }
}
