//! What a solver says about a solve, in the words of the contract. Pure.

use solvemesh::v1::{Termination, TerminationLimit as Limit, TerminationReason as Reason};

use super::{arrays::Arrays, highs::ModelStatus};

/// What HiGHS says about a solve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    /// Its status.
    pub status: ModelStatus,
    /// Whether its branch and bound was at work.
    pub mip: bool,
    /// The objective of the feasible solution that it holds.
    pub objective: Option<f64>,
    /// The best bound that branch and bound has proven.
    pub mip_bound: Option<f64>,
    /// Whether the limit on nodes is reached: HiGHS calls it a limit on solutions.
    pub node_limit: bool,
}

/// Puts HiGHS's account into the words of the contract.
pub(super) fn of_highs(account: &Account) -> Termination {
    let (reason, limit) = verdict(account);
    let objective = match reason {
        Reason::Infeasible | Reason::Unbounded | Reason::InfeasibleOrUnbounded => None,
        _ => known(account.objective),
    };
    let bound = match reason {
        Reason::Optimal if !account.mip => objective,
        Reason::Optimal | Reason::Feasible | Reason::NoSolutionFound if account.mip => {
            known(account.mip_bound)
        }
        _ => None,
    };
    Termination {
        reason: reason as i32,
        limit: limit as i32,
        detail: format!("HiGHS: {}", account.status),
        objective,
        bound,
        gap: gap(objective, bound),
        warnings: Vec::new(),
    }
}

fn verdict(account: &Account) -> (Reason, Limit) {
    use ModelStatus as Status;
    let limit = match account.status {
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
        Status::SolutionLimit if account.node_limit => Limit::Node,
        Status::SolutionLimit => Limit::Solution,
        Status::Interrupted => Limit::Interrupted,
        Status::MemoryLimit => Limit::Memory,
        Status::ObjectiveBound | Status::ObjectiveTarget => Limit::Objective,
    };
    let found = known(account.objective).is_some();
    (if found { Reason::Feasible } else { Reason::NoSolutionFound }, limit)
}

/// A solve that failed for a reason of its own.
pub(super) fn failed(detail: impl ToString) -> Termination {
    Termination {
        reason: Reason::OtherError as i32,
        detail: detail.to_string(),
        ..Termination::default()
    }
}

/// A solve that was stopped before it had anything.
pub(super) fn stopped(limit: Limit, detail: impl ToString) -> Termination {
    Termination {
        reason: Reason::NoSolutionFound as i32,
        limit: limit as i32,
        detail: detail.to_string(),
        ..Termination::default()
    }
}

/// An optimum whose objective is its own bound.
pub(super) fn optimal(objective: f64, detail: impl ToString) -> Termination {
    let objective = known(Some(objective));
    Termination {
        reason: Reason::Optimal as i32,
        detail: detail.to_string(),
        objective,
        bound: objective,
        gap: gap(objective, objective),
        ..Termination::default()
    }
}

