//! Clarabel: an interior point method in Rust, for LPs.
//!
//! good_lp only builds the model. The solve and its status are Clarabel's own, because good_lp
//! calls almost solved and even unbounded models optimal, and doesn't distinguish limits.

use std::time::Duration;

use clarabel::solver::{DefaultSolution, IPSolver, SolverStatus as Status};
use solvemesh::v1::{
    SolveOptions, SolveStatistics, Termination, TerminationLimit as Limit,
    TerminationReason as Reason,
};

use super::{check_supported, ended, model};
use crate::{
    arrays::Arrays,
    proof::{sparse_proof, sparse_ray},
    task::Finding,
    termination::{failed, optimal},
};

const NAME: &str = "Clarabel";

/// The accuracy that Clarabel tries to reach, relative to the norms of the vectors that it
/// compares, which may be large.
const TARGET_ACCURACY: f64 = 1e-11;

/// The accuracy that is enough, which is Clarabel's own default. A solve that ends between the two
/// is "almost solved".
const ACCEPTED_ACCURACY: f64 = 1e-8;

/// Numbers of a proof are dropped if they are smaller than the largest one by this factor.
const NOISE: f64 = 1e-7;

pub(super) fn solve(arrays: &Arrays<'_>, options: &SolveOptions) -> Result<Finding, Termination> {
    let time_limit = check_supported(arrays, options, NAME)?;
    if arrays.is_mip() {
        return Err(failed("Clarabel does not support integer variables, and the model has some"));
    }
    let found = run(arrays, &arrays.model().objective, time_limit)?;
    let mut finding = to_finding(arrays, &found, time_limit)?;
    let iterations = i64::from(found.iterations);
    finding.statistics =
        SolveStatistics { barrier_iteration_count: Some(iterations), ..SolveStatistics::default() };
    Ok(finding)
}

/// Solves once, with `costs` as the objective. The error is the termination of a solve that failed.
fn run(
    arrays: &Arrays<'_>,
    costs: &[f64],
    time_limit: Option<Duration>,
) -> Result<DefaultSolution<f64>, Termination> {
    let (mut model, _) = model(good_lp::clarabel, arrays, costs);
    let settings = model.settings();
    settings.tol_feas(TARGET_ACCURACY).tol_gap_abs(TARGET_ACCURACY).tol_gap_rel(TARGET_ACCURACY);
    settings
        .reduced_tol_feas(ACCEPTED_ACCURACY)
        .reduced_tol_gap_abs(ACCEPTED_ACCURACY)
        .reduced_tol_gap_rel(ACCEPTED_ACCURACY);
    if let Some(limit) = time_limit {
        settings.time_limit(limit.as_secs_f64());
    }
    let built = model.try_into_solver();
    let mut solver = built.map_err(|error| failed(format!("Clarabel: {error}")))?;
    solver.solve();
    Ok(solver.solution)
}

/// The finding of a solve. May solve once more, without an objective.
fn to_finding(
    arrays: &Arrays<'_>,
    found: &DefaultSolution<f64>,
    time_limit: Option<Duration>,
) -> Result<Finding, Termination> {
    let ended_with = |reason| Termination {
        detail: format!("Clarabel: {}", found.status),
        ..ended(reason, NAME)
    };
    let limited =
        |limit: Limit| Termination { limit: limit.into(), ..ended_with(Reason::NoSolutionFound) };
    Ok(match found.status {
        // The check that follows decides whether an almost solved model is good enough.
        Status::Solved | Status::AlmostSolved => {
            let objective = arrays.objective_at(&found.x);
            let optimal = optimal(objective, format!("Clarabel: {}", found.status));
            let finding = Finding { values: found.x.clone(), ..optimal.into() };
            if !arrays.is_lp_as_submitted() {
                return Ok(finding);
            }
            // `row_duals` are those of a minimum.
            let sense = if arrays.maximizes() { -1.0 } else { 1.0 };
            let duals: Vec<f64> = row_duals(arrays, &found.z).map(|dual| sense * dual).collect();
            Finding { reduced_costs: arrays.reduced_costs(&duals), duals, ..finding }
        }
        Status::PrimalInfeasible => {
            let multipliers: Vec<f64> = row_duals(arrays, &found.z).collect();
            let proof = sparse_proof(&without_noise(&multipliers));
            Finding { infeasibility_proof: proof, ..ended_with(Reason::Infeasible).into() }
        }
        Status::DualInfeasible => unbounded(arrays, &found.x, time_limit, ended_with)?,
        Status::MaxTime => limited(Limit::Time).into(),
        Status::MaxIterations => limited(Limit::Iteration).into(),
        // An almost valid certificate proves nothing.
        Status::AlmostPrimalInfeasible
        | Status::AlmostDualInfeasible
        | Status::NumericalError
        | Status::InsufficientProgress => ended_with(Reason::NumericalError).into(),
        Status::Unsolved | Status::CallbackTerminated => ended_with(Reason::OtherError).into(),
    })
}

/// The finding of a model with a ray. A solve without an objective finds out whether it also has a
/// solution: only then it is unbounded.
fn unbounded(
    arrays: &Arrays<'_>,
    direction: &[f64],
    time_limit: Option<Duration>,
    ended_with: impl Fn(Reason) -> Termination,
) -> Result<Finding, Termination> {
    let found = run(arrays, &[], time_limit)?;
    Ok(match found.status {
        Status::Solved | Status::AlmostSolved => {
            let ray = sparse_ray(&without_noise(direction));
            Finding { unbounded_ray: ray, ..ended_with(Reason::Unbounded).into() }
        }
        Status::PrimalInfeasible => to_finding(arrays, &found, time_limit)?,
        _ => ended_with(Reason::InfeasibleOrUnbounded).into(),
    })
}

/// Sets negligible numbers to 0: an interior point method leaves none exactly there.
fn without_noise(numbers: &[f64]) -> Vec<f64> {
    let largest = numbers.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
    let quiet = |number: &f64| if number.abs() > NOISE * largest { *number } else { 0.0 };
    numbers.iter().map(quiet).collect()
}

/// ∂z/∂rhs of each row of a minimum, from the duals of all of Clarabel's constraints: first those
/// of the bounds of variables, then those of rows, in the order in which [`model`] adds them.
fn row_duals(arrays: &Arrays<'_>, all: &[f64]) -> impl Iterator<Item = f64> {
    let linear = arrays.model();
    let finite = |bounds: &[f64]| bounds.iter().filter(|bound| bound.is_finite()).count();
    let before = finite(arrays.lower()) + finite(arrays.upper());
    let mut row_duals = all.iter().copied().skip(before);
    let rows = linear.constraint_lower.iter().zip(&linear.constraint_upper);
    // An infinite bound is not a constraint, and has no dual.
    rows.map(move |(&lower, &upper)| {
        let mut dual = || row_duals.next().unwrap_or_default();
        if lower == upper {
            return -dual();
        }
        let of_lower = if lower.is_finite() { dual() } else { 0.0 };
        let of_upper = if upper.is_finite() { dual() } else { 0.0 };
        of_lower - of_upper
    })
}
