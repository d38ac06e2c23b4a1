use solvemesh::v1::{ObjectiveSense, ScenarioResult, StopOnFirst, TerminationReason};

/// Whether the result of a scenario stops the sweep: it has a solution and, if there is a
/// target, an objective that is at least as good.
pub fn meets_target(stop: &StopOnFirst, sense: ObjectiveSense, answer: &ScenarioResult) -> bool {
    let solved =
        matches!(answer.reason(), TerminationReason::Optimal | TerminationReason::Feasible);
    solved
        && match (stop.objective_target, answer.objective) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(target), Some(objective)) => match sense {
                ObjectiveSense::Maximize => objective >= target,
                ObjectiveSense::Minimize | ObjectiveSense::Unspecified => objective <= target,
            },
        }
}
