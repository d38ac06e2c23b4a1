use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};

use super::lexer::Mark;
use crate::{limits::Counts, name_map::NameMap, normalise_infinity};

/// Maximum number of warnings reported for a file; further ones are only counted.
const MAX_WARNINGS: usize = 20;

/// The part of the model that has been read so far.
#[derive(Debug, Default)]
pub(super) struct Draft<'t> {
    /// The name of the model, from `Problem`.
    pub(super) name: &'t str,
    pub(super) sense: ObjectiveSense,
    pub(super) offset: f64,
    pub(super) columns: Vec<Column<'t>>,
    indices: NameMap<'t, usize>,
    /// The variable that was used last in `Bounds` or a list.
    last: usize,
    /// The names of the last terms of the current expression, which are not looked up yet.
    unresolved: Vec<&'t str>,
    /// What was found for them. Here only so that it is not allocated again.
    found: Vec<Option<usize>>,
    /// For each variable, the index in `entries` of its last entry. It is one of the current row
    /// only if it is not below the start of that row, and belongs to this variable. Not part of
    /// `Column`, so that more of them are in the cache.
    last_entries: Vec<u32>,
    row_names: Vec<&'t str>,
    /// The line of each name given to a row.
    named_rows: NameMap<'t, usize>,
    rows: Vec<(f64, f64)>,
    starts: Vec<i32>,
    entries: Vec<(usize, f64)>,
    pub(super) warnings: Warnings,
    /// The first variable that occurs only in `Bounds` or a list, its line, and the number of
    /// such variables.
    unmentioned: Option<(&'t str, usize, usize)>,
}

/// The part of a variable that has been read so far.
#[derive(Debug)]
pub(super) struct Column<'t> {
    pub(super) name: &'t str,
    /// The bounds that were given, if any.
    pub(super) lower: Option<f64>,
    pub(super) upper: Option<f64>,
    pub(super) integer: bool,
    pub(super) binary: bool,
    /// The position at which it was declared semi-continuous or semi-integer.
    pub(super) semi: Option<Mark>,
    objective: f64,
}

/// A sum of coefficients is not finite.
#[derive(Debug)]
pub(super) struct Overflow;

impl<'t> Draft<'t> {
    /// The index of a variable, which is added on its first use.
    fn column(&mut self, name: &'t str) -> usize {
        if let Some(index) = self.indices.get(name) {
            return index;
        }
        let index = self.columns.len();
        self.indices.insert(name, index);
        self.columns.push(Column {
            name,
            lower: None,
            upper: None,
            integer: false,
            binary: false,
            semi: None,
            objective: 0.0,
        });
        self.last_entries.push(0);
        index
    }

    /// Registers the variable of the next term of an expression, which `resolve` looks up.
    pub(super) fn add_unresolved(&mut self, name: &'t str) {
        self.unresolved.push(name);
    }

    /// The number of names that are not looked up yet.
    pub(super) fn unresolved(&self) -> usize {
        self.unresolved.len()
    }

    /// Sets the variables of the last terms, one for each name that is not looked up yet.
    pub(super) fn resolve(&mut self, terms: &mut [(usize, f64)]) {
        let first = terms.len() - self.unresolved.len();
        let terms = &mut terms[first..];
        let names = std::mem::take(&mut self.unresolved);
        let mut found = std::mem::take(&mut self.found);
        self.indices.get_each(&names, &mut found);
        for ((term, name), found) in terms.iter_mut().zip(&names).zip(&found) {
            // One that is new may have been added by a term before this one.
            term.0 = found.unwrap_or_else(|| self.column(name));
        }
        (self.unresolved, self.found) = (names, found);
        self.unresolved.clear();
    }

    /// The index of a variable in `Bounds` or a list. It is added, with cost 0, if it occurs in
    /// neither the objective nor a constraint.
    pub(super) fn column_outside_rows(&mut self, name: &'t str, mark: Mark) -> usize {
        self.last = match self.find(name) {
            Some(index) => index,
            None => {
                let (_, _, count) = self.unmentioned.get_or_insert((name, mark.line(), 0));
                *count += 1;
                self.column(name)
            }
        };
        self.last
    }

    /// Adds a warning about the variables that occur only in `Bounds` or a list.
    pub(super) fn warn_of_unmentioned(&mut self) {
        let Some((name, line, count)) = self.unmentioned else { return };
        let subject = match count {
            1 => format!("`{name}` is"),
            count => format!("`{name}` and {} more variables are", count - 1),
        };
        self.warnings.add(format!(
            "line {line}: {subject} in neither the objective nor a constraint; added with cost 0"
        ));
    }

