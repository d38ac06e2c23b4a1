//! HiGHS in this process, as a baseline: what a loop in a user's own program would do.

use std::ffi::c_void;

use anyhow::ensure;
use highs_sys as sys;
use solvemesh::v1::{LinearModel, ObjectiveSense};

/// An instance of HiGHS that holds an LP.
#[derive(Debug)]
pub(crate) struct Bare(*mut c_void);

impl Bare {
    /// Creates an instance with an LP in normal form.
    ///
    /// # Errors
    ///
    /// When HiGHS rejects the model.
    pub(crate) fn new(model: &LinearModel) -> anyhow::Result<Self> {
        let count = |entries: usize| i32::try_from(entries);
        let sense = match model.sense() {
            ObjectiveSense::Maximize => sys::kHighsObjSenseMaximize,
            _ => sys::kHighsObjSenseMinimize,
        };
        // SAFETY: has no arguments.
        let bare = Self(unsafe { sys::Highs_create() });
        ensure!(!bare.0.is_null(), "no memory for HiGHS");
        // SAFETY: the instance is alive, names end with a zero, and the arrays of a model in
        // normal form have the lengths that are passed.
        let status = unsafe {
            sys::Highs_setBoolOptionValue(bare.0, c"output_flag".as_ptr(), 0);
            sys::Highs_setIntOptionValue(bare.0, c"threads".as_ptr(), 1);
            sys::Highs_passLp(
                bare.0,
                count(model.variable_lower.len())?,
                count(model.constraint_lower.len())?,
                count(model.coefficients.len())?,
                sys::MATRIX_FORMAT_ROW_WISE,
                sense,
                model.objective_offset,
                model.objective.as_ptr(),
                model.variable_lower.as_ptr(),
                model.variable_upper.as_ptr(),
                model.constraint_lower.as_ptr(),
                model.constraint_upper.as_ptr(),
                model.row_starts.as_ptr(),
                model.column_indices.as_ptr(),
                model.coefficients.as_ptr(),
            )
        };
        ensure!(status != sys::kHighsStatusError, "HiGHS rejects the model");
        Ok(bare)
    }

    /// Changes an objective coefficient.
    pub(crate) fn set_cost(&mut self, column: i32, cost: f64) {
        // SAFETY: the instance is alive, and checks the index.
        unsafe { sys::Highs_changeColCost(self.0, column, cost) };
    }

    /// Changes the bounds of a constraint.
    pub(crate) fn set_row(&mut self, row: i32, (lower, upper): (f64, f64)) {
        // SAFETY: the instance is alive, and checks the index.
        unsafe { sys::Highs_changeRowBounds(self.0, row, lower, upper) };
    }

    /// Discards the basis and the solution, so that the next solve is cold.
    pub(crate) fn forget(&mut self) {
        // SAFETY: the instance is alive.
        unsafe { sys::Highs_clearSolver(self.0) };
    }

    /// Solves the LP and returns the optimal objective.
    ///
    /// # Errors
    ///
    /// When there is no optimum.
    pub(crate) fn solve(&mut self) -> anyhow::Result<f64> {
        // SAFETY: the instance is alive.
        let status = unsafe {
            sys::Highs_run(self.0);
            sys::Highs_getModelStatus(self.0)
        };
        ensure!(status == sys::MODEL_STATUS_OPTIMAL, "HiGHS terminated with status {status}");
        // SAFETY: the instance is alive.
        Ok(unsafe { sys::Highs_getObjectiveValue(self.0) })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // SAFETY: the instance is alive and not used again.
        unsafe { sys::Highs_destroy(self.0) };
    }
}
