//! Scaling by powers of two, between a model and the one that HiGHS solves.
//!
//! HiGHS compares costs with absolute tolerances, so if all costs are 5e-7 or less, it accepts any
//! solution as the optimum. Its own option `user_objective_scale` fixes that, but doesn't scale
//! back the bound of branch and bound and the numbers that HiGHS reports while it runs. So the
//! factor is applied here, where all of them can be scaled back. Multiplication by a power of two
//! is exact.

use solvemesh::v1::{SolveOptions, VariableKind};
use solvemesh_model::verify::largest_cost;

use crate::arrays::Arrays;

/// The raw options of HiGHS that scale a model. Their values are exponents of 2.
pub(crate) const OBJECTIVE_SCALE: &str = "user_objective_scale";
const BOUND_SCALE: &str = "user_bound_scale";

/// Costs are scaled up if the largest one is below this: with costs of 1e-3 and the tolerance of
/// 1e-7, an optimum is found to 4 digits.
const SMALL_COST: f64 = 1e-3;

/// The largest exponent: 2^±1000 is still a normal number, as are costs scaled by it.
const MAX_EXPONENT: i32 = 1000;

/// The scale factors of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scale {
    /// HiGHS's costs and offset are ours times 2 to this power.
    objective: i32,
    /// HiGHS scales bounds by 2 to this power, as requested by the raw option.
    bounds: i32,
    /// If bounds are scaled: the offset of the objective in HiGHS, which that factor doesn't apply
    /// to.
    offset: f64,
    /// If bounds are scaled: whether each variable is continuous, as only these are scaled.
    continuous: Vec<bool>,
}

impl Scale {
    /// The factors of a model: those requested, or else one for the objective that scales the
    /// largest cost, if it is small, to between 1 and 2.
    pub(crate) fn of(arrays: &Arrays<'_>, options: &SolveOptions) -> Self {
        let requested = |name| options.solver_options.get(name).and_then(|text| text.parse().ok());
        let objective = requested(OBJECTIVE_SCALE).unwrap_or_else(|| exponent(arrays));
        // A raw option may be any integer, and a factor that overflows to infinity or 0 destroys
        // the costs.
        let objective = objective.clamp(-MAX_EXPONENT, MAX_EXPONENT);
        let bounds: i32 = requested(BOUND_SCALE).unwrap_or(0);
        let bounds = bounds.clamp(-MAX_EXPONENT, MAX_EXPONENT);
        let offset = match bounds {
            0 => 0.0,
            _ => arrays.model().objective_offset * factor(objective),
        };
        // Without a factor for bounds the kinds are not needed, and a large model has many.
        let kinds = arrays.kinds().iter().filter(|_| bounds != 0);
        let continuous = kinds.map(|&kind| kind == VariableKind::Continuous).collect();
        Self { objective, bounds, offset, continuous }
    }

    /// The exponent by which the objective is scaled.
    pub(crate) fn objective_exponent(&self) -> i32 {
        self.objective
    }

    /// Scales a cost, or another number in units of the objective, for HiGHS.
    pub(super) fn scale_cost(&self, cost: f64) -> f64 {
        cost * factor(self.objective)
    }

    /// Scales back a cost, dual or objective that HiGHS returns after a run.
    pub(super) fn unscale_cost(&self, cost: f64) -> f64 {
        cost * factor(-self.objective)
    }

    /// Scales a difference of objectives as HiGHS compares it while it runs.
    pub(crate) fn scale_running_difference(&self, difference: f64) -> f64 {
        difference * factor(self.objective) * factor(self.bounds)
    }

    /// Scales an objective as HiGHS compares it while it runs.
    pub(crate) fn scale_running(&self, objective: f64) -> f64 {
        (self.scale_cost(objective) - self.offset) * factor(self.bounds) + self.offset
    }

    /// Scales back an objective or bound that HiGHS reports while it runs, or a bound of branch and
    /// bound.
    pub(super) fn unscale_running(&self, objective: f64) -> f64 {
        if self.bounds == 0 {
            return self.unscale_cost(objective);
        }
        self.unscale_cost((objective - self.offset) * factor(-self.bounds) + self.offset)
    }

    /// Scales back the values that HiGHS reports while it runs; `None` if they aren't scaled.
    pub(super) fn unscale_running_values(&self, values: &[f64]) -> Option<Vec<f64>> {
        let scaled = |(value, continuous): (&f64, &bool)| {
            if *continuous { value * factor(-self.bounds) } else { *value }
        };
        (self.bounds != 0).then(|| values.iter().zip(&self.continuous).map(scaled).collect())
    }
}

fn factor(exponent: i32) -> f64 {
    2.0_f64.powi(exponent)
}

/// The exponent that scales the largest cost, if it is small, to between 1 and 2; otherwise 0.
fn exponent(arrays: &Arrays<'_>) -> i32 {
    let largest = largest_cost(arrays.model());
    if largest == 0.0 || largest >= SMALL_COST {
        return 0;
    }
    // At a power of two, rounding may shift the result by one, which does no harm.
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
    fn only_small_costs_are_scaled_and_to_between_1_and_2() {
        for costs in [[300.0, 500.0], [0.0, 0.0], [1e-7, -1.0], [1e-3, 0.0]] {
            assert_eq!(scale(&costs, &[]).objective, 0, "{costs:?}");
        }
        for cost in [1e-7, -3.5e-5, 9.9e-4, 1e-150, 1e-300] {
            let scaled = scale(&[cost, cost / 2.0], &[]).scale_cost(cost).abs();
            assert!((1.0..=2.0).contains(&scaled), "{cost} became {scaled}");
        }
        // A subnormal number: the largest factor does not bring it to 1.
        assert_eq!(scale(&[5e-324, 0.0], &[]).objective, MAX_EXPONENT);
    }

    #[test]
    fn requested_scale_overrides_ours() {
        assert_eq!(scale(&[1e-7, 0.0], &[(OBJECTIVE_SCALE, "-3")]).objective, -3);
        assert_eq!(scale(&[1e-7, 0.0], &[(OBJECTIVE_SCALE, "0")]).objective, 0);
    }

    #[test]
    fn objectives_survive_scaling_and_scaling_back() {
        for raw in [&[][..], &[(BOUND_SCALE, "-6")], &[(BOUND_SCALE, "4"), (OBJECTIVE_SCALE, "2")]]
        {
            let scale = scale(&[1e-7, 0.5e-7], raw);
            for objective in [0.0, 2e-7, -1.5, 3.0] {
                assert_eq!(scale.unscale_cost(scale.scale_cost(objective)), objective);
                // The offset of 3 is subtracted and added again.
                let back = scale.unscale_running(scale.scale_running(objective));
                assert!((back - objective).abs() <= 1e-12, "{back} instead of {objective}");
            }
            assert_eq!(scale.unscale_running(f64::INFINITY), f64::INFINITY);
        }
    }

    #[test]
    fn bound_scale_is_removed_from_values_of_continuous_variables() {
        assert_eq!(scale(&[1.0, 1.0], &[]).unscale_running_values(&[8.0, 8.0]), None);
        let scale = scale(&[1.0, 1.0], &[(BOUND_SCALE, "3")]);
        assert_eq!(scale.unscale_running_values(&[8.0, 16.0]), Some(vec![1.0, 2.0]));
    }
}
