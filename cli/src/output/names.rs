//! Short names of the values of protobuf enums: SUCCEEDED for `JOB_STATE_SUCCEEDED`, `None` for
//! UNSPECIFIED.

use solvemesh_client::v1::{
    JobState, Solver, SolverOptionType, TerminationLimit, TerminationReason, VariableKind,
};

/// The name of a job state.
pub(crate) fn state(state: JobState) -> Option<&'static str> {
    short(state.as_str_name(), "JOB_STATE_")
}

/// The name of a termination reason.
pub(crate) fn reason(reason: TerminationReason) -> Option<&'static str> {
    short(reason.as_str_name(), "TERMINATION_REASON_")
}

/// The name of a limit.
pub(crate) fn limit(limit: TerminationLimit) -> Option<&'static str> {
    short(limit.as_str_name(), "TERMINATION_LIMIT_")
}

/// The name of a solver.
pub(crate) fn solver(solver: Solver) -> Option<&'static str> {
    short(solver.as_str_name(), "SOLVER_")
}

/// The name of a kind of variables.
pub(crate) fn variable_kind(kind: VariableKind) -> Option<&'static str> {
    short(kind.as_str_name(), "VARIABLE_KIND_")
}

/// The name of an option type.
pub(crate) fn option_type(kind: SolverOptionType) -> Option<&'static str> {
    short(kind.as_str_name(), "SOLVER_OPTION_TYPE_")
}

fn short(full: &'static str, prefix: &str) -> Option<&'static str> {
    full.strip_prefix(prefix).filter(|&name| name != "UNSPECIFIED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_prefix_and_unspecified_has_no_name() {
        assert_eq!(state(JobState::Succeeded), Some("SUCCEEDED"));
        assert_eq!(reason(TerminationReason::Unspecified), None);
        assert_eq!(limit(TerminationLimit::Time), Some("TIME"));
        assert_eq!(solver(Solver::Highs), Some("HIGHS"));
        assert_eq!(variable_kind(VariableKind::SemiInteger), Some("SEMI_INTEGER"));
    }
}
