//! Warm start of an attempt from the last incumbent of an earlier one.

use solvemesh::{
    broker::v1::LastIncumbent,
    v1::{LinearModel, StartingPoint},
};
use solvemesh_model::verify::{Candidate, verify};

/// A solution to start from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WarmStart {
    /// The solution, in normal form.
    pub(crate) start: StartingPoint,
    /// Its objective, computed from the model.
    pub(crate) objective: f64,
}

impl WarmStart {
    /// Turns the last incumbent into a start. `None` if it does not pass the check against the
    /// model: it comes from the log, as an earlier solver reported it.
    pub(crate) fn from_incumbent(model: &LinearModel, incumbent: LastIncumbent) -> Option<Self> {
        let LastIncumbent { variable_indices, values } = incumbent;
        let values = match variable_indices.is_empty() {
            true => values,
            false => to_dense(&variable_indices, &values, model.variable_lower.len())?,
        };
        let check = verify(model, Candidate::of(&values)).ok().filter(|check| check.acceptable)?;
        let variable_indices = (0..).take(values.len()).collect();
        let start = StartingPoint { variable_indices, values, ..StartingPoint::default() };
        Some(Self { start, objective: check.objective })
    }
}

/// The dense values of `variables` variables, from a sparse list; `None` if an index is out of
/// range.
fn to_dense(indices: &[i32], values: &[f64], variables: usize) -> Option<Vec<f64>> {
    let mut all = vec![0.0; variables];
    for (&index, &value) in indices.iter().zip(values) {
        *all.get_mut(usize::try_from(index).ok()?)? = value;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::VariableKind;

    use super::*;

    /// Minimise x + y + 1, both integers in [0, 4], x + y >= 2.
    fn model() -> LinearModel {
        LinearModel {
            objective: vec![1.0; 2],
            objective_offset: 1.0,
            variable_lower: vec![0.0; 2],
            variable_upper: vec![4.0; 2],
            variable_kinds: vec![VariableKind::Integer.into(); 2],
            constraint_lower: vec![2.0],
            constraint_upper: vec![f64::INFINITY],
            row_starts: vec![0, 2],
            column_indices: vec![0, 1],
            coefficients: vec![1.0; 2],
            ..LinearModel::default()
        }
    }

    fn start_from(indices: &[i32], values: &[f64]) -> Option<(Vec<f64>, f64)> {
        let (variable_indices, values) = (indices.to_vec(), values.to_vec());
        let found =
            WarmStart::from_incumbent(&model(), LastIncumbent { variable_indices, values })?;
        assert_eq!(found.start.variable_indices, [0, 1]);
        Some((found.start.values, found.objective))
    }

    #[test]
    fn dense_and_sparse_incumbents_become_a_start() {
        assert_eq!(start_from(&[], &[1.0, 3.0]), Some((vec![1.0, 3.0], 5.0)));
        assert_eq!(start_from(&[1], &[3.0]), Some((vec![0.0, 3.0], 4.0)));
    }

    #[test]
    fn an_incumbent_that_fails_the_check_is_ignored() {
        for (indices, values) in [
            (&[][..], &[1.0, 0.0][..]),
            (&[], &[0.5, 2.0]),
            (&[], &[f64::NAN, 2.0]),
            (&[], &[2.0]),
            (&[], &[]),
            (&[2], &[3.0]),
            (&[-1], &[3.0]),
            (&[0], &[9.0]),
        ] {
            assert_eq!(start_from(indices, values), None, "{indices:?} {values:?}");
        }
    }
}
