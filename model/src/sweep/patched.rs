use std::collections::HashMap;

use solvemesh::v1::LinearModel;

use super::{Change, Scenarios, Target};

/// A base model with the numbers of one scenario, then of another.
#[derive(Clone, Debug)]
pub struct Patched {
    model: LinearModel,
    /// Where the coefficients are that may change.
    entries: HashMap<(usize, usize), usize>,
    /// What was changed, with the values of the base.
    undo: Vec<Change>,
}

impl Patched {
    /// The base, in normal form. Coefficients that it does not have and a scenario may have
    /// are put in as zeros.
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
        wanted.dedup();
        let mut entries = HashMap::with_capacity(wanted.len());
        if !wanted.is_empty() {
            widen(&mut model, &wanted, &mut entries);
        }
        Self { model, entries, undo: Vec::new() }
    }

    /// The model as it is now.
    pub fn model(&self) -> &LinearModel {
        &self.model
    }

    /// Puts the numbers of a scenario in the place of those of the scenario before.
    pub fn turn_to(&mut self, scenarios: &Scenarios, scenario: usize) {
        self.turn_back();
        for Change { target, value } in scenarios.changes(scenario) {
            self.change(target, value);
        }
    }

    /// Makes it the base again.
    pub fn turn_back(&mut self) {
        while let Some(Change { target, value }) = self.undo.pop() {
            if let Some(place) = place(&mut self.model, &self.entries, target) {
                *place = value;
            }
        }
    }

    /// The base, with the zeros that were put in.
    pub fn into_base(mut self) -> LinearModel {
        self.turn_back();
        self.model
    }

    /// What differs from the base, as single numbers.
    pub fn changed(&self) -> impl Iterator<Item = Target> {
        self.undo.iter().map(|change| change.target)
    }

    fn change(&mut self, target: Target, value: f64) {
        let (one, other) = match target {
            Target::VariableFixed(column) => {
                (Target::VariableLower(column), Some(Target::VariableUpper(column)))
            }
            Target::ConstraintEqual(row) => {
                (Target::ConstraintLower(row), Some(Target::ConstraintUpper(row)))
            }
            one => (one, None),
        };
        for target in std::iter::once(one).chain(other) {
            if let Some(place) = place(&mut self.model, &self.entries, target) {
                self.undo.push(Change { target, value: *place });
                *place = value;
            }
        }
    }
}

/// Where a single number of a model is.
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

/// Puts zeros where a wanted coefficient is missing, and notes where each wanted one is.
/// `wanted` is ascending.
fn widen(
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
        let begin = columns.len();
        columns.extend_from_slice(&model.column_indices[starts[row]..starts[row + 1]]);
        coefficients.extend_from_slice(&model.coefficients[starts[row]..starts[row + 1]]);
        while let Some(&(_, column)) = wanted.next_if(|(of, _)| *of == row) {
            let index = i32::try_from(column).unwrap_or(i32::MAX);
            let here = columns[begin..].iter().position(|&it| it == index);
            let at = here.map_or(columns.len(), |here| begin + here);
            if here.is_none() {
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
