//! Bases: the one from which a run starts, and the one with which it ended.

use highs_sys as sys;
use solvemesh::v1::Basis;

use super::{Highs, HighsError};

/// `BasisStatus` of the contract counts from 1, and HiGHS from 0; the order is the same.
const FIRST_STATUS: i32 = 1;

impl Highs {
    /// Sets the basis from which the next run of an LP starts. Returns whether HiGHS accepts it.
    ///
    /// # Errors
    ///
    /// When it doesn't have the shape of the model.
    pub(crate) fn set_basis(&mut self, basis: &Basis) -> Result<bool, HighsError> {
        // SAFETY: `instance` is alive.
        let (columns, rows) =
            unsafe { (sys::Highs_getNumCol(self.raw()), sys::Highs_getNumRow(self.raw())) };
        let fits = |length: usize, count| usize::try_from(count) == Ok(length);
        if !fits(basis.variables.len(), columns) || !fits(basis.constraints.len(), rows) {
            return Err(HighsError::Start("basis"));
        }
        let to_highs = |statuses: &[i32]| -> Vec<sys::HighsInt> {
            statuses.iter().map(|status| status.saturating_sub(FIRST_STATUS)).collect()
        };
        let (columns, rows) = (to_highs(&basis.variables), to_highs(&basis.constraints));
        // SAFETY: `instance` is alive; there is a status for each column and row.
        let status = unsafe { sys::Highs_setBasis(self.raw(), columns.as_ptr(), rows.as_ptr()) };
        Ok(status != sys::kHighsStatusError)
    }

    /// Drops the basis and the solution of the last run, so that the next one starts from scratch.
    pub(crate) fn clear_basis(&mut self) {
        // SAFETY: `instance` is alive.
        unsafe { sys::Highs_clearSolver(self.raw()) };
    }

    /// The basis with which the last run ended, if there is a valid one.
    pub(crate) fn basis(&self) -> Option<Basis> {
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
