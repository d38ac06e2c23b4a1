//! Reads and validates optimisation models, and checks solutions against them.
//!
//! Every form of `solvemesh.v1.Model` is converted into one, the *normal form*: a
//! `LinearModel` in which every array has its full length, every variable and every
//! constraint has a unique name, every kind is one of continuous, integer,
//! semi-continuous or semi-integer (binary is integer with bounds), infinite bounds are
//! IEEE infinities, and no coefficient is zero.
//!
//! [`read()`] does this in three steps: a reader of the form (`named`, `lp`, `mps`,
//! `nl`; `file` unpacks files for the last three, and `packed` decodes arrays from files) produces
//! arrays, `arrays` checks their lengths
//! and fills in defaults, and `normal` (with `names` and `matrix`) validates the entries.
//! The rules are documented for users in `docs/models.md`.

mod arrays;
mod digits;
mod domain;
mod fault;
mod file;
mod findings;
mod form;
mod gap;
#[cfg(test)]
mod generated;
mod limits;
mod lp;
mod matrix;
mod mps;
mod name_map;
mod named;
mod names;
mod nl;
mod normal;
mod normal_model;
mod packed;
mod read;
mod reading;
mod start;
pub mod sweep;
#[cfg(test)]
mod tests;
mod text;
mod unpack;
pub mod verify;

use solvemesh::v1::{ModelSize, StartingPoint};

pub use domain::{Domain, is_linear_program, is_submitted_as_lp};
pub use fault::{Fault, FaultKind, Faults, Place};
pub use gap::{finite, relative_gap};
pub use limits::Limits;
pub use matrix::{NEGLIGIBLE, dropped_entry, entries};
pub use mps::{ReplacedNames, WriteError, write_mps};
pub use nl::{NlModel, NlObjective, read_nl};
pub use normal::{LARGE_SEMI_UPPER, normalise_infinity};
pub use normal_model::{NormalModel, ShapeError, check_shape};
pub use read::read;
pub use start::normalise_start;

/// A model that was read, with its name, size and warnings.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadModel {
    /// The model's name; may be empty. The name in the request takes precedence over the
    /// one in the file.
    pub name: String,
    /// The model.
    pub model: NormalModel,
    /// The numbers of variables, constraints, coefficients and integer variables.
    pub size: ModelSize,
    /// Where the solve begins, if the file says so and the request does not. Not validated.
    pub start: Option<StartingPoint>,
    /// Warnings for the submitter, about a model that may not mean what was intended.
    pub warnings: Vec<String>,
}
