use std::collections::BTreeMap;

use solvemesh::v1::{Event, ScenarioResult, event::Kind};

use crate::{Assembly, Error, Outcome};

/// How a sweep ended, and what came out of its scenarios.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// How it ended, with the summary of its answers in `sweep`.
    pub outcome: Outcome,
    /// The answers, in the order of the scenarios. Not all of them, where the sweep ended
    /// before: by `stop_on_first`, cancelled, failed or expired.
    pub results: Vec<ScenarioResult>,
}

/// The answers of a sweep so far.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    results: BTreeMap<i32, ScenarioResult>,
    assembly: Assembly,
}

impl Collected {
    /// Takes the next event of the sweep; returns all of them when it ends.
    pub(crate) fn add(&mut self, event: Event) -> Result<Option<Answers>, Error> {
        if let Some(Kind::ScenarioResults(answers)) = event.kind {
            for result in answers.results {
                let index = result.index;
                if self.results.insert(index, result).is_some() {
                    return Err(Error::Malformed(format!("scenario {index} is answered twice")));
                }
            }
            return Ok(None);
        }
        Ok(self.assembly.add(event)?.map(|outcome| Answers {
            outcome,
            results: std::mem::take(&mut self.results).into_values().collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::v1::{Finished, JobState, ScenarioResults, SweepSummary};

    use super::*;

    fn event(kind: Kind) -> Event {
        Event { job_id: "j".into(), kind: Some(kind), ..Event::default() }
    }

    fn answers(indices: &[i32]) -> Event {
        let result = |&index| ScenarioResult { index, ..ScenarioResult::default() };
        let results = indices.iter().map(result).collect();
        event(Kind::ScenarioResults(ScenarioResults { results }))
    }

    #[test]
    fn answers_are_put_in_the_order_of_their_scenarios() {
        let mut collected = Collected::default();
        assert_eq!(collected.add(answers(&[3, 0])).unwrap(), None);
        assert_eq!(collected.add(answers(&[2])).unwrap(), None);
        let sweep = Some(SweepSummary { scenarios: 5, answered: 3, ..SweepSummary::default() });
        let state = JobState::Cancelled.into();
        let end = event(Kind::Finished(Finished { state, sweep, ..Finished::default() }));
        let whole = collected.add(end).unwrap().unwrap();
        let indices: Vec<_> = whole.results.iter().map(|result| result.index).collect();
        assert_eq!(indices, [0, 2, 3]);
        assert_eq!(whole.outcome.sweep.map(|sweep| sweep.answered), Some(3));
    }

    #[test]
    fn a_scenario_that_is_answered_twice_makes_no_sense() {
        let mut collected = Collected::default();
        collected.add(answers(&[1])).unwrap();
        assert!(matches!(collected.add(answers(&[1])), Err(Error::Malformed(_))));
    }
}
