use super::line::{Line, Token};
use crate::reading::ReadError;

/// The first set of values in RHS or RANGES, which is the one that is used.
#[derive(Debug, Default)]
pub(super) struct Sides<'a> {
    /// The name of the set, once a line has one.
    set: Option<&'a str>,
    /// The name of the first other set, if there is one.
    left_out: Option<&'a str>,
    /// The value for each constraint.
    values: Vec<Option<f64>>,
    objective: Option<f64>,
}

impl<'a> Sides<'a> {
    pub(super) fn new(rows: usize) -> Self {
        Sides { values: vec![None; rows], ..Sides::default() }
    }

    /// Whether a line belongs to the set that is used, the first that is named. A line without
    /// a name belongs to it too.
    pub(super) fn is_of_set(&mut self, set: Token<'a>) -> bool {
        if set.text.is_empty() || *self.set.get_or_insert(set.text) == set.text {
            return true;
        }
        self.left_out.get_or_insert(set.text);
        false
    }

    /// The names of the set that is used and of the first that is left out, if there is one.
    pub(super) fn left_out(&self) -> Option<(&'a str, &'a str)> {
        Some((self.set?, self.left_out?))
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
