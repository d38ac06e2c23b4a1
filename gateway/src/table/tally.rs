//! Counts and summarises the answers of a sweep. Pure.

use std::collections::HashSet;

use solvemesh::{
    broker::v1::ScenarioRange,
    v1::{
        ObjectiveSense, ScenarioExtreme, ScenarioResult, SweepDescription, SweepSummary,
        TerminationCount, TerminationReason,
    },
};
use solvemesh_model::sweep::meets_target;

/// The answers of a sweep so far: which scenarios are answered, and their summary.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// A bit for each scenario, the first one the lowest of the first byte; grows up to the last
    /// bit that is set.
    answered: Vec<u8>,
    summary: SweepSummary,
}

/// The answers of one entry, split into new and repeated ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NewAnswers {
    /// The first answers of their scenarios.
    pub(super) results: Vec<ScenarioResult>,
    /// The scenarios in the entry that earlier entries had answered.
    pub(super) duplicate_scenarios: Vec<i32>,
}

impl Tally {
    /// A tally without answers.
    pub(super) fn of(sweep: &SweepDescription) -> Self {
        let summary =
            SweepSummary { scenario_count: sweep.scenario_count, ..SweepSummary::default() };
        Self { answered: Vec::new(), summary }
    }

    /// A tally from a snapshot: the bits of [`Tally::answered`] and the summary.
    pub(super) fn from_parts(answered: Vec<u8>, summary: SweepSummary) -> Self {
        Self { answered, summary }
    }

    /// A bit for each scenario that is answered, the first one the lowest of the first byte.
    pub(super) fn answered(&self) -> &[u8] {
        &self.answered
    }

    /// The summary of the answers so far.
    pub(crate) fn summary(&self) -> &SweepSummary {
        &self.summary
    }

    /// Adds an entry's answers. Only the first answer of each scenario counts; others, and those
    /// with an index out of range, are dropped.
    pub(super) fn add(
        &mut self,
        sweep: &SweepDescription,
        results: &[ScenarioResult],
    ) -> NewAnswers {
        let indices = results.iter().map(|result| result.index);
        let duplicate_scenarios = indices.filter(|index| self.is_answered(*index)).collect();
        let mut new_answers = Vec::new();
        for result in results {
            if in_range(result.index, sweep.scenario_count) && self.set_answered(result.index) {
                self.count(sweep, result);
                new_answers.push(result.clone());
            }
        }
        NewAnswers { results: new_answers, duplicate_scenarios }
    }

    /// Whether the sweep is finished: all scenarios are answered, or one met the target.
    pub(super) fn is_finished(&self) -> bool {
        self.summary.answered_count >= self.summary.scenario_count
            || self.summary.stopped_by.is_some()
    }

    /// The answered scenarios as ranges of consecutive indices, in order; the first `max` of them.
    pub(crate) fn answered_ranges(&self, max: usize) -> Vec<ScenarioRange> {
        let mut ranges: Vec<ScenarioRange> = Vec::new();
        let bits = i32::try_from(self.answered.len().saturating_mul(8)).unwrap_or(i32::MAX);
        for index in (0..bits).filter(|index| self.is_answered(*index)) {
            let full = ranges.len() >= max;
            match ranges.last_mut() {
                Some(range) if range.first + range.count == index => range.count += 1,
                _ if full => break,
                _ => ranges.push(ScenarioRange { first: index, count: 1 }),
            }
        }
        ranges
    }

    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.answered.len()
    }

    fn is_answered(&self, index: i32) -> bool {
        let Ok(index) = usize::try_from(index) else { return false };
        self.answered.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    /// Marks a scenario as answered; false if it was already.
    fn set_answered(&mut self, index: i32) -> bool {
        let Ok(at) = usize::try_from(index).map(|index| index / 8) else { return false };
        if self.answered.len() <= at {
            self.answered.resize(at + 1, 0);
        }
        let bit = 1 << (index % 8);
        let is_new = self.answered[at] & bit == 0;
        self.answered[at] |= bit;
        is_new
    }

    /// Adds an answer to the summary.
    fn count(&mut self, sweep: &SweepDescription, result: &ScenarioResult) {
        let summary = &mut self.summary;
        summary.answered_count += 1;
        summary.iteration_count =
            summary.iteration_count.saturating_add(result.iteration_count.max(0));
        // Sorted by reason, so that equal tallies compare equal.
        match summary.counts.binary_search_by_key(&result.reason, |count| count.reason) {
            Ok(at) => summary.counts[at].count += 1,
            Err(at) => {
                summary.counts.insert(at, TerminationCount { reason: result.reason, count: 1 });
            }
        }
        if !matches!(result.reason(), TerminationReason::Optimal | TerminationReason::Feasible) {
            // The other reasons have no objective to compare, or none that holds.
            return;
        }
        let is_better = |one: f64, other: f64| match sweep.sense() {
            ObjectiveSense::Maximize => one > other,
            ObjectiveSense::Minimize | ObjectiveSense::Unspecified => one < other,
        };
        let objective = result.objective.filter(|objective| objective.is_finite());
        if let Some(objective) = objective {
            let extreme = || ScenarioExtreme {
                index: result.index,
                label: result.label.clone(),
                objective: Some(objective),
            };
            if summary.best.as_ref().is_none_or(|best| is_better(objective, best.objective())) {
                summary.best = Some(extreme());
            }
            if summary.worst.as_ref().is_none_or(|worst| is_better(worst.objective(), objective)) {
                summary.worst = Some(extreme());
            }
        }
        if let Some(stop) = &sweep.stop_on_first
            && summary.stopped_by.is_none()
            && meets_target(stop, sweep.sense(), result)
        {
            summary.stopped_by = Some(result.index);
        }
    }
}

