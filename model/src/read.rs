use solvemesh::v1::{Model, model};

use crate::{
    Fault, FaultKind, Faults, Limits, Normal, arrays, file,
    findings::clip,
    form::Form,
    lp, mps, named, normal,
    reading::{ReadError, Reading},
    start,
    text::{Format, without_mark},
};

/// Reads a model, whatever its form, into the normal form: the one entry to this
/// crate for what comes from outside.
///
/// # Errors
///
/// All that is wrong with arrays and named terms, up to a hundred faults; of a text
/// the first fault, with its place. A model without a form is at fault in `form`.
pub fn read(model: &Model, limits: &Limits) -> Result<Normal, Faults> {
    let (form, reading) = match &model.form {
        None => {
            return Err(Faults(vec![Fault {
                field: "form".to_owned(),
                place: None,
                kind: FaultKind::Invalid,
                message: "no model is given: set one of linear, named, lp, mps and file".to_owned(),
            }]));
        }
        Some(model::Form::Linear(linear)) if linear.start.is_some() => {
            return Err(Faults(vec![Fault {
                field: "linear.start".to_owned(),
                place: None,
                kind: FaultKind::Invalid,
                message: "is for the mesh's own use: set start beside linear".to_owned(),
            }]));
        }
        Some(model::Form::Linear(linear)) => {
            (Form::Linear, Reading { model: linear.clone(), ..Reading::default() })
        }
        Some(model::Form::Named(named)) => {
            let model = named::arrays(named, limits)?;
            (Form::Named, Reading { model, ..Reading::default() })
        }
        Some(model::Form::Lp(text)) => parse("lp", Format::Lp, text, limits)?,
        Some(model::Form::Mps(text)) => parse("mps", Format::Mps, text, limits)?,
        Some(model::Form::File(file)) => {
            let (format, text) = file::open(file, limits).map_err(|fault| Faults(vec![fault]))?;
            parse("file", format, &text, limits)?
        }
    };
    let name = if model.name.is_empty() { reading.name } else { model.name.clone() };
    let full = arrays::fill(form, reading.model, limits)?;
    let (mut normal, size, warnings) = normal::normalise(form, full, reading.warnings)?;
    if let Some(start) = &model.start {
        normal.start = start::settle(start, &normal)?;
    }
    Ok(Normal { name, model: normal, size, warnings })
}

fn parse(
    field: &'static str,
    format: Format,
    text: &str,
    limits: &Limits,
) -> Result<(Form, Reading), Faults> {
    limits.check_bytes(field, text.len()).map_err(|fault| Faults(vec![fault]))?;
    let text = without_mark(text);
    let reading = match format {
        Format::Lp => lp::read(text, limits),
        Format::Mps => mps::read(text, limits),
    };
    match reading {
        Ok(reading) => Ok((Form::Text(field), reading)),
        Err(ReadError { place, kind, message }) => {
            let (field, message) = (field.to_owned(), clip(message));
            Err(Faults(vec![Fault { field, place: Some(place), kind, message }]))
        }
    }
}
