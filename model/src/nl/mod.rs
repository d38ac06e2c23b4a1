//! Reader of AMPL's NL format, text (`g`) and binary (`b`), for linear models.
//!
//! The format is described by D. M. Gay, "Writing .nl Files" (2005). This reader makes the
//! following decisions.
//!
//! - **Linear** is what the expressions say, not what the header announces: sums, differences,
//!   products and quotients with constants, and defined variables, are folded into linear terms.
//!   Anything else is an error that names the constraint or objective, counted from 0 as in the
//!   file. So are logical and complementarity constraints, calls of functions, and SOS sets, which
//!   are suffixes (`sosno` and `ref`, `sos` and `sosref`).
//! - **The objective** is the one that the caller chooses, by default the first, with a warning if
//!   there are others. Without one, 0 is minimised.
//! - **Terms** of a constraint are those of its J segment plus those of its expression; constants
//!   move to its bounds.
//! - **Counts** of the header are checked against the limits and the length of the file before
//!   anything of their size is allocated. A file with fewer entries than its header announces is
//!   truncated, and an error.
//! - **The start** is the initial guess (`x`) for a model with integers, the basis in the suffix
//!   `sstatus` for an LP, if it is complete. Dual guesses (`d`), column counts (`k`, `K`),
//!   declarations of functions (`F`) and other suffixes have no meaning here and are skipped.

mod basis;
mod bounds;
mod expression;
mod file;
mod header;
mod input;
mod matrix;
mod model;
mod operator;
mod segments;
#[cfg(test)]
mod tests;

use solvemesh::v1::{LinearModel, StartingPoint};

use self::{
    file::File,
    header::Header,
    input::{Binary, Text},
};
use crate::{Fault, FaultKind, Limits};

/// A model in the NL format, with what an answer to it repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct NlModel {
    /// The name of the problem; empty if the file has none.
    pub name: String,
    /// The options in the first line, without their number.
    pub options: Vec<i64>,
    /// The tolerance behind the options.
    pub tolerance: Option<f64>,
    /// The index of the objective that is optimised; `None` if 0 is minimised.
    pub objective: Option<usize>,
    /// The arrays, without names: those are in other files.
    pub model: LinearModel,
    /// Where the solve begins.
    pub start: Option<StartingPoint>,
    /// Warnings for the submitter.
    pub warnings: Vec<String>,
}

/// Which objective of a file is optimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NlObjective {
    /// The first, with a warning if there are others.
    #[default]
    First,
    /// None: 0 is minimised.
    None,
    /// The one with this index, from 0.
    Index(usize),
}

/// Reads an NL file. The counts of variables, constraints and coefficients are within `limits`, and
/// the arrays have their full lengths; their entries are not validated.
///
/// # Errors
///
/// The first error, with its line and column in the text form and in the header, or with its offset
/// in the binary form.
pub fn read_nl(bytes: &[u8], limits: &Limits, objective: NlObjective) -> Result<NlModel, Fault> {
    // An index is an int32 in the protocol; every count is below the length of the file.
    if i32::try_from(bytes.len()).is_err() {
        let message = "the file has 2 GiB or more".to_owned();
        return Err(input::fault(None, FaultKind::TooLarge, message));
    }
    let mut text = Text::new(bytes);
    let header = Header::read(&mut text, bytes.len(), limits)?;
    let file = if header.is_binary {
        let binary = Binary::new(bytes, text.offset(), header.big_endian);
        File::read(header, binary, bytes.len(), limits, objective)?
    } else {
        File::read(header, text, bytes.len(), limits, objective)?
    };
    Ok(file.model())
}
