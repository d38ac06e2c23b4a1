use highs_sys as sys;
use solvemesh::v1::{Basis, Start};

use super::{Highs, HighsError};

/// HiGHS numbers its statuses from 0 in the order of the contract, which begins at 1.
const FIRST_STATUS: i32 = 1;

impl Highs {
    /// Begins the next run from here. The start must be in the normal form of a model of
    /// the shape that was passed.
    ///
    /// # Errors
    ///
    /// When HiGHS finds fault with it.
    pub(in crate::solver) fn begin(&mut self, start: &Start) -> Result<(), HighsError> {
        // SAFETY: `instance` is alive.
        let (columns, rows) =
            unsafe { (sys::Highs_getNumCol(self.raw()), sys::Highs_getNumRow(self.raw())) };
        let fits = |length: usize, count| usize::try_from(count) == Ok(length);
        let in_model = |index: &i32| (0..columns).contains(index);
        if !start.values.is_empty() {
            let entries =
                i32::try_from(start.values.len()).map_err(|_| HighsError::Start("solution"))?;
            if !fits(start.variable_indices.len(), entries)
                || !start.variable_indices.iter().all(in_model)
            {
                return Err(HighsError::Start("solution"));
            }
            // SAFETY: `instance` is alive; the arrays have as many entries as told, and
            // name columns that exist.
            let status = unsafe {
                sys::Highs_setSparseSolution(
                    self.raw(),
                    entries,
                    start.variable_indices.as_ptr(),
                    start.values.as_ptr(),
                )
            };
            if status == sys::kHighsStatusError {
                return Err(HighsError::Start("solution"));
            }
        }
        let Some(basis) = &start.basis else { return Ok(()) };
        if !fits(basis.variables.len(), columns) || !fits(basis.constraints.len(), rows) {
            return Err(HighsError::Start("basis"));
        }
        let own = |statuses: &[i32]| -> Vec<sys::HighsInt> {
            statuses.iter().map(|status| status.saturating_sub(FIRST_STATUS)).collect()
        };
        let (columns, rows) = (own(&basis.variables), own(&basis.constraints));
        // SAFETY: `instance` is alive; there is a status for each column and row.
        let status = unsafe { sys::Highs_setBasis(self.raw(), columns.as_ptr(), rows.as_ptr()) };
        if status == sys::kHighsStatusError { Err(HighsError::Start("basis")) } else { Ok(()) }
    }

    /// The basis that the last run ended with, if it had one.
    pub(in crate::solver) fn basis(&self) -> Option<Basis> {
        if self.int_info(c"basis_validity") != Some(sys::kHighsBasisValidityValid) {
            return None;
        }
        // SAFETY: `instance` is alive.
        let shape = unsafe { (sys::Highs_getNumCol(self.raw()), sys::Highs_getNumRow(self.raw())) };
        let empty = |count| Some(vec![0; usize::try_from(count).ok()?]);
        let (mut variables, mut constraints) = (empty(shape.0)?, empty(shape.1)?);
        // SAFETY: `instance` is alive and writes a status for each column and row.
        let status = unsafe {
            sys::Highs_getBasis(self.raw(), variables.as_mut_ptr(), constraints.as_mut_ptr())
        };
        for status in variables.iter_mut().chain(&mut constraints) {
            *status += FIRST_STATUS;
        }
        (status != sys::kHighsStatusError).then_some(Basis { variables, constraints })
    }
}
