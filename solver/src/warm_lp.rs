//! One LP in a warm HiGHS instance, for loops over variations of it: the baseline of the
//! benchmarks, which is what a loop in a user's own program would do.

use solvemesh::v1::LinearModel;
use solvemesh_model::sweep::Target;

use super::{
    arrays::Arrays,
    highs::{Highs, ModelStatus, Scale},
};

/// An LP that a HiGHS instance holds from solve to solve. Each solve starts from the basis of the
/// last one. Nothing is checked or solved twice, unlike in a job.
#[derive(Debug)]
pub struct WarmLp {
    highs: Highs,
    model: LinearModel,
}

/// Why an LP can't be solved or changed: a message for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WarmLpError(String);

impl WarmLpError {
    fn new(error: impl ToString) -> Self {
        Self(error.to_string())
    }
}

impl WarmLp {
    /// Creates an instance that holds an LP in normal form, and uses one thread.
    ///
    /// # Errors
    ///
    /// When the model is not in normal form, has variables that are not continuous, or HiGHS
    /// rejects it.
    pub fn new(model: LinearModel) -> Result<Self, WarmLpError> {
        let mut highs = Highs::new();
        highs.set_threads(1).map_err(WarmLpError::new)?;
        let arrays = Arrays::of(&model).map_err(WarmLpError::new)?;
        if arrays.is_mip() {
            return Err(WarmLpError::new("the model is not an LP"));
        }
        // Without the scaling of jobs: a user's own loop has none.
        highs.pass(&arrays, Scale::default()).map_err(WarmLpError::new)?;
        Ok(Self { highs, model })
    }

    /// Changes an objective coefficient. The basis is kept.
    ///
    /// # Errors
    ///
    /// When there is no such column, or HiGHS rejects the number.
    pub fn set_cost(&mut self, column: usize, cost: f64) -> Result<(), WarmLpError> {
        let place = self.model.objective.get_mut(column);
        *place.ok_or_else(|| WarmLpError::new("there is no such column"))? = cost;
        self.copy(Target::Objective(column))
    }

    /// Changes the bounds of a constraint. The basis is kept.
    ///
    /// # Errors
    ///
    /// When there is no such row, or HiGHS rejects the numbers.
    pub fn set_row_bounds(
        &mut self,
        row: usize,
        (lower, upper): (f64, f64),
    ) -> Result<(), WarmLpError> {
        if row >= self.model.constraint_lower.len() {
            return Err(WarmLpError::new("there is no such row"));
        }
        (self.model.constraint_lower[row], self.model.constraint_upper[row]) = (lower, upper);
        // Any target of the row copies both bounds.
        self.copy(Target::ConstraintLower(row))
    }

    /// Copies a number that has changed in the model to HiGHS.
    fn copy(&mut self, target: Target) -> Result<(), WarmLpError> {
        self.highs.copy_number(target, &self.model).map_err(WarmLpError::new)
    }

    /// Drops the basis and the solution, so that the next solve is cold.
    pub fn clear_basis(&mut self) {
        self.highs.clear_basis();
    }

    /// Solves the LP and returns the optimal objective.
    ///
    /// # Errors
    ///
    /// When there is no optimum.
    pub fn solve(&mut self) -> Result<f64, WarmLpError> {
        match self.highs.run(&|_| true) {
            ModelStatus::Optimal => {
                self.highs.objective().ok_or_else(|| WarmLpError::new("HiGHS has no objective"))
            }
            status => Err(WarmLpError::new(format!("HiGHS: {status}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::v1::VariableKind;

    use super::*;
    use crate::samples::wyndor;

    #[test]
    fn changed_lp_has_the_optimum_of_its_new_numbers_warm_or_cold() {
        let mut lp = WarmLp::new(wyndor()).unwrap();
        assert_eq!(lp.solve(), Ok(3600.0));
        lp.set_cost(1, 100.0).unwrap();
        lp.set_row_bounds(0, (f64::NEG_INFINITY, 5.0)).unwrap();
        // 300 * 5 + 100 * 1.5, with the third row active.
        assert_eq!(lp.solve(), Ok(1650.0));
        lp.clear_basis();
        assert_eq!(lp.solve(), Ok(1650.0));
    }

    #[test]
    fn indices_that_do_not_exist_and_integers_are_rejected() {
        let mut lp = WarmLp::new(wyndor()).unwrap();
        assert!(lp.set_cost(2, 1.0).is_err());
        assert!(lp.set_row_bounds(3, (0.0, 1.0)).is_err());
        let kinds = vec![VariableKind::Integer as i32; 2];
        assert!(WarmLp::new(LinearModel { variable_kinds: kinds, ..wyndor() }).is_err());
    }
}