/// What can be told of a model without a solver, and is told the same for each: crossed
/// bounds make it infeasible, and one without variables has its offset for optimum.
pub(super) fn at_sight(arrays: &Arrays<'_>) -> Option<Termination> {
    let model = arrays.model();
    let infeasible = |detail| {
        let reason = Reason::Infeasible as i32;
        Some(Termination { reason, detail, ..Termination::default() })
    };
    let crossed = |lower: &[f64], upper: &[f64]| lower.iter().zip(upper).position(|(l, u)| l > u);
    if let Some(variable) = crossed(arrays.lower(), arrays.upper()) {
        let name = arrays.variable_name(variable);
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

/// |bound - objective| / |objective|; 0 when both are 0, absent when the objective
/// alone is 0 or one is not known.
pub(super) fn gap(objective: Option<f64>, bound: Option<f64>) -> Option<f64> {
    let (objective, bound) = (objective?, bound?);
    let difference = (bound - objective).abs();
    if difference == 0.0 { Some(0.0) } else { known(Some(difference / objective.abs())) }
}

/// A number, unless it is a placeholder: infinite or NaN.
pub(super) fn known(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite())
}

/// What the model has and `solver` does not take, by its name.
pub(super) fn unsupported(arrays: &Arrays<'_>, solver: &str) -> Option<Termination> {
    let variable = (0..arrays.variables()).find(|&variable| arrays.is_semi(variable))?;
    let name = arrays.variable_name(variable);
    Some(failed(format!(
        "{solver} takes no semi-continuous or semi-integer variables, and {name} is one"
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

    fn account(status: ModelStatus) -> Account {
        Account { status, mip: false, objective: None, mip_bound: None, node_limit: false }
    }

    fn reason_and_limit(account: &Account) -> (Reason, Limit) {
        let termination = of_highs(account);
        (termination.reason(), termination.limit())
    }

    #[test]
    fn a_limit_with_a_solution_is_feasible_and_without_one_it_is_not() {
        for (status, limit) in [
            (ModelStatus::TimeLimit, Limit::Time),
            (ModelStatus::IterationLimit, Limit::Iteration),
            (ModelStatus::SolutionLimit, Limit::Solution),
            (ModelStatus::Interrupted, Limit::Interrupted),
            (ModelStatus::MemoryLimit, Limit::Memory),
            (ModelStatus::ObjectiveBound, Limit::Objective),
            (ModelStatus::ObjectiveTarget, Limit::Objective),
        ] {
            let without = account(status);
            assert_eq!(reason_and_limit(&without), (Reason::NoSolutionFound, limit));
            let with = Account { objective: Some(3.0), ..without };
            assert_eq!(reason_and_limit(&with), (Reason::Feasible, limit));
        }
    }

    #[test]
    fn a_limit_on_nodes_is_told_from_one_on_solutions() {
        let account = Account { node_limit: true, ..account(ModelStatus::SolutionLimit) };
        assert_eq!(reason_and_limit(&account), (Reason::NoSolutionFound, Limit::Node));
    }

    #[test]
    fn an_lp_optimum_is_its_own_bound() {
        let termination = of_highs(&Account {
            objective: Some(-3.5),
            mip_bound: Some(f64::NEG_INFINITY),
            ..account(ModelStatus::Optimal)
        });
        assert_eq!(termination.bound, Some(-3.5));
        assert_eq!(termination.gap, Some(0.0));
    }

    #[test]
    fn a_mip_without_a_solution_still_has_its_bound() {
        let termination = of_highs(&Account {
            mip: true,
            objective: Some(f64::INFINITY),
            mip_bound: Some(2.0),
            ..account(ModelStatus::TimeLimit)
        });
        assert_eq!(termination.reason(), Reason::NoSolutionFound);
        assert_eq!((termination.objective, termination.bound), (None, Some(2.0)));
        assert_eq!(termination.gap, None);
    }

    #[test]
    fn the_gap_follows_the_formula_of_the_contract() {
        assert_eq!(gap(Some(-4.0), Some(-5.0)), Some(0.25));
        assert_eq!(gap(Some(0.0), Some(0.0)), Some(0.0));
        assert_eq!(gap(Some(0.0), Some(-1.0)), None);
        assert_eq!(gap(Some(1.0), None), None);
    }

    proptest! {
        #[test]
        fn no_number_is_ever_infinite_or_nan(
            status in prop::sample::select(EVERY_STATUS.to_vec()),
            mip in any::<bool>(),
            objective in prop::option::of(prop::num::f64::ANY),
            mip_bound in prop::option::of(prop::num::f64::ANY),
        ) {
            let account = Account { status, mip, objective, mip_bound, node_limit: false };
            let termination = of_highs(&account);
            for number in [termination.objective, termination.bound, termination.gap] {
                prop_assert!(number.is_none_or(f64::is_finite));
            }
            prop_assert_ne!(termination.reason(), Reason::Unspecified);
        }
    }
}
