//! Results of scenarios: how many values each has, and whether one stops its sweep.

use solvemesh::v1::{
    ObjectiveSense, ScenarioReport, ScenarioResult, StopOnFirst, TerminationReason,
};

/// The number of values that a report has for each scenario, for a model with this number of
/// variables and constraints.
pub fn values_per_scenario(report: &ScenarioReport, variables: usize, constraints: usize) -> usize {
    let count = |all: bool, some: &[String], of: usize| if all { of } else { some.len() };
    count(report.all_variables, &report.variables, variables).saturating_add(count(
        report.all_constraints,
        &report.constraints,
        constraints,
    ))
}

/// Whether the result of a scenario stops the sweep: it has a solution and, if there is a
/// target, an objective that is at least as good.
pub fn meets_target(stop: &StopOnFirst, sense: ObjectiveSense, answer: &ScenarioResult) -> bool {
    let solved =
        matches!(answer.reason(), TerminationReason::Optimal | TerminationReason::Feasible);
    solved
        && match (stop.objective_target, answer.objective) {
            (None, _) => true,
            // Without an objective there is nothing to compare with the target.
            (Some(_), None) => false,
            (Some(target), Some(objective)) => match sense {
                ObjectiveSense::Maximize => objective >= target,
                ObjectiveSense::Minimize | ObjectiveSense::Unspecified => objective <= target,
            },
        }
}
