//! Checks what a solver tells of a model without a solution, or without a best one, and
//! gives it its names; and keeps what comes beside a solution within bounds.

use std::collections::BTreeSet;

use prost::Message;
use solvemesh::v1::{
    BoundSide, InfeasibilityProof, InfeasibleSubset, LinearModel, SolveResult, SubsetBound,
    TerminationReason, UnboundedRay,
};
use solvemesh_model::verify::proof::{
    Of, Side, bound, contradiction, contradiction_at_sight, improving_ray, indexed,
};

/// The most bytes that each of them may have, names included.
const MAX_BYTES: usize = 200 << 10;

/// Checks a result's proofs against the model. What is none, belongs to another ending or
/// is too large to be told is left out; the last with a warning.
pub(crate) fn settle(model: &LinearModel, result: &mut SolveResult) {
    let termination = result.termination.get_or_insert_default();
    let reason = termination.reason();
    let (proof, mut subset, mut ray) = (
        result.infeasibility_proof.take(),
        result.infeasible_subset.take(),
        result.unbounded_ray.take(),
    );
    let mut too_large = Vec::new();
    if reason == TerminationReason::Infeasible {
        if let Some(subset) = &mut subset {
            check_subset(model, proof.as_ref(), subset);
        }
        result.infeasible_subset = fitting(subset, "infeasible subset", &mut too_large);
        let mut proof = proof.unwrap_or_default();
        check_proof(model, &mut proof);
        let verified = proof.verified;
        let told = fitting(Some(proof), "proof of infeasibility", &mut too_large);
        let untold = || InfeasibilityProof { verified, ..InfeasibilityProof::default() };
        result.infeasibility_proof = Some(told.unwrap_or_else(untold));
    }
    if reason == TerminationReason::Unbounded {
        if let Some(ray) = &mut ray {
            check_ray(model, ray);
        }
        result.unbounded_ray = fitting(ray, "unbounded ray", &mut too_large);
    }
    result.basis = fitting(result.basis.take(), "basis", &mut too_large);
    termination.warnings.extend(too_large);
}

fn fitting<M: Message>(told: Option<M>, what: &str, too_large: &mut Vec<String>) -> Option<M> {
    let bytes = told.as_ref()?.encoded_len();
    if bytes <= MAX_BYTES {
        return told;
    }
    too_large.push(format!("the {what} is left out: it has {bytes} bytes, over {MAX_BYTES}"));
    None
}

/// Whether a model has no solution: by this proof, or as anyone can see.
pub(crate) fn is_infeasible(model: &LinearModel, proof: Option<&InfeasibilityProof>) -> bool {
    let mut proof = proof.cloned().unwrap_or_default();
    check_proof(model, &mut proof);
    proof.verified
}

/// Whether solutions become better without end in a direction.
pub(crate) fn is_improving(model: &LinearModel, ray: &UnboundedRay) -> bool {
    improving_ray(model, &indexed(&ray.variable_indices, &ray.values)).is_some()
}

fn check_proof(model: &LinearModel, proof: &mut InfeasibilityProof) {
    let found = contradiction(model, &indexed(&proof.constraint_indices, &proof.multipliers), None);
    (proof.verified, proof.distance) = (found.is_some(), None);
    if let Some(found) = found {
        (proof.constraint_indices, proof.multipliers) = columns(found.multipliers);
        proof.distance = Some(found.distance);
    } else if let Some(distance) = contradiction_at_sight(model) {
        (proof.verified, proof.distance) = (true, Some(distance));
    }
    proof.constraint_names = names(&model.constraint_names, &proof.constraint_indices);
}

