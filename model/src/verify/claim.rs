//! Decides whether a checked solution is optimal, as its solver claims.

use solvemesh::v1::{LinearModel, SolveOptions};

use super::{Check, largest_cost};
use crate::is_linear_program;

/// Accepted distance of objective and bound besides the gap, relative to the largest of them
/// and of the costs. It is the effect on the objective of the tolerances of a solver, 1e-6 on
/// each bound and integer.
const ROUNDING: f64 = 1e-6;

/// The gaps within which a solution of a model with integers counts as optimal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaps {
    /// Maximum of `abs(bound - objective) / abs(objective)`.
    pub relative: f64,
    /// Maximum of `abs(bound - objective)`.
    pub absolute: f64,
}

impl Default for Gaps {
    /// HiGHS's defaults.
    fn default() -> Self {
        Self { relative: 1e-4, absolute: 1e-6 }
    }
}

impl Gaps {
    /// No gap. For LPs, which are solved to optimality.
    pub const NONE: Self = Self { relative: 0.0, absolute: 0.0 };

    /// The gaps in the options, with the defaults where the options have none.
    pub fn of(options: &SolveOptions) -> Self {
        let Self { relative, absolute } = Self::default();
        Self {
            relative: options.relative_gap.unwrap_or(relative),
            absolute: options.absolute_gap.unwrap_or(absolute),
        }
    }
}

/// Why a solution is not accepted as optimal.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// The solution or its duals exceed the tolerances. Has the worst violation.
    #[error("the independent check rejects it: the worst violation is {0:e}")]
    Violation(f64),
    /// There is no finite bound to compare the objective with.
    #[error("its objective is {objective}, but there is no bound to prove that it is optimal")]
    NoBound {
        /// Its objective.
        objective: f64,
    },
    /// Objective and bound are further apart than the gap.
    #[error("its objective is {objective}, but the proven bound is {bound}")]
    Gap {
        /// Its objective.
        objective: f64,
        /// The bound.
        bound: f64,
    },
}

/// Why a solution is not accepted as optimal; `None` if it is. For a model with integers the
/// objective is compared with the `claimed` bound of branch and bound, within the gaps. For an
/// LP it is compared with the bound that its duals prove ([`Check::bound`]), without a gap and
/// whatever bound is claimed.
pub fn why_rejected(
    model: &LinearModel,
    check: &Check,
    claimed: Option<f64>,
    gaps: Gaps,
) -> Option<Rejection> {
    let (bound, gaps) =
        if is_linear_program(model) { (check.bound, Gaps::NONE) } else { (claimed, gaps) };
    // First: the objective of a point that is no solution says nothing.
    if !check.acceptable {
        return Some(Rejection::Violation(check.worst_violation()));
    }
    let objective = check.objective;
    let Some(bound) = bound.filter(|bound| bound.is_finite()) else {
        return Some(Rejection::NoBound { objective });
    };
    // With the largest cost: a violation of 1e-6 in one variable changes the objective by that
    // much.
    let scale = objective.abs().max(bound.abs()).max(largest_cost(model));
    let allowed = gaps.absolute.max(gaps.relative * objective.abs()) + ROUNDING * scale;
    ((bound - objective).abs() > allowed).then_some(Rejection::Gap { objective, bound })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::v1::VariableKind;

    use super::*;
    use crate::verify::{Candidate, verify};

    /// Minimise `cost x` with x in [0, 4], as an LP or a MIP.
    fn model(cost: f64, kind: VariableKind) -> LinearModel {
        LinearModel {
            objective: vec![cost],
            variable_lower: vec![0.0],
            variable_upper: vec![4.0],
            variable_kinds: vec![kind as i32],
            row_starts: vec![0],
            ..LinearModel::default()
        }
    }

    fn rejection_of(cost: f64, value: f64, bound: f64, gaps: Gaps) -> Option<Rejection> {
        let model = model(cost, VariableKind::Integer);
        let check = verify(&model, Candidate::of(&[value])).unwrap();
        why_rejected(&model, &check, Some(bound), gaps)
    }

    #[test]
    fn the_only_point_of_a_model_without_variables_is_optimal() {
        let model = LinearModel {
            objective_offset: 7.0,
            constraint_lower: vec![-1.0],
            constraint_upper: vec![0.0],
            row_starts: vec![0, 0],
            ..LinearModel::default()
        };
        let check = verify(&model, Candidate::of(&[])).unwrap();
        assert_eq!(why_rejected(&model, &check, None, Gaps::NONE), None);
        assert_eq!(check.bound, Some(7.0));
        let infeasible = LinearModel { constraint_upper: vec![-0.5], ..model };
        let check = verify(&infeasible, Candidate::of(&[])).unwrap();
        assert!(why_rejected(&infeasible, &check, None, Gaps::NONE).is_some());
    }

    #[test]
    fn a_gap_is_accepted_up_to_the_requested_one() {
        let tenth = Gaps { relative: 0.1, absolute: 0.0 };
        assert_eq!(rejection_of(1.0, 3.0, 2.75, tenth), None);
        assert_eq!(
            rejection_of(1.0, 3.0, 2.5, tenth),
            Some(Rejection::Gap { objective: 3.0, bound: 2.5 })
        );
        assert_eq!(rejection_of(1.0, 3.0, 2.5, Gaps { relative: 0.0, absolute: 0.5 }), None);
        // A bound on the wrong side is a contradiction, not a proof.
        assert!(rejection_of(1.0, 3.0, 4.0, tenth).is_some());
    }

    #[test]
    fn without_a_gap_only_rounding_is_accepted() {
        assert_eq!(rejection_of(1.0, 3.0, 3.0 - 1e-7, Gaps::NONE), None);
        assert!(rejection_of(1.0, 3.0, 3.0 - 1e-4, Gaps::NONE).is_some());
    }

    #[test]
    fn the_rounding_allowance_shrinks_with_the_costs() {
        assert!(rejection_of(1e-7, 2.0, 0.0, Gaps::NONE).is_some());
        assert_eq!(rejection_of(1e-7, 2.0, 2e-7, Gaps::NONE), None);
    }

    #[test]
    fn no_bound_is_no_proof() {
        let found = rejection_of(1.0, 3.0, f64::NEG_INFINITY, Gaps::default());
        assert_eq!(found, Some(Rejection::NoBound { objective: 3.0 }));
    }

    #[test]
    fn a_violation_is_reported_first() {
        assert_eq!(rejection_of(1.0, 5.0, 5.0, Gaps::default()), Some(Rejection::Violation(1.0)));
    }

    #[test]
    fn the_bound_of_an_lp_is_that_of_its_duals() {
        // x at its lower bound is optimal at a positive price; at its upper bound it is not.
        for (value, price, optimal) in [(0.0, 1e-7, true), (4.0, 1e-7, false), (4.0, -2.0, true)] {
            let model = model(price, VariableKind::Continuous);
            let candidate = Candidate { values: &[value], duals: &[], reduced_costs: &[price] };
            let check = verify(&model, candidate).unwrap();
            let rejection = why_rejected(&model, &check, check.bound, Gaps::NONE);
            assert_eq!(
                rejection.is_none(),
                optimal,
                "{value} at a price of {price}: {rejection:?}"
            );
        }
    }
}
