//! The answers of a sweep. The summary is computed from all of them each time.

use std::collections::{BTreeMap, BTreeSet};

use solvemesh::v1::{
    ObjectiveSense, ScenarioExtreme, ScenarioResult, SweepDescription, SweepSummary,
    TerminationCount, TerminationReason,
};

/// The answers of a sweep so far: the first answer to each scenario, in log order.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Vec<ScenarioResult>);

impl Answers {
    /// Adds the answers to scenarios that have none yet, and returns these. Indices out of
    /// range are ignored.
    pub(super) fn take(
        &mut self,
        sweep: &SweepDescription,
        results: &[ScenarioResult],
    ) -> Vec<ScenarioResult> {
        let mut seen: BTreeSet<i32> = self.0.iter().map(|result| result.index).collect();
        let is_new = |result: &&ScenarioResult| {
            (0..sweep.scenario_count).contains(&result.index) && seen.insert(result.index)
        };
        let added: Vec<ScenarioResult> = results.iter().filter(is_new).cloned().collect();
        self.0.extend(added.iter().cloned());
        added
    }

    /// Whether they end the sweep: all scenarios are answered, or one meets the target.
    pub(super) fn are_enough(&self, sweep: &SweepDescription) -> bool {
        let summary = self.summary(sweep);
        summary.answered_count == summary.scenario_count || summary.stopped_by.is_some()
    }

    /// Their summary.
    pub(super) fn summary(&self, sweep: &SweepDescription) -> SweepSummary {
        let mut counts = BTreeMap::<i32, i32>::new();
        for result in &self.0 {
            *counts.entry(result.reason).or_default() += 1;
        }
        let holds = |result: &&ScenarioResult| {
            matches!(result.reason(), TerminationReason::Optimal | TerminationReason::Feasible)
        };
        // The sign makes every sense a minimisation: smaller is better.
        let sign = if sweep.sense() == ObjectiveSense::Maximize { -1.0 } else { 1.0 };
        let cost = |result: &&ScenarioResult| sign * result.objective();
        let solved = || self.0.iter().filter(holds).filter(|result| result.objective.is_some());
        // Among equals both are the first: `min_by` returns the first minimum.
        let best = solved().min_by(|one, other| cost(one).total_cmp(&cost(other)));
        let worst = solved().min_by(|one, other| cost(other).total_cmp(&cost(one)));
        let extreme = |result: &ScenarioResult| ScenarioExtreme {
            index: result.index,
            label: result.label.clone(),
            objective: Some(result.objective()),
        };
        let meets_target = |result: &&ScenarioResult| {
            let stop = sweep.stop_on_first.as_ref();
            stop.is_some_and(|stop| match stop.objective_target {
                Some(target) => result.objective.is_some() && cost(result) <= sign * target,
                None => true,
            })
        };
        let length = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        SweepSummary {
            scenario_count: sweep.scenario_count,
            answered_count: length(self.0.len()),
            counts: counts
                .into_iter()
                .map(|(reason, count)| TerminationCount { reason, count })
                .collect(),
            best: best.map(extreme),
            worst: worst.map(extreme),
            iteration_count: self.0.iter().map(|result| result.iteration_count).sum(),
            stopped_by: self.0.iter().filter(holds).find(meets_target).map(|result| result.index),
        }
    }
}
