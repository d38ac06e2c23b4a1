//! What a model means.
//!
//! Every form of `solvemesh.v1.Model` is read into one, the *normal form*: a
//! `LinearModel` in which every array has its full length, every name is there and
//! unique, every kind is one of continuous, integer, semi-continuous or semi-integer
//! (binary is integer with bounds), infinite bounds are IEEE infinities, and no
//! coefficient is zero.

mod fault;
mod reading;

use solvemesh::v1::{LinearModel, ModelSize};

pub use fault::{Fault, FaultKind, Faults, Place};

/// A model in normal form.
#[derive(Clone, Debug, PartialEq)]
pub struct Normal {
    /// The model's name; may be empty.
    pub name: String,
    /// Every array has its full length.
    pub model: LinearModel,
    /// Its size.
    pub size: ModelSize,
    /// What the submitter should know.
    pub warnings: Vec<String>,
}
