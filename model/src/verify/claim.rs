//! Whether a checked solution is the optimum that a solver says it is.

use solvemesh::v1::{LinearModel, SolveOptions};

use super::{Check, largest_cost};
use crate::is_linear_program;

/// How far objective and bound may be apart in exact arithmetic, relative to the largest of
/// them and of the costs: what the tolerances of a solver, 1e-6 on each bound and integer,
/// are felt as in the objective.
const ROUNDING: f64 = 1e-6;

/// The gaps within which a solution of a model with integers counts as optimal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaps {
    /// Of `abs(bound - objective) / abs(objective)`.
    pub relative: f64,
    /// Of `abs(bound - objective)`.
    pub absolute: f64,
}

impl Default for Gaps {
    /// Those of HiGHS where nothing is asked for.
    fn default() -> Self {
        Self { relative: 1e-4, absolute: 1e-6 }
    }
}

impl Gaps {
    /// Those of an LP, whose optimum is exact.
    pub const NONE: Self = Self { relative: 0.0, absolute: 0.0 };

    /// Those that were asked for.
    pub fn of(options: &SolveOptions) -> Self {
        let Self { relative, absolute } = Self::default();
        Self {
            relative: options.relative_gap.unwrap_or(relative),
            absolute: options.absolute_gap.unwrap_or(absolute),
        }
    }
}

/// Why a solution is not accepted as the optimum.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Doubt {
    /// It is no solution, or its duals are none, within the tolerances.
    #[error("the independent check does not accept it: the worst violation is {0:e}")]
    Violation(f64),
    /// There is no bound that it could be held against.
    #[error("no bound proves its objective of {objective}")]
    NoBound {
        /// Its objective.
        objective: f64,
    },
    /// The bound leaves room for a better one.
    #[error("its objective is {objective}, and the bound that is proven is {bound}")]
    Gap {
        /// Its objective.
        objective: f64,
        /// The bound.
        bound: f64,
    },
}

/// Why a solution is not the optimum; `None` where it is. A model with integers is held
/// against the `claimed` bound of branch and bound, within the gaps; an LP against that of its
/// duals ([`Check::bound`]), whatever is claimed, and without a gap.
pub fn doubt(
    model: &LinearModel,
    check: &Check,
    claimed: Option<f64>,
    gaps: Gaps,
) -> Option<Doubt> {
    let (bound, gaps) =
        if is_linear_program(model) { (check.bound, Gaps::NONE) } else { (claimed, gaps) };
    if !check.acceptable {
        return Some(Doubt::Violation(check.worst_violation()));
    }
    let objective = check.objective;
    let Some(bound) = bound.filter(|bound| bound.is_finite()) else {
        return Some(Doubt::NoBound { objective });
    };
    let scale = objective.abs().max(bound.abs()).max(largest_cost(model));
    let allowed = gaps.absolute.max(gaps.relative * objective.abs()) + ROUNDING * scale;
    ((bound - objective).abs() > allowed).then_some(Doubt::Gap { objective, bound })
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

    fn judged(cost: f64, value: f64, bound: f64, gaps: Gaps) -> Option<Doubt> {
        let model = model(cost, VariableKind::Integer);
        let check = verify(&model, Candidate::of(&[value])).unwrap();
        doubt(&model, &check, Some(bound), gaps)
    }

    #[test]
    fn a_gap_is_allowed_as_far_as_it_was_asked_for() {
        let tenth = Gaps { relative: 0.1, absolute: 0.0 };
        assert_eq!(judged(1.0, 3.0, 2.75, tenth), None);
        assert_eq!(judged(1.0, 3.0, 2.5, tenth), Some(Doubt::Gap { objective: 3.0, bound: 2.5 }));
        assert_eq!(judged(1.0, 3.0, 2.5, Gaps { relative: 0.0, absolute: 0.5 }), None);
        // A bound on the wrong side is a contradiction, not a proof.
        assert!(judged(1.0, 3.0, 4.0, tenth).is_some());
    }

    #[test]
    fn without_a_gap_there_is_room_for_rounding_alone() {
        assert_eq!(judged(1.0, 3.0, 3.0 - 1e-7, Gaps::NONE), None);
        assert!(judged(1.0, 3.0, 3.0 - 1e-4, Gaps::NONE).is_some());
    }

    #[test]
    fn the_room_for_rounding_shrinks_with_the_costs() {
        assert!(judged(1e-7, 2.0, 0.0, Gaps::NONE).is_some());
        assert_eq!(judged(1e-7, 2.0, 2e-7, Gaps::NONE), None);
    }

    #[test]
    fn no_bound_is_no_proof() {
        let found = judged(1.0, 3.0, f64::NEG_INFINITY, Gaps::default());
        assert_eq!(found, Some(Doubt::NoBound { objective: 3.0 }));
    }

    #[test]
    fn a_violation_comes_before_all() {
        assert_eq!(judged(1.0, 5.0, 5.0, Gaps::default()), Some(Doubt::Violation(1.0)));
    }

    #[test]
    fn the_bound_of_an_lp_is_that_of_its_duals() {
        // x at its lower bound is optimal, x at its upper bound is what no price explains.
        for (value, price, optimal) in [(0.0, 1e-7, true), (4.0, 1e-7, false), (4.0, -2.0, true)] {
            let model = model(price, VariableKind::Continuous);
            let candidate = Candidate { values: &[value], duals: &[], reduced_costs: &[price] };
            let check = verify(&model, candidate).unwrap();
            let doubt = doubt(&model, &check, check.bound, Gaps::NONE);
            assert_eq!(doubt.is_none(), optimal, "{value} at a price of {price}: {doubt:?}");
        }
    }
}
