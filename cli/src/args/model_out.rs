//! Writes the model of a submission to a file.

use std::{fs, io, path::Path};

use solvemesh_client::v1::Model;
use solvemesh_model::{Faults, Limits, ReplacedNames, WriteError, write_mps};

/// Why a model was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelOutError {
    /// The file would have the name of another format.
    #[error("{0}: the format is MPS, so the name should end in .mps")]
    Name(String),
    /// The model can't be read.
    #[error("{0}")]
    Model(Faults),
    /// MPS can't express the model.
    #[error(transparent)]
    Format(WriteError),
    /// The file can't be written.
    #[error("{0}: {1}")]
    File(String, io::Error),
}

/// Writes a model in MPS format, as it is read. Returns which names it replaced.
pub(crate) fn write(model: Model, file: &Path) -> Result<ReplacedNames, ModelOutError> {
    let name = file.display().to_string();
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase());
    if ending.is_some_and(|ending| ending != "mps") {
        return Err(ModelOutError::Name(name));
    }
    // The gateway has limits of its own.
    let limits = Limits {
        max_model_bytes: usize::MAX,
        max_variables: usize::MAX,
        max_constraints: usize::MAX,
        max_nonzeros: usize::MAX,
    };
    let read = solvemesh_model::read(model, &limits).map_err(ModelOutError::Model)?;
    // In memory first: there is no file if the format can't express the model.
    let mut text = Vec::new();
    let replaced = write_mps(&read.name, &read.model, &mut text).map_err(ModelOutError::Format)?;
    fs::write(file, text).map_err(|error| ModelOutError::File(name, error))?;
    Ok(replaced)
}
