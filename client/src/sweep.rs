use std::collections::BTreeMap;

use solvemesh::v1::{JobEvent, ScenarioResult, job_event::Kind};

use crate::{Assembly, Error, Outcome};

/// The outcome of a sweep and the results of its scenarios.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepResults {
    /// The outcome, with the summary in `sweep`.
    pub outcome: Outcome,
    /// The results, in the order of the scenarios. Some are missing if the sweep ended early: by
    /// `stop_on_first`, cancelled, failed or expired.
    pub results: Vec<ScenarioResult>,
}

/// The results of a sweep so far.
#[derive(Debug, Default)]
pub(crate) struct SweepCollector {
    results: BTreeMap<i32, ScenarioResult>,
    assembly: Assembly,
}

impl SweepCollector {
    /// Adds the next event of the sweep. Returns all results if the event finishes the sweep.
    pub(crate) fn add(&mut self, event: JobEvent) -> Result<Option<SweepResults>, Error> {
        if let Some(Kind::ScenarioResults(answers)) = event.kind {
            for result in answers.results {
                let index = result.index;
                if self.results.insert(index, result).is_some() {
                    return Err(Error::Malformed(format!("two results of scenario {index}")));
                }
            }
            return Ok(None);
        }
        Ok(self.assembly.add(event)?.map(|outcome| SweepResults {
            outcome,
            results: std::mem::take(&mut self.results).into_values().collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::v1::{JobFinished, JobState, ScenarioResults, SweepSummary};

    use super::*;

    fn event(kind: Kind) -> JobEvent {
        JobEvent { job_id: "j".into(), kind: Some(kind), ..JobEvent::default() }
    }

    fn answers(indices: &[i32]) -> JobEvent {
        let result = |&index| ScenarioResult { index, ..ScenarioResult::default() };
        let results = indices.iter().map(result).collect();
        event(Kind::ScenarioResults(ScenarioResults { results }))
    }

    #[test]
    fn results_are_sorted_by_scenario() {
        let mut collector = SweepCollector::default();
        assert_eq!(collector.add(answers(&[3, 0])).unwrap(), None);
        assert_eq!(collector.add(answers(&[2])).unwrap(), None);
        let sweep =
            Some(SweepSummary { scenario_count: 5, answered_count: 3, ..SweepSummary::default() });
        let state = JobState::Cancelled.into();
        let end = event(Kind::Finished(
            JobFinished { state, sweep_summary: sweep, ..JobFinished::default() }.into(),
        ));
        let whole = collector.add(end).unwrap().unwrap();
        let indices: Vec<_> = whole.results.iter().map(|result| result.index).collect();
        assert_eq!(indices, [0, 2, 3]);
        assert_eq!(whole.outcome.sweep.map(|sweep| sweep.answered_count), Some(3));
    }

    #[test]
    fn two_results_of_a_scenario_are_malformed() {
        let mut collector = SweepCollector::default();
        collector.add(answers(&[1])).unwrap();
        assert!(matches!(collector.add(answers(&[1])), Err(Error::Malformed(_))));
    }
}
