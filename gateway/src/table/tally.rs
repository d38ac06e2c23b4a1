//! What the answers of a sweep add up to. Pure.

use std::collections::HashSet;

use solvemesh::v1::{
    ObjectiveSense, ScenarioExtreme, ScenarioRange, ScenarioResult, SweepDescription, SweepSummary,
    TerminationCount, TerminationReason,
};
use solvemesh_model::sweep::fulfils;

/// The answers of a sweep so far: whose they are, and what they add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// A bit for each scenario, the first one the lowest; none after the last that is set.
    answered: Vec<u8>,
    summary: SweepSummary,
}

/// What an entry's answers come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fresh {
    /// Those of scenarios that were not answered before.
    pub(super) results: Vec<ScenarioResult>,
    /// The other scenarios that it answers.
    pub(super) answered_before: Vec<i32>,
}

impl Tally {
    /// No answers.
    pub(super) fn of(sweep: &SweepDescription) -> Self {
        let summary = SweepSummary { scenarios: sweep.scenarios, ..SweepSummary::default() };
        Self { answered: Vec::new(), summary }
    }

    /// As it was kept elsewhere: the bits of [`Tally::answered`].
    pub(super) fn from_parts(answered: Vec<u8>, summary: SweepSummary) -> Self {
        Self { answered, summary }
    }

    /// A bit for each scenario that is answered, the first one the lowest of the first byte.
    pub(super) fn answered(&self) -> &[u8] {
        &self.answered
    }

    /// What the answers add up to.
    pub fn summary(&self) -> &SweepSummary {
        &self.summary
    }

    /// Takes an entry's answers in. The first answer of each scenario counts.
    pub(super) fn add(&mut self, sweep: &SweepDescription, results: &[ScenarioResult]) -> Fresh {
        let indices = results.iter().map(|result| result.index);
        let answered_before = indices.filter(|index| self.has(*index)).collect();
        let mut fresh = Vec::new();
        for result in results {
            if in_range(result.index, sweep.scenarios) && self.mark(result.index) {
                self.count(sweep, result);
                fresh.push(result.clone());
            }
        }
        Fresh { results: fresh, answered_before }
    }

    /// Whether no more answers are wanted.
    pub(super) fn is_over(&self) -> bool {
        self.summary.answered >= self.summary.scenarios || self.summary.stopped_by.is_some()
    }

    /// The scenarios that are answered, as at most so many runs, the first ones.
    pub fn runs(&self, most: usize) -> Vec<ScenarioRange> {
        let mut runs: Vec<ScenarioRange> = Vec::new();
        let bits = i32::try_from(self.answered.len().saturating_mul(8)).unwrap_or(i32::MAX);
        for index in (0..bits).filter(|index| self.has(*index)) {
            let full = runs.len() >= most;
            match runs.last_mut() {
                Some(run) if run.first + run.count == index => run.count += 1,
                _ if full => break,
                _ => runs.push(ScenarioRange { first: index, count: 1 }),
            }
        }
        runs
    }

    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.answered.len()
    }

    fn has(&self, index: i32) -> bool {
        let Ok(index) = usize::try_from(index) else { return false };
        self.answered.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    /// Notes that a scenario is answered; false if it was.
    fn mark(&mut self, index: i32) -> bool {
        let Ok(at) = usize::try_from(index).map(|index| index / 8) else { return false };
        if self.answered.len() <= at {
            self.answered.resize(at + 1, 0);
        }
        let bit = 1 << (index % 8);
        let is_new = self.answered[at] & bit == 0;
        self.answered[at] |= bit;
        is_new
    }

    fn count(&mut self, sweep: &SweepDescription, result: &ScenarioResult) {
        let summary = &mut self.summary;
        summary.answered += 1;
        summary.iterations = summary.iterations.saturating_add(result.iterations.max(0));
        match summary.counts.binary_search_by_key(&result.reason, |count| count.reason) {
            Ok(at) => summary.counts[at].count += 1,
            Err(at) => {
                summary.counts.insert(at, TerminationCount { reason: result.reason, count: 1 });
            }
        }
        if !matches!(result.reason(), TerminationReason::Optimal | TerminationReason::Feasible) {
            return;
        }
        let is_better = |one: f64, other: f64| match sweep.sense() {
            ObjectiveSense::Maximize => one > other,
            ObjectiveSense::Minimize | ObjectiveSense::Unspecified => one < other,
        };
        let objective = result.objective.filter(|objective| objective.is_finite());
        if let Some(objective) = objective {
            let extreme =
                || ScenarioExtreme { index: result.index, label: result.label.clone(), objective };
            if summary.best.as_ref().is_none_or(|best| is_better(objective, best.objective)) {
                summary.best = Some(extreme());
            }
            if summary.worst.as_ref().is_none_or(|worst| is_better(worst.objective, objective)) {
                summary.worst = Some(extreme());
            }
        }
        if let Some(stop) = &sweep.stop_on_first
            && summary.stopped_by.is_none()
            && fulfils(stop, sweep.sense(), result)
        {
            summary.stopped_by = Some(result.index);
        }
    }
}

