//! Proofs by HiGHS that a model is infeasible or unbounded. The worker checks them once more.

use std::time::Duration;

use solvemesh::v1::{
    InfeasibilityProof, InfeasibleSubset, SolveOptions, TerminationReason as Reason, UnboundedRay,
};
use solvemesh_model::verify::{
    is_solution,
    proof::{BoundOwner, Contradiction, Side, contradiction, improving_ray, indexed},
};

use super::{
    arrays::Arrays,
    highs::{Highs, Value},
    report::Monitor,
    subset,
    task::Finding,
};

/// A proof that was not requested may take as long as the solve did, or this long if that is more.
const MIN_PROOF_TIME: Duration = Duration::from_secs(1);

/// Adds a proof to a finding that is infeasible or unbounded, if HiGHS finds one in what is left
/// of the time limit.
pub(super) fn add_proof(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) {
    let left = time_limit.map(|limit| limit.saturating_sub(monitor.elapsed()));
    let budget = monitor.elapsed().max(MIN_PROOF_TIME);
    let budget = left.map_or(budget, |left| left.min(budget));
    match finding.termination.reason() {
        Reason::Infeasible => {
            // A subset is requested explicitly and needs the proof: it may take all the time.
            let budget = if options.return_infeasible_subset { left } else { Some(budget) };
            finding.infeasibility_proof = trivial_proof(arrays);
            if finding.infeasibility_proof.is_none() && set_time_limit(highs, budget) {
                let ray = highs.dual_ray(&|event| monitor.observe(event));
                finding.infeasibility_proof = ray.as_deref().and_then(sparse_proof);
            }
            if options.return_infeasible_subset {
                find_subset(arrays, time_limit, monitor, finding);
            }
        }
        Reason::Unbounded => {
            finding.values = any_solution(highs, arrays, budget, monitor).unwrap_or_default();
            // The search for a solution, here or in the solve, may have dropped the objective.
            highs.set_objective(&arrays.model().objective);
            if arrays.constraints() == 0 {
                // HiGHS returns no ray here.
                finding.unbounded_ray = free_direction(arrays);
            } else if set_time_limit(highs, Some(budget)) {
                let ray = highs.primal_ray(&|event| monitor.observe(event));
                finding.unbounded_ray = ray.as_deref().and_then(sparse_ray);
            }
        }
        _ => {}
    }
}

/// A solution of an unbounded model: the one that HiGHS holds, or one that it finds without the
/// objective. Without a solution, an improving direction proves nothing.
fn any_solution(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    budget: Duration,
    monitor: &Monitor<'_>,
) -> Option<Vec<f64>> {
    let current_solution = |highs: &Highs| {
        let values = highs.solution(arrays)?.values;
        is_solution(arrays.model(), &values).then_some(values)
    };
    current_solution(highs).or_else(|| {
        highs.drop_objective();
        if !set_time_limit(highs, Some(budget)) {
            return None;
        }
        highs.run(&|_| !monitor.interrupted());
        current_solution(highs)
    })
}

/// Sets the time limit of the next call of HiGHS, and returns whether there is time for it.
/// `None` keeps the limit as it is.
fn set_time_limit(highs: &mut Highs, limit: Option<Duration>) -> bool {
    let Some(limit) = limit else { return true };
    !limit.is_zero() && highs.set("time_limit", &Value::Double(limit.as_secs_f64())).is_ok()
}

/// Adds an irreducible infeasible subset, and replaces the proof by that of the subset, which uses
/// only bounds of the subset.
fn find_subset(
    arrays: &Arrays<'_>,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) {
    let mut warn = |what: &str| finding.termination.warnings.push(what.to_owned());
    let proof = finding.infeasibility_proof.as_ref();
    let found = proof.and_then(|proof| verified_contradiction(arrays, proof));
    let Some(found) = found else {
        return warn(if arrays.is_mip() {
            "no infeasible subset was found: there is no proof that the relaxation, without \
             integers, is infeasible"
        } else {
            "no infeasible subset was found: there is no proof of infeasibility"
        });
    };
    if arrays.is_mip() {
        warn("the infeasible subset is that of the relaxation, without integers");
    }
    let (found, irreducible) = subset::reduce(arrays, found, time_limit, monitor);
    finding.infeasibility_proof = Some(proof_of(&found.multipliers));
    finding.infeasible_subset = Some(subset::to_message(arrays.model(), &found.sides, irreducible));
}

