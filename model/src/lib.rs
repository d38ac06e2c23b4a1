//! What a model means.
//!
//! Every form of `solvemesh.v1.Model` is read into one, the *normal form*: a
//! `LinearModel` in which every array has its full length, every name is there and
//! unique, every kind is one of continuous, integer, semi-continuous or semi-integer
//! (binary is integer with bounds), infinite bounds are IEEE infinities, and no
//! coefficient is zero.
//!
//! [`read()`] goes there in three steps: a reader of the form (`named`, `lp`, `mps`,
//! behind `file` for files) writes arrays, `arrays` makes them fit together, and
//! `normal` (with `names` and `matrix`) checks what their entries mean. The decisions
//! are told to users in `docs/models.md`.

mod arrays;
mod domain;
mod fault;
mod file;
mod findings;
mod form;
mod limits;
mod lp;
mod matrix;
mod mps;
mod named;
mod names;
mod normal;
mod read;
mod reading;
mod row;
mod start;
pub mod sweep;
#[cfg(test)]
mod tests;
mod text;
mod unpack;
pub mod verify;

use solvemesh::v1::{LinearModel, ModelSize};

pub use domain::{Domain, is_linear_program, is_submitted_as_lp};
pub use fault::{Fault, FaultKind, Faults, Place};
pub use limits::Limits;
pub use matrix::{NEGLIGIBLE, dropped_entry};
pub use read::read;
pub use row::entries;

/// A model in normal form.
#[derive(Clone, Debug, PartialEq)]
pub struct Normal {
    /// The model's name; may be empty. That of the request wins over the file's.
    pub name: String,
    /// Every array has its full length.
    pub model: LinearModel,
    /// Its size.
    pub size: ModelSize,
    /// What the submitter should know.
    pub warnings: Vec<String>,
}
