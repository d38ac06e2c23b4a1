//! The MPS format, fixed and free.
//!
//! Where readers differ, this one does as follows.
//!
//! - **Fixed or free** is decided by the whole file: it is read as free, fields being
//!   told apart by blanks; if that fails, as fixed, where a field has its columns (2-3,
//!   5-12, 15-22, 25-36, 40-47, 50-61) and a name may hold blanks, but nothing may
//!   stand between the fields. Reading as fixed is told in a warning.
//! - **Sections** begin in column 1, everything else is indented. Each comes at most
//!   once; ROWS, COLUMNS and ENDATA come in this order, with RHS, RANGES and BOUNDS in any
//!   order between the last two. ENDATA may be missing, with a warning. NAME may be absent.
//!   Keywords may be in any case; names are told apart by it. A `*` in column 1 begins a
//!   comment, as does a `$` in the place of a field behind the first name.
//! - **OBJSENSE** (MAX, MAXIMIZE, MIN, MINIMIZE) has its word on its own line or on
//!   the next, anywhere before ENDATA. Without it, the objective is minimised.
//! - **The objective** is the N row that OBJNAME names, else the first; there must be
//!   one. Other N rows are left out, with a warning. Its RHS is the negative of the
//!   objective's constant.
//! - **Twice** is refused: a row, a column whose lines don't stand together, a
//!   coefficient, a right-hand side, a range; a bound, unless it is the same, or replaces
//!   that of a BV. Of RHS and RANGES sets the first counts, with a warning; BOUNDS sets all
//!   apply. The name of a set may be absent.
//! - **Undeclared** rows and columns are refused.
//! - **RANGES** on an E row `r`: [rhs, rhs + R] for R > 0, [rhs - |R|, rhs] for R < 0,
//!   an equation for 0. On an L or G row the sign doesn't matter.
//! - **An integer column** (between INTORG and INTEND) of which BOUNDS says nothing is
//!   [0, 1], with a warning. Any bound at all leaves the usual defaults, 0 and infinity.
//! - **A negative UP** (or UI) without a lower bound makes the lower bound minus
//!   infinity, with a warning. An UP of 0 leaves it at 0.
//! - **MI** leaves the upper bound as it is. **BV**, **LI**, **UI** and **SI** make the
//!   column integer. **SC** and **SI** give the upper bound of a semi-continuous column:
//!   above 0 and finite; its lower bound must not be negative.
//! - **Numbers** are decimal, with `e` or Fortran's `d`. A bound may be `inf` or
//!   `infinity`; 1e20 and more is infinite too, in bounds and right-hand sides. An
//!   infinite right-hand side makes an L row free, a negative one a G row; elsewhere it
//!   is refused.

mod bounds;
mod columns;
mod line;
mod model;
mod number;
mod reader;
mod record;
mod rows;
mod section;
mod sides;
#[cfg(test)]
mod tests;

use self::{reader::File, record::Layout};
use crate::{
    FaultKind, Limits,
    reading::{ReadError, Reading, countable},
};

/// Reads an MPS file, fixed or free. The first thing that is over a limit ends it.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Reading, ReadError> {
    countable(text)?;
    let free = match File::read(text, Layout::Free, *limits).and_then(File::model) {
        Ok(reading) => return Ok(reading),
        Err(error) if error.kind == FaultKind::TooLarge => return Err(error),
        Err(error) => error,
    };
    match File::read(text, Layout::Fixed, *limits).and_then(File::model) {
        Ok(mut reading) => {
            let message = "read as fixed-format MPS, because as free format it makes no sense";
            reading.warnings.insert(0, format!("{message} ({}: {})", free.place, free.message));
            Ok(reading)
        }
        // Whoever came further understood the file better.
        Err(fixed) if fixed.place.line > free.place.line => Err(fixed),
        Err(_) => Err(free),
    }
}
