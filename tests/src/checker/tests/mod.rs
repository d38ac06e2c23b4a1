//! Good histories pass; each bad one is rejected with the right violation.

mod case;
mod damage;
mod sweep;

use std::time::Duration;

use solvemesh::{
    broker::v1::{CancelRequested, LogEntry, Marker, QueueTimePassed, log_entry::Kind as Entry},
    v1::{Progress, job_event::Kind},
};
use solvemesh_broker::LogMessage;
use tonic::Code;

use self::case::{Case, JOBS, failed, id, outcome, payload};
use super::{Rules, Violation};
use crate::history::{Answer, WatchEnd};

#[test]
fn a_good_history_passes() {
    let case = Case::good();
    case.passes();
    let figures = case.verdict().figures;
    assert_eq!((figures.acknowledged, figures.lost, figures.duplicated), (JOBS, 0, 0));
}

#[test]
fn a_second_attempt_after_a_death_passes() {
    let mut case = Case::jobs(1);
    case.starts(0, "a");
    case.dies(0, "a");
    case.starts(0, "b");
    case.ends(0, "b", 2, outcome(payload(0)));
    case.watched().passes();
}

#[test]
fn repeated_entries_and_a_second_end_change_nothing() {
    let mut case = Case::jobs(1);
    case.starts(0, "a");
    case.starts(0, "a");
    case.ends(0, "a", 2, outcome(payload(0)));
    case.ends(0, "a", 2, outcome(payload(0)));
    case.ends(0, "b", 2, failed("SOLVER_CRASHED"));
    case.watched().passes();
}

#[test]
fn a_superseded_attempt_ends_the_job_but_its_progress_is_dropped() {
    let mut case = Case::jobs(1);
    case.history.faults.push(Duration::ZERO);
    case.starts(0, "a");
    case.starts(0, "b");
    case.writes(0, "a", 2, Entry::Progress(Progress::default()));
    case.ends(0, "a", 3, outcome(payload(0)));
    case.writes(0, "b", 2, Entry::Progress(Progress::default()));
    let case = case.watched();
    case.passes();
    let kinds = case.history.watches[0].sights.iter().map(|sight| sight.event.attempt);
    assert_eq!(kinds.collect::<Vec<_>>(), [0, 1, 2, 1]);
}

#[test]
fn a_job_whose_first_entry_is_its_start_passes() {
    let mut case = Case::jobs(1);
    case.log.clear();
    case.starts(0, "a");
    case.ends(0, "a", 2, outcome(payload(0)));
    case.watched().passes();
}

#[test]
fn events_reported_as_skipped_are_no_gap() {
    let mut case = Case::good();
    let (place, _) = case.sight(|kind| matches!(kind, Kind::Progress(_)));
    let sights = &mut case.history.watches[0].sights;
    sights.remove(place);
    sights[place].event.skipped_count = 1;
    case.passes();
}

#[test]
fn cancelled_and_expired_jobs_pass_only_where_the_rules_allow_them() {
    for (entry, allow) in [
        (
            Entry::CancelRequested(CancelRequested {}),
            (|rules| rules.cancelled = true) as fn(&mut Rules),
        ),
        (Entry::QueueTimePassed(QueueTimePassed {}), |rules| rules.expired = true),
    ] {
        let mut case = Case::jobs(1);
        case.writes(0, "", 0, entry);
        let mut case = case.watched();
        case.fails(|it| matches!(it, Violation::WrongEnd { .. }));
        allow(&mut case.rules);
        case.passes();
    }
}

#[test]
fn markers_belong_to_no_job() {
    let mut case = Case::good();
    case.appends(LogEntry { kind: Some(Entry::Marker(Marker::default())), ..LogEntry::default() });
    case.passes();
}

#[test]
fn a_job_without_an_end_is_lost() {
    let mut case = Case::jobs(1);
    case.starts(0, "a");
    let case = case.watched();
    case.fails(|it| matches!(it, Violation::Lost { .. }));
    assert_eq!(case.verdict().figures.lost, 1);
}

