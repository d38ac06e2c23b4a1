use super::line::{Line, Token};
use crate::reading::ReadError;

/// The one set of values that RHS or RANGES may hold.
#[derive(Debug, Default)]
pub(super) struct Sides<'a> {
    /// The set's name, once a line has one.
    set: Option<&'a str>,
    /// For each constraint.
    values: Vec<Option<f64>>,
    objective: Option<f64>,
}

impl<'a> Sides<'a> {
    pub(super) fn new(rows: usize) -> Self {
        Sides { values: vec![None; rows], ..Sides::default() }
    }

    /// Refuses a second set: which of them is meant, the file doesn't say.
    pub(super) fn check_set(&mut self, line: &Line<'a>, set: Token<'a>) -> Result<(), ReadError> {
        if set.text.is_empty() {
            return Ok(());
        }
        let first = *self.set.get_or_insert(set.text);
        if first == set.text {
            return Ok(());
        }
        let message =
            format!("`{}` begins a second set after `{first}`; a model has one", set.text);
        Err(line.invalid(set, message))
    }

    pub(super) fn set_row(
        &mut self,
        line: &Line<'a>,
        name: Token<'a>,
        row: usize,
        value: f64,
    ) -> Result<(), ReadError> {
        set(&mut self.values[row], line, name, value)
    }

    pub(super) fn set_objective(
        &mut self,
        line: &Line<'a>,
        name: Token<'a>,
        value: f64,
    ) -> Result<(), ReadError> {
        set(&mut self.objective, line, name, value)
    }

    pub(super) fn row(&self, row: usize) -> Option<f64> {
        self.values[row]
    }

    pub(super) fn objective(&self) -> Option<f64> {
        self.objective
    }
}

fn set(place: &mut Option<f64>, line: &Line, name: Token, value: f64) -> Result<(), ReadError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => {
            Err(line.invalid(name, format!("row `{}` is given twice in this section", name.text)))
        }
    }
}
