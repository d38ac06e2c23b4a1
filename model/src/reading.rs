use solvemesh::v1::{LinearModel, StartingPoint};

use crate::{FaultKind, Place};

/// The result of reading a model from a text.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The model's name, if the file has one.
    pub(crate) name: String,
    /// The arrays as the text has them. They are converted to normal form afterwards, in the
    /// same way for every form of a model.
    pub(crate) model: LinearModel,
    /// Where the solve begins, if the file says so.
    pub(crate) start: Option<StartingPoint>,
    /// Warnings for the submitter.
    pub(crate) warnings: Vec<String>,
}

/// The error at which a reader stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadError {
    pub(crate) place: Place,
    /// The class of the error.
    pub(crate) kind: FaultKind,
    pub(crate) message: String,
}

/// Rejects a text of 2 GiB or more. Every count of a model is below the length of its text,
/// so that after this check none can overflow the int32 of the protocol.
pub(crate) fn check_length(text: &str) -> Result<(), ReadError> {
    if i32::try_from(text.len()).is_ok() {
        return Ok(());
    }
    let place = Place { line: 1, column: 1 };
    let message = "the text has 2 GiB or more".to_owned();
    Err(ReadError { place, kind: FaultKind::TooLarge, message })
}
