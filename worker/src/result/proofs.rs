//! Checks a solver's proofs: of infeasibility, infeasible subsets and unbounded rays. Adds the
//! model's names to them, and bounds the size of everything in a result besides the solution.

use std::collections::BTreeSet;

use prost::Message;
use solvemesh::v1::{
    BoundSide, InfeasibilityProof, InfeasibleSubset, LinearModel, SolveResult, SubsetBound,
    TerminationReason, UnboundedRay,
};
use solvemesh_model::verify::proof::{
    BoundOwner, Side, bound, contradiction, improving_ray, indexed, trivial_contradiction,
};

/// Maximum encoded size, in bytes, of each proof and of the basis, names included.
const MAX_BYTES: usize = 200 << 10;

/// Checks a result's proofs against the model. Removes those that belong to another termination
/// reason, and, with a warning, those that are too large. A proof that does not hold is kept, with
/// `verified` false.
pub(crate) fn check_proofs(model: &LinearModel, result: &mut SolveResult) {
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
        // Whether the proof was verified is reported even if it is too large itself.
        let fits = fitting(Some(proof), "proof of infeasibility", &mut too_large);
        let verdict_only = || InfeasibilityProof { verified, ..InfeasibilityProof::default() };
        result.infeasibility_proof = Some(fits.unwrap_or_else(verdict_only));
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

/// The message if it is not too large; otherwise `None`, with a warning in `too_large`.
fn fitting<M: Message>(message: Option<M>, name: &str, too_large: &mut Vec<String>) -> Option<M> {
    let bytes = message.as_ref()?.encoded_len();
    if bytes <= MAX_BYTES {
        return message;
    }
    too_large.push(format!("the {name} is omitted: {bytes} bytes exceed the limit of {MAX_BYTES}"));
    None
}

/// Whether a model is infeasible: by this proof, or trivially, by its bounds alone.
pub(crate) fn is_infeasible(model: &LinearModel, proof: Option<&InfeasibilityProof>) -> bool {
    let mut proof = proof.cloned().unwrap_or_default();
    check_proof(model, &mut proof);
    proof.verified
}

/// Whether a ray is verified: the objective improves without limit in its direction.
pub(crate) fn is_improving(model: &LinearModel, ray: &UnboundedRay) -> bool {
    improving_ray(model, &indexed(&ray.variable_indices, &ray.values)).is_some()
}

/// Verifies a proof, and scales and names it. A trivially infeasible model needs none.
fn check_proof(model: &LinearModel, proof: &mut InfeasibilityProof) {
    let found = contradiction(model, &indexed(&proof.constraint_indices, &proof.multipliers), None);
    (proof.verified, proof.distance) = (found.is_some(), None);
    if let Some(found) = found {
        (proof.constraint_indices, proof.multipliers) = columns(found.multipliers);
        proof.distance = Some(found.distance);
    } else if let Some(distance) = trivial_contradiction(model) {
        (proof.verified, proof.distance) = (true, Some(distance));
    }
    proof.constraint_names = names(&model.constraint_names, &proof.constraint_indices);
}

/// Verifies a subset, and names it. It is infeasible if the proof needs only its bounds, if two of
/// them are crossed, or if a constraint without coefficients excludes 0.
fn check_subset(
    model: &LinearModel,
    proof: Option<&InfeasibilityProof>,
    subset: &mut InfeasibleSubset,
) {
    let constraints = subset.constraints.iter().filter_map(|of| side(of, BoundOwner::Constraint));
    let variables = subset.variables.iter().filter_map(|of| side(of, BoundOwner::Variable));
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
        BoundOwner::Constraint(row)
            if model.row_starts.get(row) == model.row_starts.get(row + 1) =>
        {
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

/// The bound that an entry of a subset refers to; `None` for a negative index.
fn side(entry: &SubsetBound, of: impl Fn(usize) -> BoundOwner) -> Option<Side> {
    let of = of(usize::try_from(entry.index).ok()?);
    Some(Side { of, upper: entry.side() == BoundSide::Upper })
}

fn exists(model: &LinearModel, side: Side) -> bool {
    match side.of {
        BoundOwner::Constraint(row) => row < model.constraint_lower.len(),
        BoundOwner::Variable(column) => column < model.variable_lower.len(),
    }
}

/// Verifies a ray, and scales and names it.
fn check_ray(model: &LinearModel, ray: &mut UnboundedRay) {
    let found = improving_ray(model, &indexed(&ray.variable_indices, &ray.values));
    (ray.verified, ray.rate) = (found.is_some(), None);
    if let Some((steps, rate)) = found {
        (ray.variable_indices, ray.values) = columns(steps);
        ray.rate = Some(rate);
    }
    ray.variable_names = names(&model.variable_names, &ray.variable_indices);
}

/// Splits entries into indices and numbers. The indices were `i32` before the check, so the cast
/// loses nothing.
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
                constraints: vec![
                    bound(0, BoundSide::Lower, Some(3.0)),
                    bound(1, BoundSide::Upper, Some(2.0)),
                ],
                irreducible: true,
                ..InfeasibleSubset::default()
            }),
            ..ended(TerminationReason::Infeasible)
        }
    }

    #[test]
    fn a_valid_proof_is_verified_and_named() {
        let mut result = infeasible([5.0, -5.0]);
        check_proofs(&model(2.0), &mut result);
        let proof = result.infeasibility_proof.unwrap_or_default();
        assert!(proof.verified);
        assert_eq!((proof.multipliers, proof.distance), (vec![1.0, -1.0], Some(0.5)));
        assert_eq!(proof.constraint_names, ["least", "most"]);
        let subset = result.infeasible_subset.unwrap_or_default();
        assert!(subset.verified && subset.irreducible);
        assert_eq!(subset.constraints[1].name, "most");
    }

    #[test]
    fn an_invalid_proof_is_reported_as_not_verified() {
        for (model, multipliers) in [(model(4.0), [1.0, -1.0]), (model(2.0), [1.0, 1.0])] {
            let mut result = infeasible(multipliers);
            check_proofs(&model, &mut result);
            let proof = result.infeasibility_proof.unwrap_or_default();
            assert_eq!((proof.verified, proof.distance), (false, None));
            assert!(!result.infeasible_subset.unwrap_or_default().verified);
        }
    }

    #[test]
    fn a_proof_with_invalid_indices_is_not_verified() {
        let mut result = infeasible([1.0, -1.0]);
        let proof = result.infeasibility_proof.get_or_insert_default();
        proof.constraint_indices = vec![-1, 9];
        let subset = result.infeasible_subset.get_or_insert_default();
        (subset.constraints[0].index, subset.constraints[1].index) = (-7, 70);
        check_proofs(&model(2.0), &mut result);
        assert!(!result.infeasibility_proof.unwrap_or_default().verified);
        assert!(!result.infeasible_subset.unwrap_or_default().verified);
    }

    #[test]
    fn a_proof_without_a_claim_of_infeasibility_is_removed() {
        let infeasible = infeasible([1.0, -1.0]);
        let mut result = SolveResult { termination: None, ..infeasible };
        check_proofs(&model(2.0), &mut result);
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
            check_proofs(&model(upper), &mut result);
            let ray = result.unbounded_ray.unwrap_or_default();
            assert_eq!((ray.verified, ray.rate), (verified, verified.then_some(1.0)));
            assert_eq!(ray.variable_names, ["x"]);
        }
    }

    #[test]
    fn large_proofs_are_omitted_with_a_warning() {
        let names = vec!["n".repeat(MAX_BYTES); 2];
        let model = LinearModel { constraint_names: names, ..model(2.0) };
        let mut result = infeasible([1.0, -1.0]);
        check_proofs(&model, &mut result);
        assert_eq!(result.infeasible_subset, None);
        let proof = result.infeasibility_proof.unwrap_or_default();
        assert!(proof.verified && proof.multipliers.is_empty(), "the verdict is kept");
        let warnings = result.termination.unwrap_or_default().warnings;
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}
