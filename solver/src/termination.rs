//! Translates the status of a solver into a [`Termination`] of the contract. Pure.

use solvemesh::v1::{Termination, TerminationLimit as Limit, TerminationReason as Reason};

use solvemesh_model::{finite, relative_gap};

use super::{arrays::Arrays, highs::ModelStatus};

/// The state of HiGHS after a solve.
#[derive(Clone, Copy, Debug)]
pub(super) struct HighsState {
    /// Its status.
    pub status: ModelStatus,
    /// Whether HiGHS solved the model as a MIP, by branch and bound.
    pub mip: bool,
    /// The objective of the feasible solution that HiGHS holds.
    pub objective: Option<f64>,
    /// The best bound that branch and bound has proven.
    pub mip_bound: Option<f64>,
    /// Whether the node limit was reached, for which HiGHS has the status of a solution limit.
    pub node_limit: bool,
}

/// The termination of a solve by HiGHS.
pub(super) fn from_highs(state: &HighsState) -> Termination {
    let (reason, limit) = translate_status(state);
    let objective = match reason {
        // Whatever HiGHS holds is no optimum, and may be of a run without the objective.
        Reason::Infeasible | Reason::Unbounded | Reason::InfeasibleOrUnbounded => None,
        _ => state.objective.and_then(finite),
    };
    let bound = match reason {
        // HiGHS has no bound of an LP, but an optimal LP is its own bound.
        Reason::Optimal if !state.mip => objective,
        Reason::Optimal | Reason::Feasible | Reason::NoSolutionFound if state.mip => {
            state.mip_bound.and_then(finite)
        }
        _ => None,
    };
    Termination {
        reason: reason as i32,
        limit: limit as i32,
        detail: format!("HiGHS: {}", state.status),
        objective,
        objective_bound: bound,
        relative_gap: relative_gap(objective, bound),
        warnings: Vec::new(),
    }
}

/// The reason and limit that HiGHS's status stands for.
fn translate_status(state: &HighsState) -> (Reason, Limit) {
    use ModelStatus as Status;
    let limit = match state.status {
        Status::Optimal => return (Reason::Optimal, Limit::Unspecified),
        Status::Infeasible => return (Reason::Infeasible, Limit::Unspecified),
        Status::Unbounded => return (Reason::Unbounded, Limit::Unspecified),
        Status::UnboundedOrInfeasible => {
            return (Reason::InfeasibleOrUnbounded, Limit::Unspecified);
        }
        Status::Unknown => return (Reason::NumericalError, Limit::Unspecified),
        Status::NotSet
        | Status::LoadError
        | Status::ModelError
        | Status::PresolveError
        | Status::SolveError
        | Status::PostsolveError
        // Models without variables don't reach HiGHS.
        | Status::Empty
        | Status::Other(_) => return (Reason::OtherError, Limit::Unspecified),
        Status::TimeLimit => Limit::Time,
        Status::IterationLimit => Limit::Iteration,
        Status::SolutionLimit if state.node_limit => Limit::Node,
        Status::SolutionLimit => Limit::Solution,
        Status::Interrupted => Limit::Interrupted,
        Status::MemoryLimit => Limit::Memory,
        Status::ObjectiveBound | Status::ObjectiveTarget => Limit::Objective,
    };
    let found = state.objective.and_then(finite).is_some();
    (if found { Reason::Feasible } else { Reason::NoSolutionFound }, limit)
}

/// The termination of a solve that failed. `detail` is for the user.
pub(super) fn failed(detail: impl ToString) -> Termination {
    Termination {
        reason: Reason::OtherError as i32,
        detail: detail.to_string(),
        ..Termination::default()
    }
}

/// The termination of a solve that was stopped before it had a solution.
pub(super) fn stopped(limit: Limit, detail: impl ToString) -> Termination {
    Termination {
        reason: Reason::NoSolutionFound as i32,
        limit: limit as i32,
        detail: detail.to_string(),
        ..Termination::default()
    }
}

/// The termination of a solve with an optimum that is its own bound.
pub(super) fn optimal(objective: f64, detail: impl ToString) -> Termination {
    let objective = finite(objective);
    Termination {
        reason: Reason::Optimal as i32,
        detail: detail.to_string(),
        objective,
        objective_bound: objective,
        relative_gap: relative_gap(objective, objective),
        ..Termination::default()
    }
}

