use solvemesh::v1::{ObjectiveSense, ScenarioResult, StopOnFirst, TerminationReason};

/// Whether a scenario's answer is what the sweep was for: a solution, and where there is a
/// target, one that is at least as good.
pub fn fulfils(stop: &StopOnFirst, sense: ObjectiveSense, answer: &ScenarioResult) -> bool {
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