/// The subset of a model that is trivially infeasible: the crossed bounds of one constraint or
/// variable, or the bound of an empty constraint that excludes 0. Needs no solver.
pub(super) fn trivial_subset(arrays: &Arrays<'_>) -> Option<InfeasibleSubset> {
    let sides = subset::trivial(arrays)?;
    Some(subset::to_message(arrays.model(), &sides, true))
}

/// Proof that an empty constraint excludes 0, for which HiGHS has no ray.
pub(super) fn trivial_proof(arrays: &Arrays<'_>) -> Option<InfeasibilityProof> {
    match subset::trivial(arrays)?.as_slice() {
        &[Side { of: BoundOwner::Constraint(row), upper }] => {
            Some(proof_of(&[(row, if upper { -1.0 } else { 1.0 })]))
        }
        _ => None,
    }
}

/// A proof from a dense dual ray; `None` if all entries are 0.
pub(super) fn sparse_proof(ray: &[f64]) -> Option<InfeasibilityProof> {
    let multipliers = nonzeros(ray);
    (!multipliers.is_empty()).then(|| proof_of(&multipliers))
}

fn proof_of(multipliers: &[(usize, f64)]) -> InfeasibilityProof {
    let (constraint_indices, multipliers) = unzip_entries(multipliers);
    InfeasibilityProof { constraint_indices, multipliers, ..InfeasibilityProof::default() }
}

/// A ray from a dense primal ray; `None` if all entries are 0.
pub(super) fn sparse_ray(ray: &[f64]) -> Option<UnboundedRay> {
    let steps = nonzeros(ray);
    (!steps.is_empty()).then(|| ray_of(&steps))
}

fn ray_of(steps: &[(usize, f64)]) -> UnboundedRay {
    let (variable_indices, values) = unzip_entries(steps);
    UnboundedRay { variable_indices, values, ..UnboundedRay::default() }
}

/// The ray of a model without constraints: a step of any variable that is unbounded in its
/// improving direction.
fn free_direction(arrays: &Arrays<'_>) -> Option<UnboundedRay> {
    let model = arrays.model();
    let sign = if arrays.maximizes() { -1.0 } else { 1.0 };
    let direction = |(column, cost): (usize, &f64)| {
        let (step, bound) = match cost * sign {
            cost if cost > 0.0 => (-1.0, arrays.lower()[column]),
            cost if cost < 0.0 => (1.0, arrays.upper()[column]),
            _ => return None,
        };
        (bound.is_infinite() && !arrays.is_semi(column)).then(|| ray_of(&[(column, step)]))
    };
    model.objective.iter().enumerate().find_map(direction)
}

/// The contradiction that a proof of infeasibility leads to, if the proof holds.
pub(super) fn verified_contradiction(
    arrays: &Arrays<'_>,
    proof: &InfeasibilityProof,
) -> Option<Contradiction> {
    let multipliers = indexed(&proof.constraint_indices, &proof.multipliers);
    contradiction(arrays.model(), &multipliers, None)
}

/// Whether the objective improves without limit along a ray.
pub(super) fn is_improving(arrays: &Arrays<'_>, ray: &UnboundedRay) -> bool {
    improving_ray(arrays.model(), &indexed(&ray.variable_indices, &ray.values)).is_some()
}

fn nonzeros(dense: &[f64]) -> Vec<(usize, f64)> {
    dense.iter().copied().enumerate().filter(|(_, value)| *value != 0.0).collect()
}

/// Splits entries into indices and numbers. The cast is safe: [`Arrays`] checks that an `i32` can
/// index everything.
fn unzip_entries(entries: &[(usize, f64)]) -> (Vec<i32>, Vec<f64>) {
    entries.iter().map(|&(index, value)| (index as i32, value)).unzip()
}
