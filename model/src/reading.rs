use solvemesh::v1::LinearModel;

use crate::{FaultKind, Place};

/// What a reader of a text format made of a file.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The model's name, if the file has one.
    pub(crate) name: String,
    /// Full arrays; the normal form is made of it afterwards, for every source alike.
    pub(crate) model: LinearModel,
    /// What the submitter should know.
    pub(crate) warnings: Vec<String>,
}

/// Why a reader stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadError {
    pub(crate) place: Place,
    /// What kind of fault.
    pub(crate) kind: FaultKind,
    pub(crate) message: String,
}