/// The answers of an entry that were told, of all that it has: what `Tally::add` returned
/// once.
pub fn told_of(
    results: Vec<ScenarioResult>,
    scenarios: i32,
    answered_before: &[i32],
) -> Vec<ScenarioResult> {
    let mut seen: HashSet<i32> = answered_before.iter().copied().collect();
    let mut results = results;
    results.retain(|result| in_range(result.index, scenarios) && seen.insert(result.index));
    results
}

fn in_range(index: i32, scenarios: i32) -> bool {
    (0..scenarios).contains(&index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use solvemesh::v1::StopOnFirst;

    use super::*;

    fn sweep(scenarios: i32, sense: ObjectiveSense) -> SweepDescription {
        SweepDescription { scenarios, sense: sense.into(), ..SweepDescription::default() }
    }

    fn optimal(index: i32, objective: f64) -> ScenarioResult {
        ScenarioResult {
            index,
            label: format!("scenario {index}"),
            reason: TerminationReason::Optimal.into(),
            objective: Some(objective),
            iterations: 2,
            ..ScenarioResult::default()
        }
    }

    fn failed(index: i32, reason: TerminationReason) -> ScenarioResult {
        ScenarioResult { reason: reason.into(), ..optimal(index, -1e9) }
    }

    fn extreme(index: i32, objective: f64) -> Option<ScenarioExtreme> {
        Some(ScenarioExtreme { index, label: format!("scenario {index}"), objective })
    }

    #[test]
    fn answers_are_counted_by_reason_with_the_first_best_and_the_first_worst() {
        for (sense, best, worst) in [
            (ObjectiveSense::Minimize, extreme(1, 1.0), extreme(0, 3.0)),
            (ObjectiveSense::Maximize, extreme(0, 3.0), extreme(1, 1.0)),
        ] {
            let sweep = sweep(6, sense);
            let mut tally = Tally::of(&sweep);
            let infeasible = failed(2, TerminationReason::Infeasible);
            let imprecise = failed(3, TerminationReason::Imprecise);
            let answers =
                [optimal(0, 3.0), infeasible, optimal(1, 1.0), imprecise, optimal(4, 3.0)];
            assert_eq!(tally.add(&sweep, &answers).results, answers);
            let count = |reason: TerminationReason, count| TerminationCount {
                reason: reason.into(),
                count,
            };
            assert!(!tally.is_over());
            tally.add(&sweep, &[optimal(5, 1.0)]);
            assert!(tally.is_over());
            let expected = SweepSummary {
                scenarios: 6,
                answered: 6,
                counts: vec![
                    count(TerminationReason::Optimal, 4),
                    count(TerminationReason::Infeasible, 1),
                    count(TerminationReason::Imprecise, 1),
                ],
                best,
                worst,
                iterations: 12,
                stopped_by: None,
            };
            assert_eq!(*tally.summary(), expected);
        }
    }

    #[test]
    fn what_was_answered_or_is_no_scenario_is_dropped() {
        let sweep = sweep(4, ObjectiveSense::Minimize);
        let mut tally = Tally::of(&sweep);
        tally.add(&sweep, &[optimal(1, 1.0)]);
        let entry = [-1, 1, 4, 2, 2, 3].map(|index| optimal(index, 5.0));
        let fresh = tally.add(&sweep, &entry);
        let indices = |results: &[ScenarioResult]| -> Vec<i32> {
            results.iter().map(|result| result.index).collect()
        };
        assert_eq!((indices(&fresh.results), &fresh.answered_before), (vec![2, 3], &vec![1]));
        assert_eq!(told_of(entry.to_vec(), 4, &fresh.answered_before), fresh.results);
        assert_eq!(tally.summary().answered, 3);
    }

    #[test]
    fn a_sweep_stops_at_the_first_scenario_that_is_good_enough() {
        let stopped = |target, sense| {
            let stop_on_first = Some(StopOnFirst { objective_target: target });
            let sweep = SweepDescription { stop_on_first, ..sweep(9, sense) };
            let mut tally = Tally::of(&sweep);
            let none = failed(0, TerminationReason::NoSolutionFound);
            tally.add(&sweep, &[none, optimal(1, 2.0), optimal(2, 3.0), optimal(3, 1.0)]);
            assert_eq!(tally.is_over(), tally.summary().stopped_by.is_some());
            tally.summary().stopped_by
        };
        assert_eq!(stopped(None, ObjectiveSense::Minimize), Some(1));
        assert_eq!(stopped(Some(1.0), ObjectiveSense::Minimize), Some(3));
        assert_eq!(stopped(Some(0.5), ObjectiveSense::Minimize), None);
        assert_eq!(stopped(Some(3.0), ObjectiveSense::Maximize), Some(2));
    }

    #[test]
    fn runs_are_the_first_ones_where_there_are_too_many() {
        let sweep = sweep(100, ObjectiveSense::Minimize);
        let mut tally = Tally::of(&sweep);
        let answered = [0, 1, 2, 7, 8, 9, 40];
        tally.add(&sweep, &answered.map(|index| optimal(index, 0.0)));
        let run = |first, count| ScenarioRange { first, count };
        assert_eq!(tally.runs(9), [run(0, 3), run(7, 3), run(40, 1)]);
        assert_eq!(tally.runs(2), [run(0, 3), run(7, 3)]);
    }

    proptest! {
        #[test]
        fn a_tally_is_the_same_however_its_answers_come_together(
            answers in prop::collection::vec((-2..20_i32, 0..5_i32), 0..60),
            cuts in prop::collection::vec(1..7_usize, 60),
        ) {
            let sweep = sweep(17, ObjectiveSense::Maximize);
            let answers: Vec<ScenarioResult> = answers
                .into_iter()
                .map(|(index, objective)| optimal(index, f64::from(objective)))
                .collect();
            let mut whole = Tally::of(&sweep);
            let all = whole.add(&sweep, &answers).results;
            let mut pieces = Tally::of(&sweep);
            let mut told = Vec::new();
            let mut rest = answers.as_slice();
            for size in cuts {
                let (entry, after) = rest.split_at(size.min(rest.len()));
                let fresh = pieces.add(&sweep, entry);
                let again = told_of(entry.to_vec(), sweep.scenarios, &fresh.answered_before);
                prop_assert_eq!(&again, &fresh.results);
                told.extend(fresh.results);
                rest = after;
            }
            prop_assert_eq!(&pieces, &whole);
            prop_assert_eq!(&told, &all);
            let count: i32 = pieces.runs(99).iter().map(|run| run.count).sum();
            prop_assert_eq!(count, pieces.summary().answered);
        }
    }
}