/// A subset holds where the proof needs no other bounds, or where it is two that are
/// crossed.
fn check_subset(
    model: &LinearModel,
    proof: Option<&InfeasibilityProof>,
    subset: &mut InfeasibleSubset,
) {
    let constraints = subset.constraints.iter().filter_map(|of| side(of, Of::Constraint));
    let variables = subset.variables.iter().filter_map(|of| side(of, Of::Variable));
    let sides: BTreeSet<Side> =
        constraints.chain(variables).filter(|of| exists(model, *of)).collect();
    let proven = proof.is_some_and(|proof| {
        let multipliers = indexed(&proof.constraint_indices, &proof.multipliers);
        contradiction(model, &multipliers, Some(&sides)).is_some()
    });
    let crossed = |side: &Side| {
        let other = Side { upper: true, ..*side };
        !side.upper && sides.contains(&other) && bound(model, *side) > bound(model, other)
    };
    let empty = |side: &Side| match side.of {
        Of::Constraint(row) if model.row_starts.get(row) == model.row_starts.get(row + 1) => {
            let bound = bound(model, *side);
            if side.upper { bound < 0.0 } else { bound > 0.0 }
        }
        _ => false,
    };
    subset.verified = proven || sides.iter().any(|side| crossed(side) || empty(side));
    for (bounds, names) in [
        (&mut subset.constraints, &model.constraint_names),
        (&mut subset.variables, &model.variable_names),
    ] {
        for bound in bounds {
            bound.name = name(names, bound.index);
        }
    }
}

fn side(told: &SubsetBound, of: impl Fn(usize) -> Of) -> Option<Side> {
    let of = of(usize::try_from(told.index).ok()?);
    Some(Side { of, upper: told.side() == BoundSide::Upper })
}

fn exists(model: &LinearModel, side: Side) -> bool {
    match side.of {
        Of::Constraint(row) => row < model.constraint_lower.len(),
        Of::Variable(column) => column < model.variable_lower.len(),
    }
}

fn check_ray(model: &LinearModel, ray: &mut UnboundedRay) {
    let found = improving_ray(model, &indexed(&ray.variable_indices, &ray.values));
    (ray.verified, ray.rate) = (found.is_some(), None);
    if let Some((steps, rate)) = found {
        (ray.variable_indices, ray.values) = columns(steps);
        ray.rate = Some(rate);
    }
    ray.variable_names = names(&model.variable_names, &ray.variable_indices);
}

/// The indices are those of an `i32` before they were found to be in the model.
fn columns(entries: Vec<(usize, f64)>) -> (Vec<i32>, Vec<f64>) {
    entries.into_iter().map(|(index, number)| (index as i32, number)).unzip()
}

fn names(names: &[String], indices: &[i32]) -> Vec<String> {
    indices.iter().map(|&index| name(names, index)).collect()
}

