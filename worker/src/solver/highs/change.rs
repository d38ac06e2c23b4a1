//! Single numbers of the model that an instance holds.

use highs_sys as sys;
use solvemesh::v1::LinearModel;
use solvemesh_model::{entries, sweep::Target};

use super::{Highs, HighsError};

impl Highs {
    /// Takes a number over from a model of the shape of the one that was passed; the basis
    /// stays.
    ///
    /// # Errors
    ///
    /// When HiGHS finds fault with it.
    pub(in crate::solver) fn take_over(
        &mut self,
        target: Target,
        model: &LinearModel,
    ) -> Result<(), HighsError> {
        let index = |index: usize| sys::HighsInt::try_from(index).map_err(|_| HighsError::Model);
        let highs = self.raw();
        // SAFETY, for all below: `instance` is alive, and checks the indices.
        let status = match target {
            Target::Objective(column) => unsafe {
                sys::Highs_changeColCost(highs, index(column)?, model.objective[column])
            },
            Target::Offset => unsafe {
                sys::Highs_changeObjectiveOffset(highs, model.objective_offset)
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
                let here = entries(model, row).find(|(of, _)| *of == column);
                let value = here.map_or(0.0, |(_, value)| value);
                unsafe { sys::Highs_changeCoeff(highs, index(row)?, index(column)?, value) }
            }
        };
        if status == sys::kHighsStatusError { Err(HighsError::Model) } else { Ok(()) }
    }

    /// Begins the next run of a model with integers from a whole solution, one value for
    /// each variable, if it is one of that model.
    pub(in crate::solver) fn begin_at(&mut self, values: &[f64]) {
        // SAFETY: `instance` is alive; the values are as many as it has columns, the other
        // arrays are not given, for which null stands. What it makes of them is its affair.
        unsafe {
            if usize::try_from(sys::Highs_getNumCol(self.raw())) == Ok(values.len()) {
                let none = std::ptr::null();
                sys::Highs_setSolution(self.raw(), values.as_ptr(), none, none, none);
            }
        }
    }
}
