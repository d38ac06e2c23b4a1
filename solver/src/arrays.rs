//! A model as arrays whose shapes are known to fit: the only form in which one
//! reaches a solver.

use std::borrow::Cow;

use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};
use solvemesh_model::{Domain, entries, is_submitted_as_lp};

/// A model in normal form, checked: the arrays of variables have the same length, so
/// have those of constraints, the rows partition the entries, and every entry names a
/// variable that exists.
#[derive(Debug)]
pub(super) struct Arrays<'a> {
    model: &'a LinearModel,
    kinds: Vec<VariableKind>,
    /// Those of the model, unless the domain of a variable has others.
    lower: Cow<'a, [f64]>,
    upper: Cow<'a, [f64]>,
}

/// The shapes don't fit: the task was not in normal form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    /// An array is longer or shorter than it should be.
    #[error("{array} has {found} entries instead of {expected}")]
    Length {
        /// Its name in the proto.
        array: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// `row_starts` does not ascend from 0 to the number of entries.
    #[error("row_starts does not ascend from 0 to the number of entries, at row {row}")]
    Rows {
        /// The first row at fault.
        row: usize,
    },
    /// An entry names a variable that does not exist.
    #[error("entry {entry} is of variable {variable}, which does not exist")]
    Column {
        /// The entry.
        entry: usize,
        /// The variable it names.
        variable: i32,
    },
    /// A kind that is not one of the normal form's.
    #[error("variable {variable} is of the unknown kind {kind}")]
    Kind {
        /// The variable.
        variable: usize,
        /// Its kind.
        kind: i32,
    },
    /// More of something than an index can tell apart.
    #[error("more than {} {what}", i32::MAX)]
    Size {
        /// What there is too much of.
        what: &'static str,
    },
}

impl<'a> Arrays<'a> {
    /// Checks the shapes. Kinds and bounds become those of each variable's [`Domain`].
    pub(super) fn of(model: &'a LinearModel) -> Result<Self, Misfit> {
        let (n, m) = (model.variable_lower.len(), model.constraint_lower.len());
        let k = model.coefficients.len();
        for (what, count) in [("variables", n), ("constraints", m), ("entries", k)] {
            if i32::try_from(count).is_err() {
                return Err(Misfit::Size { what });
            }
        }
        for (array, found, expected) in [
            ("variable_upper", model.variable_upper.len(), n),
            ("objective", model.objective.len(), n),
            ("variable_kinds", model.variable_kinds.len(), n),
            ("constraint_upper", model.constraint_upper.len(), m),
            ("row_starts", model.row_starts.len(), m + 1),
            ("column_indices", model.column_indices.len(), k),
        ] {
            if found != expected {
                return Err(Misfit::Length { array, found, expected });
            }
        }
        rows(&model.row_starts, k)?;
        for (entry, &variable) in model.column_indices.iter().enumerate() {
            if usize::try_from(variable).is_ok_and(|index| index < n) {
                continue;
            }
            return Err(Misfit::Column { entry, variable });
        }
        let (mut lower, mut upper) =
            (Cow::from(&model.variable_lower), Cow::from(&model.variable_upper));
        let mut kinds = Vec::with_capacity(n);
        for (variable, &kind) in model.variable_kinds.iter().enumerate() {
            if !VariableKind::try_from(kind).is_ok_and(|kind| kind != VariableKind::Unspecified) {
                return Err(Misfit::Kind { variable, kind });
            }
            let domain = Domain::of(model, variable);
            kinds.push(domain.kind);
            if (domain.lower, domain.upper) != (lower[variable], upper[variable]) {
                lower.to_mut()[variable] = domain.lower;
                upper.to_mut()[variable] = domain.upper;
            }
        }
        Ok(Self { model, kinds, lower, upper })
    }

    /// n, the number of variables.
    pub(super) fn variables(&self) -> usize {
        self.kinds.len()
    }

    /// m, the number of constraints.
    pub(super) fn constraints(&self) -> usize {
        self.model.constraint_lower.len()
    }

