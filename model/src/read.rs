use solvemesh::v1::{Model, model};

use crate::{
    Fault, FaultKind, Faults, Limits, NlObjective, NormalModel, ReadModel, arrays,
    file::{self, Content},
    findings::truncate_message,
    form::Form,
    lp, mps, named,
    nl::{NlModel, read_nl},
    normal,
    reading::{ReadError, Reading},
    text::{Format, strip_bom},
};

/// Reads a model of any form into the normal form. Every submitted model goes through this
/// function.
///
/// # Errors
///
/// For arrays and named terms, returns all errors (at most 100) of the first step that
/// fails: array lengths come before entries. For a text, returns the first error, with its
/// position. A model without a form is an error in `form`.
pub fn read(model: Model, limits: &Limits) -> Result<ReadModel, Faults> {
    let (form, reading) = match model.form {
        None => {
            return Err(Faults(vec![Fault {
                field: "form".to_owned(),
                place: None,
                kind: FaultKind::Invalid,
                message: "no model is given: set one of linear, named, lp, mps and file".to_owned(),
            }]));
        }
        Some(model::Form::Linear(linear)) => {
            (Form::Linear, Reading { model: linear, ..Reading::default() })
        }
        Some(model::Form::Named(named)) => {
            let model = named::arrays(&named, limits)?;
            (Form::Named, Reading { model, ..Reading::default() })
        }
        Some(model::Form::Lp(text)) => parse("lp", Format::Lp, &text, limits)?,
        Some(model::Form::Mps(text)) => parse("mps", Format::Mps, &text, limits)?,
        Some(model::Form::File(file)) => {
            match file::open(&file, limits).map_err(|fault| Faults(vec![fault]))? {
                Content::Text(format, text) => parse("file", format, &text, limits)?,
                Content::Nl(bytes) => (Form::Text("file"), nl(&bytes, limits)?),
                Content::Linear(model) => (Form::Packed, Reading { model, ..Reading::default() }),
            }
        }
    };
    let name = if model.name.is_empty() { reading.name } else { model.name };
    let start = reading.start;
    // Lengths before entries: the checks of entries index all arrays.
    let full = arrays::fill(form, reading.model, limits)?;
    let (model, size, warnings) = normal::normalise(form, full, reading.warnings)?;
    Ok(ReadModel { name, model: NormalModel::trusted(model), size, start, warnings })
}

fn nl(bytes: &[u8], limits: &Limits) -> Result<Reading, Faults> {
    let NlModel { name, model, start, warnings, .. } =
        read_nl(bytes, limits, NlObjective::First).map_err(|fault| Faults(vec![fault]))?;
    Ok(Reading { name, model, start, warnings })
}

fn parse(
    field: &'static str,
    format: Format,
    text: &str,
    limits: &Limits,
) -> Result<(Form, Reading), Faults> {
    // Before parsing, which takes many times the memory of the text.
    limits.check_bytes(field, text.len()).map_err(|fault| Faults(vec![fault]))?;
    let text = strip_bom(text);
    let reading = match format {
        Format::Lp => lp::read(text, limits),
        Format::Mps => mps::read(text, limits),
    };
    match reading {
        Ok(reading) => Ok((Form::Text(field), reading)),
        Err(ReadError { place, kind, message }) => {
            let (field, message) = (field.to_owned(), truncate_message(message));
            Err(Faults(vec![Fault { field, place: Some(place), kind, message }]))
        }
    }
}
