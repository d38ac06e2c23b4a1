//! The ledger's fold of a sweep.

use solvemesh::{
    broker::v1::{LogEntry, Submitted, log_entry::Kind as Entry},
    v1::{
        JobDescription, JobState, ObjectiveSense, ScenarioResult, ScenarioResults, StopOnFirst,
        SweepDescription, SweepSummary, TerminationReason, job_event::Kind,
    },
};

use super::case::{Case, id};
use crate::checker::{Account, Ledger};

fn answers(indices: &[i32]) -> Entry {
    let answer = |&index: &i32| ScenarioResult {
        index,
        reason: TerminationReason::Optimal.into(),
        objective: Some(f64::from(index)),
        ..ScenarioResult::default()
    };
    Entry::ScenarioResults(ScenarioResults { results: indices.iter().map(answer).collect() })
}

/// Folds the log of a sweep of five scenarios with these answers: the attempt, the number of
/// the entry, and the indices of the scenarios.
fn account(stop_on_first: Option<StopOnFirst>, found: &[(&str, u32, &[i32])]) -> Account {
    let sense = ObjectiveSense::Maximize.into();
    let sweep = SweepDescription { scenario_count: 5, sense, stop_on_first, ..Default::default() };
    let description = Some(JobDescription { sweep: Some(sweep), ..JobDescription::default() });
    let submitted = Submitted { description, ..Submitted::default() };
    let mut case = Case::jobs(0);
    case.writes(0, "", 0, Entry::Submitted(submitted));
    for (attempt, number, indices) in found {
        case.writes(0, attempt, *number, answers(indices));
    }
    // Answers alone create no job.
    case.appends(LogEntry {
        job_id: "unknown".to_owned(),
        kind: Some(answers(&[0])),
        ..LogEntry::default()
    });
    let mut ledger = Ledger::read(&case.log);
    assert_eq!(ledger.jobs.len(), 1);
    ledger.jobs.remove(&id(0)).expect("a job")
}

/// The indices of the scenarios in each event with answers.
fn answered(account: &Account) -> Vec<Vec<i32>> {
    let kinds = (1..).map_while(|sequence| account.event(sequence)).map(|event| &event.kind);
    kinds
        .filter_map(|kind| match kind {
            Kind::ScenarioResults(it) => Some(it.results.iter().map(|it| it.index).collect()),
            _ => None,
        })
        .collect()
}

fn summary(account: &Account) -> Option<SweepSummary> {
    account.end().and_then(|end| end.sweep_summary.clone())
}

#[test]
fn each_scenario_counts_once_and_the_last_answer_ends_the_job() {
    let found: [(&str, u32, &[i32]); 3] =
        [("a", 2, &[0, 1]), ("b", 2, &[1, 5, 2]), ("a", 3, &[3, 2, 4])];
    assert_eq!(account(None, &found[..2]).end(), None);
    let account = account(None, &found);
    assert_eq!(answered(&account), [vec![0, 1], vec![2], vec![3, 4]]);
    assert_eq!(account.end().map(|end| end.state()), Some(JobState::Succeeded));
    let summary = summary(&account).expect("a summary");
    let extremes = [summary.best, summary.worst].map(|it| it.map(|it| it.index));
    assert_eq!((summary.answered_count, extremes), (5, [Some(4), Some(0)]));
}

#[test]
fn a_sweep_ends_at_the_first_scenario_that_meets_the_target() {
    let stop = Some(StopOnFirst { objective_target: Some(2.0) });
    let account = account(stop, &[("a", 2, &[0, 1]), ("b", 2, &[3, 2]), ("a", 3, &[4])]);
    assert_eq!(answered(&account), [[0, 1], [3, 2]]);
    let summary = summary(&account).expect("a summary");
    assert_eq!((summary.answered_count, summary.stopped_by), (4, Some(3)));
}
