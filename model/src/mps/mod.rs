//! The MPS format: a parser, for fixed and free format, and a writer of free format.
//!
//! Readers of the format differ. The parser makes the following decisions.
//!
//! - **Fixed or free** is decided for the whole file: it is parsed as free format, with
//!   fields separated by blanks. If that fails, it is parsed as fixed format, where each
//!   field has its columns (2-3, 5-12, 15-22, 25-36, 40-47, 50-61), so that a name may
//!   contain blanks, and no text is allowed between the fields. A warning reports fixed
//!   format.
//! - **Sections** begin in column 1, all other lines are indented. Each section occurs at
//!   most once; ROWS, COLUMNS and ENDATA in this order, with RHS, RANGES and BOUNDS in any
//!   order between the last two. ENDATA may be missing, with a warning. NAME may be absent.
//!   Keywords may be in any case; names are case-sensitive. A `*` in column 1 begins a
//!   comment, as does a `$` in the place of a field after the first name.
//! - **OBJSENSE** (MAX, MAXIMIZE, MIN, MINIMIZE) has its word on its own line or on
//!   the next, anywhere before ENDATA. Without it, the objective is minimised.
//! - **The objective** is the N row that OBJNAME names, else the first; there must be
//!   one. Other N rows are left out, with a warning. Its RHS is the negative of the
//!   objective's constant.
//! - **Duplicates** are errors: a row, a column whose lines are not adjacent, a
//!   coefficient, a right-hand side, a range; a bound, unless it is the same, or replaces
//!   that of a BV. Only the first set of RHS and of RANGES is used, with a warning; all sets
//!   of BOUNDS are. The name of a set may be absent.
//! - **Undeclared** rows and columns are errors.
//! - **RANGES** on an E row `r`: [rhs, rhs + R] for R > 0, [rhs - |R|, rhs] for R < 0,
//!   an equation for 0. On an L or G row the sign doesn't matter.
//! - **An integer column** (between INTORG and INTEND) without an entry in BOUNDS is
//!   [0, 1], with a warning. With any entry it has the usual defaults, 0 and infinity.
//! - **A negative UP** (or UI) without a lower bound makes the lower bound minus
//!   infinity, with a warning. An UP of 0 leaves it at 0.
//! - **MI** leaves the upper bound unchanged. **BV**, **LI**, **UI** and **SI** make the
//!   column integer. **SC** and **SI** give the upper bound of a semi-continuous column:
//!   above 0 and finite; its lower bound must not be negative.
//! - **Numbers** are decimal, with `e` or Fortran's `d`. A bound may be `inf` or
//!   `infinity`; 1e20 and more is infinite too, in bounds and right-hand sides. An
//!   infinite right-hand side makes an L row free, a negative one a G row; elsewhere it
//!   is an error.

mod batch;
mod blanks;
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
mod writer;

pub use self::writer::{ReplacedNames, WriteError, write_mps};
use self::{reader::File, record::Layout};
use crate::{
    FaultKind, Limits,
    reading::{ReadError, Reading, check_length},
};

/// Parses an MPS file, fixed or free. Stops at the first error, or when a limit is exceeded.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Reading, ReadError> {
    check_length(text)?;
    let free = match File::read(text, Layout::Free, *limits).and_then(File::model) {
        Ok(reading) => return Ok(reading),
        // The other layout would take as much time and memory again.
        Err(error) if error.kind == FaultKind::TooLarge => return Err(error),
        Err(error) => error,
    };
    match File::read(text, Layout::Fixed, *limits).and_then(File::model) {
        Ok(mut reading) => {
            let message = "read as fixed-format MPS, because it is not valid in free format";
            reading.warnings.insert(0, format!("{message} ({}: {})", free.place, free.message));
            Ok(reading)
        }
        // The error further down is more likely in the intended layout.
        Err(fixed) if fixed.place.line > free.place.line => Err(fixed),
        Err(_) => Err(free),
    }
}