#[test]
fn an_acknowledged_job_missing_from_the_log_is_lost() {
    let mut case = Case::good();
    let job_id = "elsewhere".to_owned();
    case.calls(9, payload(9), Answer::Acknowledged { job_id: job_id.clone() });
    case.fails(|it| *it == Violation::Lost { job_id: job_id.clone() });
}

#[test]
fn a_job_that_nobody_submitted_is_unexpected() {
    let mut case = Case::good();
    case.history.calls.pop();
    case.fails(|it| matches!(it, Violation::Unexpected { .. }));
}

#[test]
fn a_job_may_exist_after_an_unknown_outcome_but_not_after_a_refusal() {
    let mut case = Case::good();
    case.history.calls[0].answer = Answer::Unknown { why: String::new() };
    case.passes();
    let reason = "MESH_UNAVAILABLE".to_owned();
    case.history.calls[0].answer = Answer::Refused { code: Code::Unavailable, reason };
    case.fails(|it| matches!(it, Violation::RefusedButThere { .. }));
}

#[test]
fn one_request_is_one_job() {
    let mut case = Case::good();
    case.calls(0, payload(0), Answer::Acknowledged { job_id: id(0) });
    case.passes();
    case.calls(0, payload(0), Answer::Acknowledged { job_id: id(1) });
    case.fails(|it| matches!(it, Violation::TwoJobs { .. }));
    assert_eq!(case.verdict().figures.duplicated, 1);
}

#[test]
fn one_request_has_one_payload_and_another_one_is_rejected() {
    let mut case = Case::good();
    case.calls(0, payload(7), Answer::Taken { job_id: id(0) });
    case.passes();
    let mut wrong = case.clone();
    wrong.calls(0, payload(7), Answer::Acknowledged { job_id: id(0) });
    wrong.fails(|it| matches!(it, Violation::OtherPayload { .. }));
    case.calls(0, payload(0), Answer::Taken { job_id: id(0) });
    case.fails(|it| matches!(it, Violation::NotTaken { .. }));
}

#[test]
fn a_wrong_objective_is_a_wrong_end() {
    let mut case = Case::jobs(1);
    case.starts(0, "a");
    case.ends(0, "a", 2, outcome(payload(1)));
    case.watched().fails(|it| matches!(it, Violation::WrongEnd { .. }));
}

#[test]
fn a_failure_passes_only_for_the_reasons_that_are_allowed() {
    let mut case = Case::jobs(1);
    case.starts(0, "a");
    case.ends(0, "a", 2, failed("SOLVER_CRASHED"));
    let mut case = case.watched();
    case.fails(|it| matches!(it, Violation::WrongEnd { .. }));
    case.rules.failures.insert("SOLVER_CRASHED");
    case.passes();
}

#[test]
fn an_attempt_after_the_first_needs_a_cause() {
    let mut case = Case::jobs(1);
    case.starts(0, "a");
    case.dies(0, "a");
    case.starts(0, "b");
    case.starts(0, "c");
    case.ends(0, "c", 2, outcome(payload(0)));
    let mut case = case.watched();
    case.fails(|it| matches!(it, Violation::TooManyAttempts { .. }));
    case.history.faults.push(Duration::ZERO);
    case.passes();
}

#[test]
fn deaths_in_the_solver_have_a_limit_that_no_fault_raises() {
    let mut case = Case::jobs(1);
    for attempt in ["a", "b", "c", "d"] {
        case.starts(0, attempt);
        case.dies(0, attempt);
    }
    case.starts(0, "e");
    case.ends(0, "e", 2, outcome(payload(0)));
    case.rules.interruptions = 10;
    case.watched().fails(|it| matches!(it, Violation::TooManyAttempts { .. }));
}

#[test]
fn a_job_that_is_solved_after_its_end_is_counted() {
    let mut case = Case::good();
    case.starts(0, "late");
    case.passes();
    assert_eq!(case.verdict().figures.solved_again, 1);
    case.rules.late_starts = Some(0);
    case.fails(|it| matches!(it, Violation::SolvedAgain { starts: 1 }));
}

