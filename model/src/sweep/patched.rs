use std::collections::HashMap;

use solvemesh::v1::LinearModel;

use super::{Change, Scenarios, Target};

/// The base model of a sweep with the numbers of one scenario at a time, changed in place
/// instead of copied for each scenario.
#[derive(Clone, Debug)]
pub struct Patched {
    model: LinearModel,
    /// The position in `coefficients` of each one that may change, by row and column.
    entries: HashMap<(usize, usize), usize>,
    /// The numbers that are changed now, with their values in the base.
    undo: Vec<Change>,
}

impl Patched {
    /// Takes the base, in normal form. Coefficients that scenarios change and the base does not
    /// have are inserted as zeros, so that the structure of the matrix never changes.
    pub fn new(base: LinearModel, scenarios: &Scenarios) -> Self {
        let mut model = base;
        let mut wanted: Vec<(usize, usize)> = scenarios
            .targets()
            .iter()
            .filter_map(|target| match *target {
                Target::Coefficient { row, column } => Some((row, column)),
                _ => None,
            })
            .collect();
        wanted.sort_unstable();
        // Sorted and unique, so that one pass over the rows can insert them.
        wanted.dedup();
        let mut entries = HashMap::with_capacity(wanted.len());
        if !wanted.is_empty() {
            insert_zeros(&mut model, &wanted, &mut entries);
        }
        Self { model, entries, undo: Vec::new() }
    }

    /// The model in its current state.
    pub fn model(&self) -> &LinearModel {
        &self.model
    }

    /// Applies a scenario, in place of the one before.
    pub fn apply_scenario(&mut self, scenarios: &Scenarios, scenario: usize) {
        self.restore_base();
        for Change { target, value } in scenarios.changes(scenario) {
            self.change(target, value);
        }
    }

    /// Restores the numbers of the base.
    pub fn restore_base(&mut self) {
        // In reverse order, so that a number that was changed twice gets its first value back.
        while let Some(Change { target, value }) = self.undo.pop() {
            if let Some(place) = place(&mut self.model, &self.entries, target) {
                *place = value;
            }
        }
    }

    /// Returns the base, with the zeros that were inserted.
    pub fn into_base(mut self) -> LinearModel {
        self.restore_base();
        self.model
    }

    /// The numbers that the current scenario has changed. A pair of bounds is two numbers.
    pub fn changed(&self) -> impl Iterator<Item = Target> {
        self.undo.iter().map(|change| change.target)
    }

    fn change(&mut self, target: Target, value: f64) {
        // A pair of bounds is changed as two numbers, each with its own undo.
        for target in target.numbers() {
            if let Some(place) = place(&mut self.model, &self.entries, target) {
                self.undo.push(Change { target, value: *place });
                *place = value;
            }
        }
    }
}

/// The single number of the model that a target refers to; `None` for a pair of bounds, and
/// if there is no such number.
fn place<'a>(
    model: &'a mut LinearModel,
    entries: &HashMap<(usize, usize), usize>,
    target: Target,
) -> Option<&'a mut f64> {
    match target {
        Target::Objective(column) => model.objective.get_mut(column),
        Target::Offset => Some(&mut model.objective_offset),
        Target::VariableLower(column) => model.variable_lower.get_mut(column),
        Target::VariableUpper(column) => model.variable_upper.get_mut(column),
        Target::ConstraintLower(row) => model.constraint_lower.get_mut(row),
        Target::ConstraintUpper(row) => model.constraint_upper.get_mut(row),
        Target::Coefficient { row, column } => {
            model.coefficients.get_mut(*entries.get(&(row, column))?)
        }
        Target::VariableFixed(_) | Target::ConstraintEqual(_) => None,
    }
}

/// Inserts zeros for wanted coefficients that are missing, and records the position of each
/// wanted one in `entries`. `wanted` must be ascending.
fn insert_zeros(
    model: &mut LinearModel,
    wanted: &[(usize, usize)],
    entries: &mut HashMap<(usize, usize), usize>,
) {
    let rows = model.constraint_lower.len();
    let starts: Vec<usize> = (0..=rows)
        .map(|row| {
            model.row_starts.get(row).map_or(0, |&start| usize::try_from(start).unwrap_or(0))
        })
        .collect();
    let mut columns = Vec::with_capacity(model.column_indices.len() + wanted.len());
    let mut coefficients = Vec::with_capacity(columns.capacity());
    let mut row_starts = Vec::with_capacity(rows + 1);
    let mut wanted = wanted.iter().peekable();
    row_starts.push(0);
    for row in 0..rows {
        let row_start = columns.len();
        columns.extend_from_slice(&model.column_indices[starts[row]..starts[row + 1]]);
        coefficients.extend_from_slice(&model.coefficients[starts[row]..starts[row + 1]]);
        while let Some(&(_, column)) = wanted.next_if(|(of, _)| *of == row) {
            let index = i32::try_from(column).unwrap_or(i32::MAX);
            let found = columns[row_start..].iter().position(|&it| it == index);
            let at = found.map_or(columns.len(), |found| row_start + found);
            if found.is_none() {
                columns.push(index);
                coefficients.push(0.0);
            }
            entries.insert((row, column), at);
        }
        row_starts.push(i32::try_from(columns.len()).unwrap_or(i32::MAX));
    }
    model.row_starts = row_starts;
    model.column_indices = columns;
    model.coefficients = coefficients;
}
