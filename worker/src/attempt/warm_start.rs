//! Where an attempt after others begins: at the best solution that they told.

use solvemesh::{
    broker::v1::LastIncumbent,
    v1::{LinearModel, Start},
};
use solvemesh_model::verify::{Candidate, verify};

/// A solution to begin from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resumption {
    /// The solution, in normal form.
    pub(crate) start: Start,
    /// Its objective, computed from the model.
    pub(crate) objective: f64,
}

/// The last incumbent as the start of another attempt; `None` where it is no solution of
/// this model after all.
pub(crate) fn resumption(model: &LinearModel, incumbent: LastIncumbent) -> Option<Resumption> {
    let LastIncumbent { variable_indices, values } = incumbent;
    let values = match variable_indices.is_empty() {
        true => values,
        false => spread(&variable_indices, &values, model.variable_lower.len())?,
    };
    let check = verify(model, Candidate::of(&values)).ok().filter(|check| check.acceptable)?;
    let variable_indices = (0..).take(values.len()).collect();
    let start = Start { variable_indices, values, ..Start::default() };
    Some(Resumption { start, objective: check.objective })
}

/// All values of so many variables, from those that are not 0.
fn spread(indices: &[i32], values: &[f64], variables: usize) -> Option<Vec<f64>> {
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

    fn from(indices: &[i32], values: &[f64]) -> Option<(Vec<f64>, f64)> {
        let (variable_indices, values) = (indices.to_vec(), values.to_vec());
        let found = resumption(&model(), LastIncumbent { variable_indices, values })?;
        assert_eq!(found.start.variable_indices, [0, 1]);
        Some((found.start.values, found.objective))
    }

    #[test]
    fn a_solution_is_begun_from_whole_or_by_what_is_not_0() {
        assert_eq!(from(&[], &[1.0, 3.0]), Some((vec![1.0, 3.0], 5.0)));
        assert_eq!(from(&[1], &[3.0]), Some((vec![0.0, 3.0], 4.0)));
    }

    #[test]
    fn what_is_no_solution_of_the_model_is_left_alone() {
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
            assert_eq!(from(indices, values), None, "{indices:?} {values:?}");
        }
    }
}