#[test]
fn an_undecodable_message_is_reported() {
    let mut case = Case::good();
    let offset = case.log.len() as u64;
    case.log.push(LogMessage { offset, bytes: 5, batch: Err("noise".to_owned()) });
    case.fails(|it| matches!(it, Violation::Unreadable { .. }));
    case.rules.unreadable = 1;
    case.passes();
}

#[test]
fn a_stray_job_passes_only_where_the_rules_name_it() {
    let mut case = Case::good();
    case.history.calls.remove(0);
    case.fails(|it| *it == Violation::Unexpected { job_id: id(0) });
    case.rules.strays.insert(id(0));
    case.passes();
}

#[test]
fn a_missing_event_is_a_gap() {
    let mut case = Case::good();
    case.history.watches[0].sights.remove(1);
    case.fails(|it| matches!(it, Violation::Gap { .. }));
}

#[test]
fn a_duplicate_event_is_repeated() {
    let mut case = Case::good();
    let (place, sight) = case.sight(|kind| matches!(kind, Kind::Finished(_)));
    let again = sight.clone();
    case.history.watches[0].sights.insert(place + 1, again);
    case.fails(|it| matches!(it, Violation::Repeated { .. }));
    assert_eq!(case.verdict().figures.duplicated, 1);
}

#[test]
fn another_end_than_the_first_is_not_in_the_log() {
    let mut case = Case::good();
    let (_, sight) = case.sight(|kind| matches!(kind, Kind::Finished(_)));
    sight.event.kind = Some(Kind::Finished(failed("SOLVER_CRASHED").into()));
    case.fails(|it| matches!(it, Violation::NotInLog { .. }));
}

#[test]
fn an_event_of_another_attempt_is_not_in_the_log() {
    let mut case = Case::good();
    let (_, sight) = case.sight(|kind| matches!(kind, Kind::Progress(_)));
    sight.event.attempt = 2;
    case.fails(|it| matches!(it, Violation::NotInLog { .. }));
}

#[test]
fn a_watcher_receives_no_job_but_its_own() {
    let mut case = Case::good();
    case.history.watches[0].jobs.remove(&id(0));
    case.fails(|it| matches!(it, Violation::Unexpected { .. }));
}

#[test]
fn a_complete_watch_has_the_end_of_every_job() {
    let mut case = Case::good();
    case.history.watches[0].sights.pop();
    case.fails(|it| matches!(it, Violation::EndUntold { .. }));
    case.history.watches[0].end = WatchEnd::GivenUp;
    case.fails(|it| matches!(it, Violation::EndUntold { .. }));
    case.history.watches[0].end = WatchEnd::Open;
    case.passes();
}

#[test]
fn a_watch_that_timed_out_on_a_lost_job_reports_the_loss_alone() {
    let mut case = Case::jobs(1);
    case.starts(0, "a");
    let mut case = case.watched();
    case.history.watches.iter_mut().for_each(|watch| watch.end = WatchEnd::GivenUp);
    assert_eq!(case.verdict().violations, [Violation::Lost { job_id: id(0) }]);
}

#[test]
fn a_watch_that_is_refused_is_denied_unless_that_is_allowed() {
    let mut case = Case::good();
    case.history.watches[0].end = WatchEnd::Refused { reason: "JOB_NOT_FOUND".to_owned() };
    case.fails(|it| matches!(it, Violation::Denied { .. }));
    case.rules.denials.insert("JOB_NOT_FOUND");
    case.passes();
}

#[test]
fn recovery_is_the_time_from_a_fault_to_the_end_of_a_job_submitted_after_it() {
    let mut case = Case::good();
    for watch in &mut case.history.watches {
        for sight in &mut watch.sights {
            sight.at = Duration::from_secs(match sight.event.job_id.as_str() {
                "job 0" => 4,
                "job 3" => 20,
                _ => 30,
            });
        }
    }
    assert_eq!(case.verdict().figures.recovery, None);
    // Job 0 was submitted at 0 s, job 3 at 3 s.
    case.history.faults = vec![Duration::from_millis(2500)];
    assert_eq!(case.verdict().figures.recovery, Some(Duration::from_millis(17_500)));
    case.history.faults.push(Duration::from_secs(50));
    assert_eq!(case.verdict().figures.recovery, Some(Duration::from_millis(17_500)));
}
