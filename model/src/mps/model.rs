use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};

use super::{columns::Entry, reader::File, rows::Relation};
use crate::reading::{ReadError, Reading};

/// Maximum number of names in a warning.
const MAX_NAMES: usize = 5;

impl File<'_> {
    /// Converts the file to a model.
    pub(super) fn model(mut self) -> Result<Reading, ReadError> {
        // Before the arrays are allocated, to bound the memory.
        self.columns.forget_index();
        let mut warnings = Vec::new();
        if !self.rows.dropped().is_empty() {
            warnings.push(warning_about(
                self.rows.dropped(),
                "an N row that is not the objective is left out",
            ));
        }
        self.warn_of_leniency(&mut warnings);
        let mut model = LinearModel {
            sense: match self.maximize {
                Some(true) => ObjectiveSense::Maximize,
                _ => ObjectiveSense::Minimize,
            } as i32,
            // MPS has the constant on the right-hand side. `0.0 -` avoids -0.0.
            objective_offset: self.rhs.objective().map_or(0.0, |rhs| 0.0 - rhs),
            constraint_names: self.rows.names.iter().map(ToString::to_string).collect(),
            variable_names: self.columns.names.iter().map(ToString::to_string).collect(),
            ..LinearModel::default()
        };
        self.write_variables(&mut model, &mut warnings)?;
        self.write_constraints(&mut model);
        write_matrix(&mut model, &self.columns.entries);
        model.objective = self.columns.objective;
        Ok(Reading { name: self.name.to_owned(), model, start: None, warnings })
    }

    /// Adds warnings about input that strict readers would reject, or that may not mean what
    /// its author intended.
    fn warn_of_leniency(&self, warnings: &mut Vec<String>) {
        for (section, sides) in [("RHS", &self.rhs), ("RANGES", &self.ranges)] {
            if let Some((set, other)) = sides.left_out() {
                warnings.push(format!(
                    "{section} has the set `{other}` beside `{set}`; only `{set}`, the first \
                     one, is used"
                ));
            }
        }
        let names: Vec<&str> =
            self.bounds.replaced().iter().map(|&column| self.columns.names[column]).collect();
        if !names.is_empty() {
            warnings.push(warning_about(&names, "a bound after BV replaces it"));
        }
        if let (Some(comment), None) = (self.sense_comment, self.maximize) {
            warnings.push(format!(
                "minimised: `{comment}` is only a comment; use the section OBJSENSE to maximise"
            ));
        }
        if !self.has_end {
            let message = "the file has no ENDATA; it was read as if it were complete";
            warnings.push(message.to_owned());
        }
    }

    fn write_variables(
        &self,
        model: &mut LinearModel,
        warnings: &mut Vec<String>,
    ) -> Result<(), ReadError> {
        let mut made_binary = Vec::new();
        let mut made_free = Vec::new();
        for (column, &name) in self.columns.names.iter().enumerate() {
            let given = self.bounds.of(column);
            let limits = given.unwrap_or_default();
            limits.check(name)?;
            let integer = self.columns.integer[column];
            let kind = match (integer || limits.integer, limits.semi) {
                (false, None) => VariableKind::Continuous,
                (true, None) => VariableKind::Integer,
                (false, Some(_)) => VariableKind::SemiContinuous,
                // SI, or SC on an integer column, as in CPLEX; HiGHS makes the latter
                // semi-continuous.
                (true, Some(_)) => VariableKind::SemiInteger,
            };
            let (lower, upper) = match (limits.lower, limits.upper) {
                // As in CPLEX, SAS and HiGHS.
                (None, None) if integer && given.is_none() => {
                    made_binary.push(name);
                    (0.0, 1.0)
                }
                // As documented by SAS and QSopt. HiGHS keeps the lower bound of 0: infeasible.
                (None, Some(upper)) if upper < 0.0 => {
                    made_free.push(name);
                    (f64::NEG_INFINITY, upper)
                }
                (lower, upper) => (lower.unwrap_or(0.0), upper.unwrap_or(f64::INFINITY)),
            };
            model.variable_kinds.push(kind as i32);
            model.variable_lower.push(lower);
            model.variable_upper.push(upper);
        }
        if !made_binary.is_empty() {
            warnings.push(warning_about(
                &made_binary,
                "an integer column without bounds is taken as [0, 1]",
            ));
        }
        if !made_free.is_empty() {
            warnings.push(warning_about(
                &made_free,
                "a column with a negative upper bound and no lower bound is taken as unbounded \
                 below",
            ));
        }
        Ok(())
    }

    fn write_constraints(&self, model: &mut LinearModel) {
        for (row, &relation) in self.rows.relations.iter().enumerate() {
            let rhs = self.rhs.row(row).unwrap_or(0.0);
            let (lower, upper) = interval(relation, rhs, self.ranges.row(row));
            model.constraint_lower.push(lower);
            model.constraint_upper.push(upper);
        }
    }
}

/// The bounds of a row. A range extends an equation in the direction of its sign; it gives an
/// inequality its other bound, whatever its sign.
fn interval(relation: Relation, rhs: f64, range: Option<f64>) -> (f64, f64) {
    match (relation, range) {
        (Relation::AtMost, None) => (f64::NEG_INFINITY, rhs),
        (Relation::AtMost, Some(range)) => (rhs - range.abs(), rhs),
        (Relation::AtLeast, None) => (rhs, f64::INFINITY),
        (Relation::AtLeast, Some(range)) => (rhs, rhs + range.abs()),
        (Relation::Equal, Some(range)) if range < 0.0 => (rhs + range, rhs),
        (Relation::Equal, range) => (rhs, rhs + range.unwrap_or(0.0)),
    }
}

/// Sorts the entries by row, with a counting sort: they keep the order of columns within a row.
fn write_matrix(model: &mut LinearModel, entries: &[Entry]) {
    let mut starts = vec![0; model.constraint_names.len() + 1];
    for entry in entries {
        starts[entry.row as usize + 1] += 1;
    }
    for row in 1..starts.len() {
        starts[row] += starts[row - 1];
    }
    let mut next = starts.clone();
    model.column_indices = vec![0; entries.len()];
    model.coefficients = vec![0.0; entries.len()];
    for entry in entries {
        let next = &mut next[entry.row as usize];
        model.column_indices[*next as usize] = entry.column as i32;
        model.coefficients[*next as usize] = entry.value;
        *next += 1;
    }
    model.row_starts = starts;
}

/// A warning, with the names that it is about: the first few, and the number of others.
fn warning_about(names: &[&str], message: &str) -> String {
    let listed: Vec<String> =
        names.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{message}: {}{more}", listed.join(", "))
}