/// Filters an entry that was read back from the log: returns the answers that counted, the same
/// that `Tally::add` returned when the entry was folded.
pub(crate) fn counted_answers(
    results: Vec<ScenarioResult>,
    scenarios: i32,
    duplicate_scenarios: &[i32],
) -> Vec<ScenarioResult> {
    let mut seen: HashSet<i32> = duplicate_scenarios.iter().copied().collect();
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
        SweepDescription {
            scenario_count: scenarios,
            sense: sense.into(),
            ..SweepDescription::default()
        }
    }

    fn optimal(index: i32, objective: f64) -> ScenarioResult {
        ScenarioResult {
            index,
            label: format!("scenario {index}"),
            reason: TerminationReason::Optimal.into(),
            objective: Some(objective),
            iteration_count: 2,
            ..ScenarioResult::default()
        }
    }

    fn failed(index: i32, reason: TerminationReason) -> ScenarioResult {
        ScenarioResult { reason: reason.into(), ..optimal(index, -1e9) }
    }

    fn extreme(index: i32, objective: f64) -> Option<ScenarioExtreme> {
        Some(ScenarioExtreme {
            index,
            label: format!("scenario {index}"),
            objective: Some(objective),
        })
    }

    #[test]
    fn summary_counts_reasons_and_has_the_first_best_and_first_worst() {
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
            assert!(!tally.is_finished());
            tally.add(&sweep, &[optimal(5, 1.0)]);
            assert!(tally.is_finished());
            let expected = SweepSummary {
                scenario_count: 6,
                answered_count: 6,
                counts: vec![
                    count(TerminationReason::Optimal, 4),
                    count(TerminationReason::Infeasible, 1),
                    count(TerminationReason::Imprecise, 1),
                ],
                best,
                worst,
                iteration_count: 12,
                stopped_by: None,
            };
            assert_eq!(*tally.summary(), expected);
        }
    }

    #[test]
    fn repeated_and_out_of_range_answers_are_dropped() {
        let sweep = sweep(4, ObjectiveSense::Minimize);
        let mut tally = Tally::of(&sweep);
        tally.add(&sweep, &[optimal(1, 1.0)]);
        let entry = [-1, 1, 4, 2, 2, 3].map(|index| optimal(index, 5.0));
        let new_answers = tally.add(&sweep, &entry);
        let indices = |results: &[ScenarioResult]| -> Vec<i32> {
            results.iter().map(|result| result.index).collect()
        };
        assert_eq!(
            (indices(&new_answers.results), &new_answers.duplicate_scenarios),
            (vec![2, 3], &vec![1])
        );
        assert_eq!(
            counted_answers(entry.to_vec(), 4, &new_answers.duplicate_scenarios),
            new_answers.results
        );
        assert_eq!(tally.summary().answered_count, 3);
    }

    #[test]
    fn sweep_stops_at_the_first_scenario_that_meets_the_target() {
        let stopped = |target, sense| {
            let stop_on_first = Some(StopOnFirst { objective_target: target });
            let sweep = SweepDescription { stop_on_first, ..sweep(9, sense) };
            let mut tally = Tally::of(&sweep);
            let none = failed(0, TerminationReason::NoSolutionFound);
            tally.add(&sweep, &[none, optimal(1, 2.0), optimal(2, 3.0), optimal(3, 1.0)]);
            assert_eq!(tally.is_finished(), tally.summary().stopped_by.is_some());
            tally.summary().stopped_by
        };
        assert_eq!(stopped(None, ObjectiveSense::Minimize), Some(1));
        assert_eq!(stopped(Some(1.0), ObjectiveSense::Minimize), Some(3));
        assert_eq!(stopped(Some(0.5), ObjectiveSense::Minimize), None);
        assert_eq!(stopped(Some(3.0), ObjectiveSense::Maximize), Some(2));
    }

    #[test]
    fn runs_are_limited_to_the_first_ones() {
        let sweep = sweep(100, ObjectiveSense::Minimize);
        let mut tally = Tally::of(&sweep);
        let answered = [0, 1, 2, 7, 8, 9, 40];
        tally.add(&sweep, &answered.map(|index| optimal(index, 0.0)));
        let range = |first, count| ScenarioRange { first, count };
        assert_eq!(tally.answered_ranges(9), [range(0, 3), range(7, 3), range(40, 1)]);
        assert_eq!(tally.answered_ranges(2), [range(0, 3), range(7, 3)]);
    }

    proptest! {
        #[test]
        fn tally_does_not_depend_on_how_answers_are_batched(
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
            let mut counted = Vec::new();
            let mut rest = answers.as_slice();
            for size in cuts {
                let (entry, after) = rest.split_at(size.min(rest.len()));
                let new_answers = pieces.add(&sweep, entry);
                let duplicates = &new_answers.duplicate_scenarios;
                let replayed =
                    counted_answers(entry.to_vec(), sweep.scenario_count, duplicates);
                prop_assert_eq!(&replayed, &new_answers.results);
                counted.extend(new_answers.results);
                rest = after;
            }
            prop_assert_eq!(&pieces, &whole);
            prop_assert_eq!(&counted, &all);
            let count: i32 = pieces.answered_ranges(99).iter().map(|range| range.count).sum();
            prop_assert_eq!(count, pieces.summary().answered_count);
        }
    }
}
