//! Why HiGHS found that a model has no solution, or none that is best. What is found here
//! is checked once more by the worker.

use std::time::Duration;

use solvemesh::v1::{
    InfeasibilityProof, InfeasibleSubset, SolveOptions, TerminationReason as Reason, UnboundedRay,
};
use solvemesh_model::verify::{
    is_solution,
    proof::{Contradiction, Of, Side, contradiction, improving_ray, indexed},
};

use super::{
    arrays::Arrays,
    highs::{Highs, Value},
    report::Monitor,
    subset,
    task::Finding,
};

/// A proof that was not asked for may take as long as the solve did, and at least so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Adds to a finding why there is no solution, or no best one, as far as that is found out
/// in what is left of the time limit.
pub(super) fn explain(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) {
    let left = time_limit.map(|limit| limit.saturating_sub(monitor.elapsed()));
    let patience = monitor.elapsed().max(PATIENCE);
    let patience = left.map_or(patience, |left| left.min(patience));
    match finding.termination.reason() {
        Reason::Infeasible => {
            let patience = if options.infeasible_subset { left } else { Some(patience) };
            finding.infeasibility_proof = proof_at_sight(arrays);
            if finding.infeasibility_proof.is_none() && give(highs, patience) {
                let ray = highs.dual_ray(&|sight| monitor.observe(sight));
                finding.infeasibility_proof = ray.as_deref().and_then(sparse_proof);
            }
            if options.infeasible_subset {
                seek_subset(arrays, time_limit, monitor, finding);
            }
        }
        Reason::Unbounded => {
            finding.values = some_solution(highs, arrays, patience, monitor).unwrap_or_default();
            // What was asked in between may have taken it away.
            highs.set_objective(&arrays.model().objective);
            if arrays.constraints() == 0 {
                finding.unbounded_ray = free_direction(arrays);
            } else if give(highs, Some(patience)) {
                let ray = highs.primal_ray(&|sight| monitor.observe(sight));
                finding.unbounded_ray = ray.as_deref().and_then(sparse_ray);
            }
        }
        _ => {}
    }
}

/// A solution of an unbounded model, without which a direction that improves proves nothing:
/// the one that HiGHS holds, or one that it finds without an objective.
fn some_solution(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    patience: Duration,
    monitor: &Monitor<'_>,
) -> Option<Vec<f64>> {
    let held = |highs: &Highs| {
        let values = highs.solution(arrays)?.values;
        is_solution(arrays.model(), &values).then_some(values)
    };
    held(highs).or_else(|| {
        highs.drop_objective();
        if !give(highs, Some(patience)) {
            return None;
        }
        highs.run(&|_| !monitor.interrupted());
        held(highs)
    })
}

/// Limits the time of what is next; false where there is none.
fn give(highs: &mut Highs, patience: Option<Duration>) -> bool {
    let Some(patience) = patience else { return true };
    !patience.is_zero() && highs.set("time_limit", &Value::Double(patience.as_secs_f64())).is_ok()
}

/// Replaces the proof by that of the subset, which takes no bound that the subset has not.
fn seek_subset(
    arrays: &Arrays<'_>,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) {
    let mut warn = |what: &str| finding.termination.warnings.push(what.to_owned());
    let proof = finding.infeasibility_proof.as_ref();
    let found = proof.and_then(|proof| proven(arrays, proof));
    let Some(found) = found else {
        return warn(if arrays.is_mip() {
            "there is no infeasible subset: no proof was found that the relaxation, without \
             integers, is infeasible"
        } else {
            "there is no infeasible subset: no proof of infeasibility was found"
        });
    };
    if arrays.is_mip() {
        warn("the infeasible subset is one of the relaxation, without integers");
    }
    let (found, irreducible) = subset::reduce(arrays, found, time_limit, monitor);
    finding.infeasibility_proof = Some(proof_of(&found.multipliers));
    finding.infeasible_subset = Some(subset::told(arrays.model(), &found.sides, irreducible));
}

/// The subset of a model whose bounds of one constraint or variable are crossed, or which
/// has an empty constraint that excludes 0: seen without a solver.
pub(super) fn subset_at_sight(arrays: &Arrays<'_>) -> Option<InfeasibleSubset> {
    let sides = subset::at_sight(arrays)?;
    Some(subset::told(arrays.model(), &sides, true))
}

/// That an empty constraint excludes 0. HiGHS has no ray that says so.
pub(super) fn proof_at_sight(arrays: &Arrays<'_>) -> Option<InfeasibilityProof> {
    match subset::at_sight(arrays)?.as_slice() {
        &[Side { of: Of::Constraint(row), upper }] => {
            Some(proof_of(&[(row, if upper { -1.0 } else { 1.0 })]))
        }
        _ => None,
    }
}

pub(super) fn sparse_proof(ray: &[f64]) -> Option<InfeasibilityProof> {
    let multipliers = nonzeros(ray);
    (!multipliers.is_empty()).then(|| proof_of(&multipliers))
}

fn proof_of(multipliers: &[(usize, f64)]) -> InfeasibilityProof {
    let (constraint_indices, multipliers) = columns(multipliers);
    InfeasibilityProof { constraint_indices, multipliers, ..InfeasibilityProof::default() }
}

pub(super) fn sparse_ray(ray: &[f64]) -> Option<UnboundedRay> {
    let steps = nonzeros(ray);
    (!steps.is_empty()).then(|| ray_of(&steps))
}

fn ray_of(steps: &[(usize, f64)]) -> UnboundedRay {
    let (variable_indices, values) = columns(steps);
    UnboundedRay { variable_indices, values, ..UnboundedRay::default() }
}

/// A variable of a model without constraints that nothing holds. HiGHS tells none.
fn free_direction(arrays: &Arrays<'_>) -> Option<UnboundedRay> {
    let model = arrays.model();
    let worse = if arrays.maximizes() { -1.0 } else { 1.0 };
    let direction = |(column, cost): (usize, &f64)| {
        let (step, bound) = match cost * worse {
            cost if cost > 0.0 => (-1.0, arrays.lower()[column]),
            cost if cost < 0.0 => (1.0, arrays.upper()[column]),
            _ => return None,
        };
        (bound.is_infinite() && !arrays.is_semi(column)).then(|| ray_of(&[(column, step)]))
    };
    model.objective.iter().enumerate().find_map(direction)
}

/// What a proof of infeasibility proves, if it holds.
pub(super) fn proven(arrays: &Arrays<'_>, proof: &InfeasibilityProof) -> Option<Contradiction> {
    let multipliers = indexed(&proof.constraint_indices, &proof.multipliers);
    contradiction(arrays.model(), &multipliers, None)
}

/// Whether a direction improves without end.
pub(super) fn improves(arrays: &Arrays<'_>, ray: &UnboundedRay) -> bool {
    improving_ray(arrays.model(), &indexed(&ray.variable_indices, &ray.values)).is_some()
}

fn nonzeros(dense: &[f64]) -> Vec<(usize, f64)> {
    dense.iter().copied().enumerate().filter(|(_, value)| *value != 0.0).collect()
}

/// Indices came from arrays that an `i32` can index.
fn columns(entries: &[(usize, f64)]) -> (Vec<i32>, Vec<f64>) {
    entries.iter().map(|&(index, value)| (index as i32, value)).unzip()
}
