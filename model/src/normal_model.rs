use std::ops::Deref;

use solvemesh::v1::{LinearModel, VariableKind};

use crate::{matrix::entries, verify};

/// A model in normal form: every array has its full length, the rows partition the entries,
/// every entry refers to an existing variable, and every kind is known. [`read`](crate::read())
/// builds one from a submission; `try_from` checks one received from another process.
///
/// It dereferences to its [`LinearModel`], and nothing changes its arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalModel(LinearModel);

/// Why arrays are not a model in normal form: they do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// An array is longer or shorter than it should be.
    #[error("{array} has {found} entries instead of {expected}")]
    Length {
        /// The name of the array in the proto.
        array: &'static str,
        /// Its length.
        found: usize,
        /// The length that it should have.
        expected: usize,
    },
    /// `row_starts` does not ascend from 0 to the number of entries.
    #[error("row_starts does not ascend from 0 to the number of entries, at row {row}")]
    Rows {
        /// The first row that is wrong.
        row: usize,
    },
    /// An entry refers to a variable that does not exist.
    #[error("entry {entry} is of variable {variable}, which does not exist")]
    Column {
        /// The entry.
        entry: usize,
        /// The variable that it refers to.
        variable: i32,
    },
    /// A kind that the normal form does not have.
    #[error("variable {variable} is of the unknown kind {kind}")]
    Kind {
        /// The variable.
        variable: usize,
        /// Its kind.
        kind: i32,
    },
    /// More items than an int32 index can address.
    #[error("more than {} {what}", i32::MAX)]
    Size {
        /// The items.
        what: &'static str,
    },
}

impl NormalModel {
    /// Wraps arrays that this crate has normalised.
    pub(crate) fn trusted(model: LinearModel) -> Self {
        Self(model)
    }

    /// The arrays.
    pub fn into_inner(self) -> LinearModel {
        self.0
    }

    /// n, the number of variables.
    pub fn variable_count(&self) -> usize {
        self.0.variable_lower.len()
    }

    /// m, the number of constraints.
    pub fn constraint_count(&self) -> usize {
        self.0.constraint_lower.len()
    }

    /// The entries of a row: variable and coefficient.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        entries(&self.0, row)
    }

    /// `[n]` c - A'y, in compensated sums.
    pub fn reduced_costs(&self, duals: &[f64]) -> Vec<f64> {
        verify::reduced_costs(&self.0, duals)
    }

    /// c.x plus the offset, as a compensated sum.
    pub fn objective_at(&self, values: &[f64]) -> f64 {
        verify::objective(&self.0, values)
    }
}

impl Deref for NormalModel {
    type Target = LinearModel;

    fn deref(&self) -> &LinearModel {
        &self.0
    }
}

impl TryFrom<LinearModel> for NormalModel {
    type Error = ShapeError;

    fn try_from(model: LinearModel) -> Result<Self, ShapeError> {
        check_shape(&model)?;
        Ok(Self(model))
    }
}

/// Checks that the arrays of a model fit together.
///
/// # Errors
///
/// The first array that does not fit.
pub fn check_shape(model: &LinearModel) -> Result<(), ShapeError> {
    let (n, m) = (model.variable_lower.len(), model.constraint_lower.len());
    let k = model.coefficients.len();
    for (what, count) in [("variables", n), ("constraints", m), ("entries", k)] {
        // HiGHS and the protocol index by i32.
        if i32::try_from(count).is_err() {
            return Err(ShapeError::Size { what });
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
            return Err(ShapeError::Length { array, found, expected });
        }
    }
    // Before anything is indexed by rows.
    check_rows(&model.row_starts, k)?;
    for (entry, &variable) in model.column_indices.iter().enumerate() {
        if !usize::try_from(variable).is_ok_and(|index| index < n) {
            return Err(ShapeError::Column { entry, variable });
        }
    }
    for (variable, &kind) in model.variable_kinds.iter().enumerate() {
        if !VariableKind::try_from(kind).is_ok_and(|kind| kind != VariableKind::Unspecified) {
            return Err(ShapeError::Kind { variable, kind });
        }
    }
    Ok(())
}

fn check_rows(starts: &[i32], entries: usize) -> Result<(), ShapeError> {
    let mut before = 0;
    for (row, &start) in starts.iter().enumerate() {
        let ascends = if row == 0 { start == 0 } else { start >= before };
        if !ascends {
            return Err(ShapeError::Rows { row });
        }
        before = start;
    }
    match usize::try_from(before) {
        Ok(last) if last == entries => Ok(()),
        _ => Err(ShapeError::Rows { row: starts.len() - 1 }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Wyndor Glass, as arrays.
    fn wyndor() -> LinearModel {
        LinearModel {
            objective: vec![300.0, 500.0],
            variable_lower: vec![0.0; 2],
            variable_upper: vec![f64::INFINITY; 2],
            variable_kinds: vec![VariableKind::Continuous as i32; 2],
            constraint_lower: vec![f64::NEG_INFINITY; 3],
            constraint_upper: vec![4.0, 12.0, 18.0],
            row_starts: vec![0, 1, 2, 4],
            column_indices: vec![0, 1, 0, 1],
            coefficients: vec![1.0, 2.0, 3.0, 2.0],
            ..LinearModel::default()
        }
    }

    fn error(model: LinearModel) -> ShapeError {
        NormalModel::try_from(model).unwrap_err()
    }

    #[test]
    fn a_model_in_normal_form_is_accepted() {
        let model = NormalModel::try_from(wyndor()).unwrap();
        assert_eq!((model.variable_count(), model.constraint_count()), (2, 3));
        assert_eq!(model.row(2).collect::<Vec<_>>(), [(0, 3.0), (1, 2.0)]);
        assert_eq!(model.objective_at(&[2.0, 6.0]), 3600.0);
        assert_eq!(model.reduced_costs(&[0.0, 150.0, 100.0]), [0.0, 0.0]);
    }

    #[test]
    fn arrays_of_different_lengths_are_rejected() {
        let wrong = ShapeError::Length { array: "variable_upper", found: 1, expected: 2 };
        assert_eq!(error(LinearModel { variable_upper: vec![1.0], ..wyndor() }), wrong);
    }

    #[test]
    fn rows_that_do_not_ascend_or_end_early_are_rejected() {
        for (starts, row) in [([0, 2, 1, 4], 2), ([0, 1, 2, 3], 3), ([-1, 1, 2, 4], 0)] {
            let model = LinearModel { row_starts: starts.to_vec(), ..wyndor() };
            assert_eq!(error(model), ShapeError::Rows { row });
        }
    }

    #[test]
    fn a_column_that_does_not_exist_is_rejected() {
        for variable in [-1, 2] {
            let model = LinearModel { column_indices: vec![0, 1, variable, 1], ..wyndor() };
            assert_eq!(error(model), ShapeError::Column { entry: 2, variable });
        }
    }

    #[test]
    fn a_kind_that_is_not_known_is_rejected() {
        for kind in [0, 77] {
            let model = LinearModel { variable_kinds: vec![2, kind], ..wyndor() };
            assert_eq!(error(model), ShapeError::Kind { variable: 1, kind });
        }
    }
}
