//! Powers of two between a model and the one that HiGHS works on.
//!
//! HiGHS compares costs with absolute tolerances, so it takes any solution for the optimum
//! where all costs are 5e-7 or less. Its own option `user_objective_scale` cures that, but
//! leaves the bound of branch and bound and what it reports on the way scaled. So the
//! factor is applied here, where everything that passes can be scaled back; multiplying by
//! a power of two is exact.

use solvemesh::v1::{SolveOptions, VariableKind};
use solvemesh_model::verify::largest_cost;

use crate::arrays::Arrays;

/// The raw options that are factors of a model: exponents of 2.
pub(crate) const OBJECTIVE_SCALE: &str = "user_objective_scale";
const BOUND_SCALE: &str = "user_bound_scale";

/// Where the largest cost is below this, costs are scaled up: an optimum in costs of 1e-3
/// is found to 4 digits with the tolerance of 1e-7.
const SMALL_COST: f64 = 1e-3;

/// The largest exponent: 2^±1000 is still a normal number, as are costs scaled by it.
const MAX_EXPONENT: i32 = 1000;

/// The factors of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scale {
    /// HiGHS's costs and offset are ours times 2 to this power.
    objective: i32,
    /// HiGHS's own factor of bounds, as asked for by the raw option: 2 to this power.
    bounds: i32,
    /// With a factor of bounds: the offset of the objective as HiGHS knows it, to which that
    /// factor does not apply.
    offset: f64,
    /// With a factor of bounds: which variables it applies to.
    continuous: Vec<bool>,
}

impl Scale {
    /// The factors of a model: those asked for, else one for the objective that brings its
    /// largest cost, where that is small, to between 1 and 2.
    pub(crate) fn of(arrays: &Arrays<'_>, options: &SolveOptions) -> Self {
        let asked = |name| options.solver_options.get(name).and_then(|text| text.parse().ok());
        let objective = asked(OBJECTIVE_SCALE).unwrap_or_else(|| exponent(arrays));
        let objective = objective.clamp(-MAX_EXPONENT, MAX_EXPONENT);
        let bounds: i32 = asked(BOUND_SCALE).unwrap_or(0);
        let bounds = bounds.clamp(-MAX_EXPONENT, MAX_EXPONENT);
        let offset = match bounds {
            0 => 0.0,
            _ => arrays.model().objective_offset * factor(objective),
        };
        let kinds = arrays.kinds().iter().filter(|_| bounds != 0);
        let continuous = kinds.map(|&kind| kind == VariableKind::Continuous).collect();
        Self { objective, bounds, offset, continuous }
    }

    /// The exponent by which the objective is scaled.
    pub(crate) fn objective_exponent(&self) -> i32 {
        self.objective
    }

    /// A cost, or another number per unit of a variable, as HiGHS knows it.
    pub(super) fn cost(&self, cost: f64) -> f64 {
        cost * factor(self.objective)
    }

    /// A cost, dual or objective of HiGHS's at its end as ours.
    pub(super) fn uncost(&self, cost: f64) -> f64 {
        cost * factor(-self.objective)
    }

    /// A difference of objectives as HiGHS compares it while it runs.
    pub(crate) fn difference(&self, difference: f64) -> f64 {
        difference * factor(self.objective) * factor(self.bounds)
    }

    /// An objective as HiGHS compares it while it runs.
    pub(crate) fn running(&self, objective: f64) -> f64 {
        (self.cost(objective) - self.offset) * factor(self.bounds) + self.offset
    }

    /// An objective or bound that HiGHS reports while it runs, or of its branch and bound.
    pub(super) fn unrunning(&self, objective: f64) -> f64 {
        if self.bounds == 0 {
            return self.uncost(objective);
        }
        self.uncost((objective - self.offset) * factor(-self.bounds) + self.offset)
    }

    /// The values that HiGHS reports while it runs; `None` where they are ours already.
    pub(super) fn unrunning_values(&self, values: &[f64]) -> Option<Vec<f64>> {
        let scaled = |(value, continuous): (&f64, &bool)| {
            if *continuous { value * factor(-self.bounds) } else { *value }
        };
        (self.bounds != 0).then(|| values.iter().zip(&self.continuous).map(scaled).collect())
    }
}

fn factor(exponent: i32) -> f64 {
    2.0_f64.powi(exponent)
}

/// The exponent that brings the largest cost, if it is small, to between 1 and 2.
fn exponent(arrays: &Arrays<'_>) -> i32 {
    let largest = largest_cost(arrays.model());
    if largest == 0.0 || largest >= SMALL_COST {
        return 0;
    }
    // The logarithm may be off by one at a power of two, which does no harm.
    -(largest.log2().floor() as i32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::v1::LinearModel;

    use super::*;
    use crate::samples::wyndor;

    fn scale(objective: &[f64], raw: &[(&str, &str)]) -> Scale {
        let objective_offset = 3.0;
        let model = LinearModel { objective: objective.to_vec(), objective_offset, ..wyndor() };
        let solver_options =
            raw.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = SolveOptions { solver_options, ..SolveOptions::default() };
        Scale::of(&Arrays::of(&model).unwrap(), &options)
    }

    #[test]
    fn small_costs_alone_are_scaled_and_to_between_1_and_2() {
        for costs in [[300.0, 500.0], [0.0, 0.0], [1e-7, -1.0], [1e-3, 0.0]] {
            assert_eq!(scale(&costs, &[]).objective, 0, "{costs:?}");
        }
        for cost in [1e-7, -3.5e-5, 9.9e-4, 1e-150, 1e-300] {
            let scaled = scale(&[cost, cost / 2.0], &[]).cost(cost).abs();
            assert!((1.0..=2.0).contains(&scaled), "{cost} became {scaled}");
        }
        // Not a normal number: as near as a factor comes.
        assert_eq!(scale(&[5e-324, 0.0], &[]).objective, MAX_EXPONENT);
    }

    #[test]
    fn what_is_asked_for_takes_the_place_of_ours() {
        assert_eq!(scale(&[1e-7, 0.0], &[(OBJECTIVE_SCALE, "-3")]).objective, -3);
        assert_eq!(scale(&[1e-7, 0.0], &[(OBJECTIVE_SCALE, "0")]).objective, 0);
    }

    #[test]
    fn every_objective_comes_back_as_it_went() {
        for raw in [&[][..], &[(BOUND_SCALE, "-6")], &[(BOUND_SCALE, "4"), (OBJECTIVE_SCALE, "2")]]
        {
            let scale = scale(&[1e-7, 0.5e-7], raw);
            for objective in [0.0, 2e-7, -1.5, 3.0] {
                assert_eq!(scale.uncost(scale.cost(objective)), objective);
                // The offset of 3 is subtracted and added again.
                let back = scale.unrunning(scale.running(objective));
                assert!((back - objective).abs() <= 1e-12, "{back} instead of {objective}");
            }
            assert_eq!(scale.unrunning(f64::INFINITY), f64::INFINITY);
        }
    }

    #[test]
    fn a_factor_of_bounds_is_taken_from_values_of_continuous_variables() {
        assert_eq!(scale(&[1.0, 1.0], &[]).unrunning_values(&[8.0, 8.0]), None);
        let scale = scale(&[1.0, 1.0], &[(BOUND_SCALE, "3")]);
        assert_eq!(scale.unrunning_values(&[8.0, 16.0]), Some(vec![1.0, 2.0]));
    }
}
