//! Linear solves with the factorised basis matrix of an instance.

use std::ptr;

use highs_sys as sys;

use super::Highs;

/// The variable or activity that is basic at one position of the basis matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BasicVariable {
    /// A variable.
    Column(usize),
    /// The activity of a constraint.
    Row(usize),
}

impl Highs {
    /// The basic variables and activities in the order of the basis matrix, one for each row;
    /// `None` if there is no basis that can be factorised.
    pub(crate) fn basic_variables(&mut self) -> Option<Vec<BasicVariable>> {
        if self.entries() == 0 {
            // HiGHS 1.15 crashes when it factorises the basis of an empty matrix.
            return None;
        }
        // SAFETY: `instance` is alive.
        let rows = unsafe { sys::Highs_getNumRow(self.raw()) };
        let mut basics: Vec<sys::HighsInt> = vec![0; usize::try_from(rows).ok()?];
        // SAFETY: `instance` is alive and writes an index for each row.
        let status = unsafe { sys::Highs_getBasicVariables(self.raw(), basics.as_mut_ptr()) };
        if status != sys::kHighsStatusOk {
            return None;
        }
        // HiGHS encodes row i as -(i + 1).
        let basic = |index: sys::HighsInt| match usize::try_from(index) {
            Ok(column) => Some(BasicVariable::Column(column)),
            Err(_) => usize::try_from(-(index + 1)).ok().map(BasicVariable::Row),
        };
        basics.into_iter().map(basic).collect()
    }

    /// Solves B z = b with the basis matrix B, where b is `rhs` and z is written to `solution`.
    /// Both must have an entry for each row; z is in the order of [`Self::basic_variables`]. Returns
    /// whether it succeeded.
    pub(crate) fn solve_basis(&mut self, rhs: &[f64], solution: &mut [f64]) -> bool {
        self.fits(rhs, solution)
            // SAFETY: `instance` is alive; both arrays have an entry for each row; null stands for
            // the counts and indices of nonzeros, which are not wanted.
            && unsafe {
                sys::Highs_getBasisSolve(
                    self.raw(),
                    rhs.as_ptr(),
                    solution.as_mut_ptr(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                ) == sys::kHighsStatusOk
            }
    }

    /// Solves Bᵀ y = b in the same way; here b is in the order of [`Self::basic_variables`].
    pub(crate) fn solve_basis_transposed(&mut self, rhs: &[f64], solution: &mut [f64]) -> bool {
        self.fits(rhs, solution)
            // SAFETY: as above.
            && unsafe {
                sys::Highs_getBasisTransposeSolve(
                    self.raw(),
                    rhs.as_ptr(),
                    solution.as_mut_ptr(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                ) == sys::kHighsStatusOk
            }
    }

    /// Whether both slices have an entry for each row.
    fn fits(&self, rhs: &[f64], solution: &[f64]) -> bool {
        // SAFETY: `instance` is alive.
        let rows = unsafe { sys::Highs_getNumRow(self.raw()) };
        usize::try_from(rows).is_ok_and(|rows| rhs.len() == rows && solution.len() == rows)
    }
}
