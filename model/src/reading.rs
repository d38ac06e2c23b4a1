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

/// Refuses a text in which something could not be counted: every count of a model is
/// below the text's length, and an int32 in the contract.
pub(crate) fn countable(text: &str) -> Result<(), ReadError> {
    if i32::try_from(text.len()).is_ok() {
        return Ok(());
    }
    let place = Place { line: 1, column: 1 };
    let message = "the text has 2 GiB or more".to_owned();
    Err(ReadError { place, kind: FaultKind::TooLarge, message })
}
