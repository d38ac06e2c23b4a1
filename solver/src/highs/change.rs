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
    pub(crate) fn take_over(
        &mut self,
        target: Target,
        model: &LinearModel,
    ) -> Result<(), HighsError> {
        let index = |index: usize| sys::HighsInt::try_from(index).map_err(|_| HighsError::Model);
        let highs = self.raw();
        // SAFETY, for all below: `instance` is alive, and checks the indices.
        let status = match target {
            Target::Objective(column) => unsafe {
                let cost = self.scale.cost(model.objective[column]);
                sys::Highs_changeColCost(highs, index(column)?, cost)
            },
            Target::Offset => unsafe {
                let offset = self.scale.cost(model.objective_offset);
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
                let here = entries(model, row).find(|(of, _)| *of == column);
                let value = here.map_or(0.0, |(_, value)| value);
                unsafe { sys::Highs_changeCoeff(highs, index(row)?, index(column)?, value) }
            }
        };
        if status == sys::kHighsStatusError { Err(HighsError::Model) } else { Ok(()) }
    }

    /// Gives a variable a value, and nothing else.
    ///
    /// # Errors
    ///
    /// When HiGHS finds fault with it.
    pub(crate) fn fix(&mut self, column: usize, value: f64) -> Result<(), HighsError> {
        let column = sys::HighsInt::try_from(column).map_err(|_| HighsError::Model)?;
        // SAFETY: `instance` is alive, and checks the index. A semi-continuous variable would
        // still have 0 beside the value.
        let status = unsafe {
            sys::Highs_changeColIntegrality(self.raw(), column, sys::VAR_TYPE_CONTINUOUS);
            sys::Highs_changeColBounds(self.raw(), column, value, value)
        };
        if status == sys::kHighsStatusError { Err(HighsError::Model) } else { Ok(()) }
    }

    /// Begins the next run of a model with integers from a whole solution, one value for
    /// each variable, if it is one of that model.
    pub(crate) fn begin_at(&mut self, values: &[f64]) {
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
