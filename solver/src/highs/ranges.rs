//! The sensitivity ranges of an optimal basis.

use std::ptr;

use highs_sys as sys;
use solvemesh::{solver::v1::RangeEnds, v1::BasisStatus};

use super::Highs;

/// The range of a variable or constraint that is not at a bound, such as a basic one: there is
/// none, which is encoded as lower > upper.
const NO_RANGE: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

impl Highs {
    /// How far costs and bounds may move while the basis stays optimal. The last run must have
    /// solved an LP to optimality by the simplex method, without presolve.
    pub(crate) fn ranges(&mut self) -> Option<RangeEnds> {
        if self.entries() == 0 {
            // HiGHS 1.15 factorises the basis here, and crashes if the matrix is empty.
            return None;
        }
        let basis = self.basis()?;
        let (n, m) = (basis.variables.len(), basis.constraints.len());
        let [mut cost_lower, mut cost_upper, mut bound_lower, mut bound_upper] =
            std::array::from_fn(|_| vec![0.0; n]);
        let [mut row_lower, mut row_upper] = std::array::from_fn(|_| vec![0.0; m]);
        let (no_objectives, no_variables) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `instance` is alive. HiGHS writes as many numbers as the model has columns
        // and rows, and the basis has as many; null stands for the outputs that are not wanted.
        let status = unsafe {
            sys::Highs_getRanging(
                self.raw(),
                cost_upper.as_mut_ptr(),
                no_objectives,
                no_variables,
                no_variables,
                cost_lower.as_mut_ptr(),
                no_objectives,
                no_variables,
                no_variables,
                bound_upper.as_mut_ptr(),
                no_objectives,
                no_variables,
                no_variables,
                bound_lower.as_mut_ptr(),
                no_objectives,
                no_variables,
                no_variables,
                row_upper.as_mut_ptr(),
                no_objectives,
                no_variables,
                no_variables,
                row_lower.as_mut_ptr(),
                no_objectives,
                no_variables,
                no_variables,
            )
        };
        if status == sys::kHighsStatusError {
            return None;
        }
        for cost in cost_lower.iter_mut().chain(&mut cost_upper) {
            *cost = self.scale.unscale_cost(*cost);
        }
        // For basic variables and rows, HiGHS's numbers have another meaning.
        clear_unless_at_bound(&basis.variables, &mut bound_lower, &mut bound_upper);
        clear_unless_at_bound(&basis.constraints, &mut row_lower, &mut row_upper);
        Some(RangeEnds { cost_lower, cost_upper, bound_lower, bound_upper, row_lower, row_upper })
    }
}

/// Replaces the range of everything that is not at a bound with [`NO_RANGE`].
fn clear_unless_at_bound(statuses: &[i32], lower: &mut [f64], upper: &mut [f64]) {
    let at_bound = [BasisStatus::Lower as i32, BasisStatus::Upper as i32];
    for ((status, lower), upper) in statuses.iter().zip(lower).zip(upper) {
        if !at_bound.contains(status) {
            (*lower, *upper) = NO_RANGE;
        }
    }
}