    /// The index of a variable that has occurred before.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        // Bounds and lists mostly have the variables in their order, which saves a lookup for
        // each.
        let is = |index: &usize| self.columns.get(*index).is_some_and(|column| column.name == name);
        [self.last, self.last + 1].into_iter().find(is).or_else(|| self.indices.get(name))
    }

    /// The size of the model so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            variables: self.columns.len(),
            constraints: self.rows.len(),
            nonzeros: self.entries.len(),
        }
    }

    pub(super) fn add_objective(&mut self, terms: &[(usize, f64)]) -> Result<(), Overflow> {
        for &(column, coefficient) in terms {
            let sum = &mut self.columns[column].objective;
            *sum += coefficient;
            if !sum.is_finite() {
                return Err(Overflow);
            }
        }
        Ok(())
    }

    /// Registers the name of a row. Fails with the line of an earlier row of that name.
    pub(super) fn register_row_name(&mut self, name: &'t str, mark: Mark) -> Result<(), usize> {
        match self.named_rows.insert(name, mark.line()) {
            Some(before) => Err(before),
            None => Ok(()),
        }
    }

    /// Adds a row. Terms of one variable are summed, at the position of the first. Zeros are
    /// left out.
    pub(super) fn add_row(
        &mut self,
        name: &'t str,
        terms: impl Iterator<Item = (usize, f64)>,
        (lower, upper): (f64, f64),
    ) -> Result<(), Overflow> {
        let start = self.entries.len();
        self.starts.push(start as i32); // fits, because `read` has bounded the length of the text
        for (column, coefficient) in terms {
            let slot = self.last_entries[column] as usize;
            match self.entries.get_mut(slot) {
                // The last entry of this variable is in this row: one addition instead of a search.
                Some((owner, sum)) if slot >= start && *owner == column => *sum += coefficient,
                _ => {
                    self.last_entries[column] = self.entries.len() as u32; // fits, as above
                    self.entries.push((column, coefficient));
                }
            }
        }
        if self.entries[start..].iter().any(|(_, coefficient)| !coefficient.is_finite()) {
            return Err(Overflow);
        }
        let mut kept = start;
        for index in start..self.entries.len() {
            if self.entries[index].1 != 0.0 {
                self.entries.swap(kept, index);
                kept += 1;
            }
        }
        self.entries.truncate(kept);
        self.row_names.push(name);
        self.rows.push((normalise_infinity(lower), normalise_infinity(upper)));
        Ok(())
    }

    /// Returns the model, with defaults for everything that was not given, and the warnings.
    pub(super) fn finish(mut self) -> (LinearModel, Vec<String>) {
        // The indices are no longer needed. Freed before the arrays are allocated, to bound
        // the memory.
        (self.indices, self.named_rows, self.last_entries) = Default::default();
        self.starts.push(self.entries.len() as i32);
        let mut model = LinearModel {
            objective_offset: self.offset,
            variable_count: Some(self.columns.len() as i32),
            constraint_count: Some(self.rows.len() as i32),
            constraint_lower: self.rows.iter().map(|row| row.0).collect(),
            constraint_upper: self.rows.iter().map(|row| row.1).collect(),
            constraint_names: self.row_names.into_iter().map(String::from).collect(),
            row_starts: self.starts,
            column_indices: self.entries.iter().map(|entry| entry.0 as i32).collect(),
            coefficients: self.entries.iter().map(|entry| entry.1).collect(),
            ..LinearModel::default()
        };
        model.set_sense(self.sense);
        for column in &self.columns {
            let (lower, upper) = column.bounds(&mut self.warnings);
            model.variable_lower.push(lower);
            model.variable_upper.push(upper);
            model.objective.push(column.objective);
            model.variable_kinds.push(column.kind().into());
            model.variable_names.push(column.name.to_owned());
        }
        (model, self.warnings.into_messages())
    }
}

impl Column<'_> {
    fn kind(&self) -> VariableKind {
        match (self.semi.is_some(), self.integer || self.binary) {
            (false, false) => VariableKind::Continuous,
            (false, true) => VariableKind::Integer,
            (true, false) => VariableKind::SemiContinuous,
            (true, true) => VariableKind::SemiInteger,
        }
    }

    fn bounds(&self, warnings: &mut Warnings) -> (f64, f64) {
        let lower = self.lower.unwrap_or(0.0);
        let upper = self.upper.unwrap_or(f64::INFINITY);
        let name = self.name;
        if self.binary {
            if self.lower.is_some_and(|l| l < 0.0) || self.upper.is_some_and(|u| u > 1.0) {
                warnings.add(format!(
                    "`{name}` is binary: its bounds [{lower}, {upper}] were narrowed to [0, 1]"
                ));
            }
            // Bounds of a binary variable stay as far as they fit: `x = 1` fixes it. Some readers
            // ignore them.
            return (lower.max(0.0), upper.min(1.0));
        }
        if self.lower.is_none() && upper < 0.0 {
            warnings.add(format!(
                "`{name}` has the upper bound {upper}, which is below its default lower bound 0, \
                 so it has no value"
            ));
        }
        (lower, upper)
    }
}

/// Warnings for the submitter: the first ones in full, the rest only counted.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    messages: Vec<String>,
    omitted: usize,
}

impl Warnings {
    pub(super) fn add(&mut self, message: String) {
        if self.messages.len() < MAX_WARNINGS {
            self.messages.push(message);
        } else {
            self.omitted += 1;
        }
    }

    fn into_messages(mut self) -> Vec<String> {
        if self.omitted > 0 {
            self.messages.push(format!("and {} more such warnings", self.omitted));
        }
        self.messages
    }
}