fn name(names: &[String], index: i32) -> String {
    usize::try_from(index).ok().and_then(|index| names.get(index)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::{ObjectiveSense, Termination};

    use super::*;

    /// Maximise x with x >= 3 and x <= upper, as constraints `least` and `most`.
    fn model(upper: f64) -> LinearModel {
        LinearModel {
            sense: ObjectiveSense::Maximize.into(),
            objective: vec![1.0],
            variable_lower: vec![0.0],
            variable_upper: vec![f64::INFINITY],
            variable_kinds: vec![1],
            variable_names: vec!["x".to_owned()],
            constraint_lower: vec![3.0, f64::NEG_INFINITY],
            constraint_upper: vec![f64::INFINITY, upper],
            constraint_names: vec!["least".to_owned(), "most".to_owned()],
            row_starts: vec![0, 1, 2],
            column_indices: vec![0, 0],
            coefficients: vec![1.0, 1.0],
            ..LinearModel::default()
        }
    }

    fn ended(reason: TerminationReason) -> SolveResult {
        let termination = Termination { reason: reason.into(), ..Termination::default() };
        SolveResult { termination: Some(termination), ..SolveResult::default() }
    }

    fn infeasible(multipliers: [f64; 2]) -> SolveResult {
        let bound = |index, side: BoundSide, bound| SubsetBound {
            index,
            bound,
            side: side.into(),
            ..SubsetBound::default()
        };
        SolveResult {
            infeasibility_proof: Some(InfeasibilityProof {
                constraint_indices: vec![0, 1],
                multipliers: multipliers.to_vec(),
                ..InfeasibilityProof::default()
            }),
            infeasible_subset: Some(InfeasibleSubset {
                constraints: vec![bound(0, BoundSide::Lower, 3.0), bound(1, BoundSide::Upper, 2.0)],
                irreducible: true,
                ..InfeasibleSubset::default()
            }),
            ..ended(TerminationReason::Infeasible)
        }
    }

    #[test]
    fn a_proof_that_holds_is_verified_and_has_its_names() {
        let mut result = infeasible([5.0, -5.0]);
        settle(&model(2.0), &mut result);
        let proof = result.infeasibility_proof.unwrap_or_default();
        assert!(proof.verified);
        assert_eq!((proof.multipliers, proof.distance), (vec![1.0, -1.0], Some(0.5)));
        assert_eq!(proof.constraint_names, ["least", "most"]);
        let subset = result.infeasible_subset.unwrap_or_default();
        assert!(subset.verified && subset.irreducible);
        assert_eq!(subset.constraints[1].name, "most");
    }

    #[test]
    fn a_proof_that_does_not_hold_is_told_as_such() {
        for (model, multipliers) in [(model(4.0), [1.0, -1.0]), (model(2.0), [1.0, 1.0])] {
            let mut result = infeasible(multipliers);
            settle(&model, &mut result);
            let proof = result.infeasibility_proof.unwrap_or_default();
            assert_eq!((proof.verified, proof.distance), (false, None));
            assert!(!result.infeasible_subset.unwrap_or_default().verified);
        }
    }

    #[test]
    fn indices_that_no_model_has_are_no_proof() {
        let mut result = infeasible([1.0, -1.0]);
        let proof = result.infeasibility_proof.get_or_insert_default();
        proof.constraint_indices = vec![-1, 9];
        let subset = result.infeasible_subset.get_or_insert_default();
        (subset.constraints[0].index, subset.constraints[1].index) = (-7, 70);
        settle(&model(2.0), &mut result);
        assert!(!result.infeasibility_proof.unwrap_or_default().verified);
        assert!(!result.infeasible_subset.unwrap_or_default().verified);
    }

    #[test]
    fn a_proof_beside_a_solution_is_left_out() {
        let infeasible = infeasible([1.0, -1.0]);
        let mut result = SolveResult { termination: None, ..infeasible };
        settle(&model(2.0), &mut result);
        assert_eq!((result.infeasibility_proof, result.infeasible_subset), (None, None));
    }

    #[test]
    fn a_ray_is_verified() {
        let ray = |step| UnboundedRay {
            variable_indices: vec![0],
            values: vec![step],
            ..UnboundedRay::default()
        };
        for (upper, step, verified) in
            [(f64::INFINITY, 4.0, true), (f64::INFINITY, -4.0, false), (9.0, 4.0, false)]
        {
            let mut result = ended(TerminationReason::Unbounded);
            result.unbounded_ray = Some(ray(step));
            settle(&model(upper), &mut result);
            let ray = result.unbounded_ray.unwrap_or_default();
            assert_eq!((ray.verified, ray.rate), (verified, verified.then_some(1.0)));
            assert_eq!(ray.variable_names, ["x"]);
        }
    }

    #[test]
    fn what_is_too_large_is_left_out_with_a_warning() {
        let names = vec!["n".repeat(MAX_BYTES); 2];
        let model = LinearModel { constraint_names: names, ..model(2.0) };
        let mut result = infeasible([1.0, -1.0]);
        settle(&model, &mut result);
        assert_eq!(result.infeasible_subset, None);
        let proof = result.infeasibility_proof.unwrap_or_default();
        assert!(proof.verified && proof.multipliers.is_empty(), "what was checked still holds");
        let warnings = result.termination.unwrap_or_default().warnings;
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}