/// The termination of a model that needs no solver, and so gets the same answer from each.
///
/// A model with crossed bounds is infeasible. A model without variables is infeasible if a row
/// excludes 0, and otherwise has its offset as the optimum.
pub(super) fn trivial(arrays: &Arrays<'_>) -> Option<Termination> {
    let model = arrays.model();
    let infeasible = |detail| {
        let reason = Reason::Infeasible as i32;
        Some(Termination { reason, detail, ..Termination::default() })
    };
    let crossed = |lower: &[f64], upper: &[f64]| lower.iter().zip(upper).position(|(l, u)| l > u);
    if let Some(variable) = crossed(arrays.lower(), arrays.upper()) {
        let name = arrays.variable_name(variable);
        // Bounds that were not crossed as submitted were crossed by rounding to integers.
        return infeasible(if model.variable_lower[variable] > model.variable_upper[variable] {
            format!("the bounds of variable {name} are crossed")
        } else {
            format!("no integer lies between the bounds of variable {name}")
        });
    }
    if let Some(row) = crossed(&model.constraint_lower, &model.constraint_upper) {
        return infeasible(format!("the bounds of constraint #{row} are crossed"));
    }
    if arrays.variables() > 0 {
        return None;
    }
    let mut rows = model.constraint_lower.iter().zip(&model.constraint_upper);
    match rows.position(|(&lower, &upper)| lower > 0.0 || upper < 0.0) {
        Some(row) => infeasible(format!("constraint #{row} is empty and excludes 0")),
        None => Some(optimal(model.objective_offset, "no variables")),
    }
}

/// The termination of a model with variables of a kind that `solver`, a name, does not support;
/// `None` if there are none.
pub(super) fn unsupported(arrays: &Arrays<'_>, solver: &str) -> Option<Termination> {
    let variable = (0..arrays.variables()).find(|&variable| arrays.is_semi(variable))?;
    let name = arrays.variable_name(variable);
    Some(failed(format!(
        "{solver} does not support semi-continuous and semi-integer variables, and {name} is one"
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const EVERY_STATUS: [ModelStatus; 20] = [
        ModelStatus::NotSet,
        ModelStatus::LoadError,
        ModelStatus::ModelError,
        ModelStatus::PresolveError,
        ModelStatus::SolveError,
        ModelStatus::PostsolveError,
        ModelStatus::Empty,
        ModelStatus::Optimal,
        ModelStatus::Infeasible,
        ModelStatus::UnboundedOrInfeasible,
        ModelStatus::Unbounded,
        ModelStatus::ObjectiveBound,
        ModelStatus::ObjectiveTarget,
        ModelStatus::TimeLimit,
        ModelStatus::IterationLimit,
        ModelStatus::Unknown,
        ModelStatus::SolutionLimit,
        ModelStatus::Interrupted,
        ModelStatus::MemoryLimit,
        ModelStatus::Other(99),
    ];

    fn state(status: ModelStatus) -> HighsState {
        HighsState { status, mip: false, objective: None, mip_bound: None, node_limit: false }
    }

    fn reason_and_limit(state: &HighsState) -> (Reason, Limit) {
        let termination = from_highs(state);
        (termination.reason(), termination.limit())
    }

    #[test]
    fn limit_is_feasible_only_with_a_solution() {
        for (status, limit) in [
            (ModelStatus::TimeLimit, Limit::Time),
            (ModelStatus::IterationLimit, Limit::Iteration),
            (ModelStatus::SolutionLimit, Limit::Solution),
            (ModelStatus::Interrupted, Limit::Interrupted),
            (ModelStatus::MemoryLimit, Limit::Memory),
            (ModelStatus::ObjectiveBound, Limit::Objective),
            (ModelStatus::ObjectiveTarget, Limit::Objective),
        ] {
            let without = state(status);
            assert_eq!(reason_and_limit(&without), (Reason::NoSolutionFound, limit));
            let with = HighsState { objective: Some(3.0), ..without };
            assert_eq!(reason_and_limit(&with), (Reason::Feasible, limit));
        }
    }

    #[test]
    fn node_limit_is_distinguished_from_solution_limit() {
        let state = HighsState { node_limit: true, ..state(ModelStatus::SolutionLimit) };
        assert_eq!(reason_and_limit(&state), (Reason::NoSolutionFound, Limit::Node));
    }

    #[test]
    fn lp_optimum_is_its_own_bound() {
        let termination = from_highs(&HighsState {
            objective: Some(-3.5),
            mip_bound: Some(f64::NEG_INFINITY),
            ..state(ModelStatus::Optimal)
        });
        assert_eq!(termination.objective_bound, Some(-3.5));
        assert_eq!(termination.relative_gap, Some(0.0));
    }

    #[test]
    fn mip_without_a_solution_keeps_its_bound() {
        let termination = from_highs(&HighsState {
            mip: true,
            objective: Some(f64::INFINITY),
            mip_bound: Some(2.0),
            ..state(ModelStatus::TimeLimit)
        });
        assert_eq!(termination.reason(), Reason::NoSolutionFound);
        assert_eq!((termination.objective, termination.objective_bound), (None, Some(2.0)));
        assert_eq!(termination.relative_gap, None);
    }

    proptest! {
        #[test]
        fn numbers_are_always_finite(
            status in prop::sample::select(EVERY_STATUS.to_vec()),
            mip in any::<bool>(),
            objective in prop::option::of(prop::num::f64::ANY),
            mip_bound in prop::option::of(prop::num::f64::ANY),
        ) {
            let state = HighsState { status, mip, objective, mip_bound, node_limit: false };
            let termination = from_highs(&state);
            for number in [termination.objective, termination.objective_bound, termination.relative_gap] {
                prop_assert!(number.is_none_or(f64::is_finite));
            }
            prop_assert_ne!(termination.reason(), Reason::Unspecified);
        }
    }
}
