//! Changes to single numbers of the model that an instance holds, and its start solution.

use highs_sys as sys;
use solvemesh::v1::LinearModel;
use solvemesh_model::{entries, sweep::Target};

use super::{Highs, HighsError};

impl Highs {
    /// Copies the number at `target` from a model that must have the shape of the one that was
    /// passed. The basis is kept.
    ///
    /// # Errors
    ///
    /// When HiGHS rejects the number.
    pub(crate) fn copy_number(
        &mut self,
        target: Target,
        model: &LinearModel,
    ) -> Result<(), HighsError> {
        let index = |index: usize| sys::HighsInt::try_from(index).map_err(|_| HighsError::Model);
        let highs = self.raw();
        // SAFETY, for all below: `instance` is alive, and checks the indices.
        let status = match target {
            Target::Objective(column) => unsafe {
                let cost = self.scale.scale_cost(model.objective[column]);
                sys::Highs_changeColCost(highs, index(column)?, cost)
            },
            Target::Offset => unsafe {
                let offset = self.scale.scale_cost(model.objective_offset);
                sys::Highs_changeObjectiveOffset(highs, offset)
            },
            Target::VariableLower(column)
            | Target::VariableUpper(column)
            | Target::VariableFixed(column) => {
                let (lower, upper) = (model.variable_lower[column], model.variable_upper[column]);
                unsafe { sys::Highs_changeColBounds(highs, index(column)?, lower, upper) }
            }
            Target::ConstraintLower(row)
            | Target::ConstraintUpper(row)
            | Target::ConstraintEqual(row) => {
                let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
                unsafe { sys::Highs_changeRowBounds(highs, index(row)?, lower, upper) }
            }
            Target::Coefficient { row, column } => {
                let entry = entries(model, row).find(|(of, _)| *of == column);
                let value = entry.map_or(0.0, |(_, value)| value);
                unsafe { sys::Highs_changeCoeff(highs, index(row)?, index(column)?, value) }
            }
        };
        if status == sys::kHighsStatusError { Err(HighsError::Model) } else { Ok(()) }
    }

    /// Fixes a variable at a value.
    ///
    /// # Errors
    ///
    /// When HiGHS rejects the value.
    pub(crate) fn fix(&mut self, column: usize, value: f64) -> Result<(), HighsError> {
        let column = sys::HighsInt::try_from(column).map_err(|_| HighsError::Model)?;
        // The variable becomes continuous, as a semi-continuous one could still be 0.
        // SAFETY: `instance` is alive, and checks the index.
        let status = unsafe {
            sys::Highs_changeColIntegrality(self.raw(), column, sys::VAR_TYPE_CONTINUOUS);
            sys::Highs_changeColBounds(self.raw(), column, value, value)
        };
        if status == sys::kHighsStatusError { Err(HighsError::Model) } else { Ok(()) }
    }

    /// Sets the solution from which the next run of a MIP starts, with one value for each
    /// variable. Does nothing if their number is wrong.
    pub(crate) fn set_start_solution(&mut self, values: &[f64]) {
        // The status is ignored: HiGHS can solve without a start.
        // SAFETY: `instance` is alive; there is a value for each column; null stands for the other
        // arrays, which are not set.
        unsafe {
            if usize::try_from(sys::Highs_getNumCol(self.raw())) == Ok(values.len()) {
                let none = std::ptr::null();
                sys::Highs_setSolution(self.raw(), values.as_ptr(), none, none, none);
            }
        }
    }
}