    /// The arrays themselves. Kinds and bounds of variables are as submitted: see
    /// [`Self::kinds`], [`Self::lower`] and [`Self::upper`].
    pub(super) fn model(&self) -> &'a LinearModel {
        self.model
    }

    /// The kind of each variable, never unspecified or binary.
    pub(super) fn kinds(&self) -> &[VariableKind] {
        &self.kinds
    }

    /// The lower bound of each variable.
    pub(super) fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// The upper bound of each variable.
    pub(super) fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// Whether the objective is to be made large.
    pub(super) fn maximizes(&self) -> bool {
        self.model.sense == ObjectiveSense::Maximize as i32
    }

    /// Whether some variable may not take every value between its bounds.
    pub(super) fn is_mip(&self) -> bool {
        self.kinds.iter().any(|&kind| kind != VariableKind::Continuous)
    }

    /// Whether a variable may not take every value between its bounds.
    pub(super) fn is_discrete(&self, variable: usize) -> bool {
        self.kinds[variable] != VariableKind::Continuous
    }

    /// Whether a variable takes the value 0 apart from those between its bounds.
    pub(super) fn is_semi(&self, variable: usize) -> bool {
        matches!(self.kinds[variable], VariableKind::SemiContinuous | VariableKind::SemiInteger)
    }

    /// Whether every variable was submitted as continuous: only then there are duals.
    pub(super) fn is_lp_as_submitted(&self) -> bool {
        is_submitted_as_lp(self.model)
    }

    /// Whether every variable has two finite bounds.
    #[cfg(any(feature = "cbc", feature = "scip"))]
    pub(super) fn is_bounded(&self) -> bool {
        let finite = |bounds: &[f64]| bounds.iter().all(|bound| bound.is_finite());
        finite(&self.lower) && finite(&self.upper)
    }

    /// The name of a variable, or its index where names were left out.
    pub(super) fn variable_name(&self, variable: usize) -> String {
        let index = || format!("#{variable}");
        self.model.variable_names.get(variable).cloned().unwrap_or_else(index)
    }

    /// The entries of a row: variable and coefficient.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        entries(self.model, row)
    }

    /// c - Aᵀy.
    pub(super) fn reduced_costs(&self, duals: &[f64]) -> Vec<f64> {
        let mut costs = self.model.objective.clone();
        for (row, dual) in duals.iter().enumerate().filter(|(_, dual)| **dual != 0.0) {
            for (variable, coefficient) in self.row(row) {
                costs[variable] -= dual * coefficient;
            }
        }
        costs
    }

    /// c·x plus the offset.
    pub(super) fn objective_at(&self, values: &[f64]) -> f64 {
        let terms = self.model.objective.iter().zip(values).map(|(cost, value)| cost * value);
        self.model.objective_offset + terms.sum::<f64>()
    }
}

fn rows(starts: &[i32], entries: usize) -> Result<(), Misfit> {
    let mut before = 0;
    for (row, &start) in starts.iter().enumerate() {
        let ascends = if row == 0 { start == 0 } else { start >= before };
        if !ascends {
            return Err(Misfit::Rows { row });
        }
        before = start;
    }
    match usize::try_from(before) {
        Ok(last) if last == entries => Ok(()),
        _ => Err(Misfit::Rows { row: starts.len() - 1 }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::samples::wyndor;

    #[test]
    fn a_model_in_normal_form_fits() {
        let model = wyndor();
        let arrays = Arrays::of(&model).unwrap();
        assert_eq!((arrays.variables(), arrays.constraints()), (2, 3));
        assert_eq!(arrays.row(2).collect::<Vec<_>>(), [(0, 3.0), (1, 2.0)]);
        assert_eq!(arrays.objective_at(&[2.0, 6.0]), 3600.0);
    }

    #[test]
    fn arrays_of_different_lengths_are_refused() {
        let model = LinearModel { variable_upper: vec![1.0], ..wyndor() };
        let misfit = Misfit::Length { array: "variable_upper", found: 1, expected: 2 };
        assert_eq!(Arrays::of(&model).unwrap_err(), misfit);
    }

    #[test]
    fn rows_that_do_not_ascend_or_end_early_are_refused() {
        for (starts, row) in [([0, 2, 1, 4], 2), ([0, 1, 2, 3], 3), ([-1, 1, 2, 4], 0)] {
            let model = LinearModel { row_starts: starts.to_vec(), ..wyndor() };
            assert_eq!(Arrays::of(&model).unwrap_err(), Misfit::Rows { row });
        }
    }

    #[test]
    fn a_column_that_does_not_exist_is_refused() {
        for variable in [-1, 2] {
            let model = LinearModel { column_indices: vec![0, 1, variable, 1], ..wyndor() };
            assert_eq!(Arrays::of(&model).unwrap_err(), Misfit::Column { entry: 2, variable });
        }
    }

    #[test]
    fn crossed_bounds_of_a_semi_variable_leave_it_0() {
        let model = LinearModel {
            variable_kinds: vec![VariableKind::SemiContinuous as i32; 2],
            variable_lower: vec![0.5, 2.0],
            variable_upper: vec![0.25, 3.0],
            ..wyndor()
        };
        let arrays = Arrays::of(&model).unwrap();
        assert_eq!(arrays.kinds(), [VariableKind::Continuous, VariableKind::SemiContinuous]);
        assert_eq!((arrays.lower(), arrays.upper()), (&[0.0, 2.0][..], &[0.0, 3.0][..]));
    }

    #[test]
    fn a_semi_variable_with_lower_bound_0_is_an_ordinary_one() {
        let kinds = [VariableKind::SemiContinuous, VariableKind::SemiInteger];
        let kinds = kinds.map(|kind| kind as i32).to_vec();
        let model = LinearModel { variable_kinds: kinds, ..wyndor() };
        let arrays = Arrays::of(&model).unwrap();
        assert_eq!(arrays.kinds(), [VariableKind::Continuous, VariableKind::Integer]);
        assert!(!arrays.is_lp_as_submitted());
    }
}
