//! Leaves the names of variables and constraints out of a result.

use solvemesh::v1::SolveResult;

/// Removes the names from the proofs of a result, which have their indices too. The solution gets
/// none in the first place.
pub(super) fn omit(result: &mut SolveResult) {
    if let Some(proof) = &mut result.infeasibility_proof {
        proof.constraint_names.clear();
    }
    if let Some(subset) = &mut result.infeasible_subset {
        for bound in subset.constraints.iter_mut().chain(&mut subset.variables) {
            bound.name.clear();
        }
    }
    if let Some(ray) = &mut result.unbounded_ray {
        ray.variable_names.clear();
    }
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::{InfeasibilityProof, InfeasibleSubset, SubsetBound, UnboundedRay};

    use super::*;

    #[test]
    fn proofs_keep_their_indices_and_lose_their_names() {
        let bound = SubsetBound { index: 3, name: "a".to_owned(), ..SubsetBound::default() };
        let mut result = SolveResult {
            infeasibility_proof: Some(InfeasibilityProof {
                constraint_indices: vec![1],
                constraint_names: vec!["c".to_owned()],
                ..InfeasibilityProof::default()
            }),
            infeasible_subset: Some(InfeasibleSubset {
                constraints: vec![bound.clone()],
                variables: vec![bound],
                ..InfeasibleSubset::default()
            }),
            unbounded_ray: Some(UnboundedRay {
                variable_indices: vec![2],
                variable_names: vec!["x".to_owned()],
                ..UnboundedRay::default()
            }),
            ..SolveResult::default()
        };
        omit(&mut result);
        let proof = result.infeasibility_proof.unwrap_or_default();
        assert_eq!((proof.constraint_indices, proof.constraint_names), (vec![1], Vec::new()));
        let subset = result.infeasible_subset.unwrap_or_default();
        for bound in subset.constraints.iter().chain(&subset.variables) {
            assert_eq!((bound.index, bound.name.as_str()), (3, ""));
        }
        let ray = result.unbounded_ray.unwrap_or_default();
        assert_eq!((ray.variable_indices, ray.variable_names), (vec![2], Vec::new()));
    }
}
