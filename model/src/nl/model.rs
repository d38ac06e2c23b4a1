//! From what a file has to a model.

use solvemesh::v1::{LinearModel, ObjectiveSense, StartingPoint, VariableKind};

use super::{NlModel, file::File};
use crate::normalise_infinity;

impl File {
    /// The model, with what an answer repeats.
    pub(super) fn model(mut self) -> NlModel {
        let is_integer = |variable| self.header.is_integer(variable);
        let kinds: Vec<i32> = (0..self.header.variables)
            .map(|variable| {
                let kind = if is_integer(variable) {
                    VariableKind::Integer
                } else {
                    VariableKind::Continuous
                };
                kind as i32
            })
            .collect();
        let discrete = kinds.contains(&(VariableKind::Integer as i32));
        let mut objective = vec![0.0; self.header.variables];
        for &(variable, coefficient) in &self.cost.terms {
            objective[variable as usize] += coefficient;
        }
        for (row, constant) in self.constants.iter().enumerate().filter(|(_, it)| **it != 0.0) {
            for bounds in [&mut self.rows.lower, &mut self.rows.upper] {
                // Before the subtraction: 1e20 - 1e10 is below what counts as infinite.
                bounds[row] = normalise_infinity(bounds[row]) - constant;
            }
        }
        let start = self.start(discrete);
        let sense = if self.maximize { ObjectiveSense::Maximize } else { ObjectiveSense::Minimize };
        let rows = self.matrix.into_rows(&self.folded);
        let model = LinearModel {
            sense: sense.into(),
            objective_offset: self.cost.constant,
            variable_count: Some(self.header.variables as i32),
            variable_lower: self.columns.lower,
            variable_upper: self.columns.upper,
            objective,
            variable_kinds: kinds,
            variable_names: Vec::new(),
            constraint_count: Some(self.header.constraints as i32),
            constraint_lower: self.rows.lower,
            constraint_upper: self.rows.upper,
            constraint_names: Vec::new(),
            row_starts: rows.starts,
            column_indices: rows.columns,
            coefficients: rows.values,
        };
        NlModel {
            name: self.header.name,
            options: self.header.options,
            tolerance: self.header.tolerance,
            objective: self.objective,
            model,
            start,
            warnings: self.warnings,
        }
    }

    /// Where the solve begins: values for a model with integers, a basis for an LP.
    fn start(&mut self, discrete: bool) -> Option<StartingPoint> {
        if discrete {
            let mut guess = std::mem::take(&mut self.guess);
            // The last value of a variable counts.
            guess.reverse();
            guess.sort_by_key(|&(variable, _)| variable);
            guess.dedup_by_key(|&mut (variable, _)| variable);
            let (variable_indices, values) =
                guess.into_iter().map(|(variable, value)| (variable as i32, value)).unzip();
            let start = StartingPoint { variable_indices, values, ..StartingPoint::default() };
            return (!start.values.is_empty()).then_some(start);
        }
        if self.statuses.is_empty() {
            return None;
        }
        let basis = self.statuses.basis(
            (&self.columns.lower, &self.columns.upper),
            (&self.rows.lower, &self.rows.upper),
        );
        if basis.is_none() {
            let message = "the suffix sstatus is no basis: the number of basic variables and \
                           constraints is not that of constraints; it is ignored";
            self.warnings.push(message.to_owned());
        }
        basis.map(|basis| StartingPoint { basis: Some(basis), ..StartingPoint::default() })
    }
}
