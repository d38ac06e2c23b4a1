//! Clarabel: an interior point method in Rust, for LPs. good_lp builds its model; the solve
//! and its end are taken from Clarabel itself, as good_lp calls what is nearly solved, and
//! even what is unbounded, optimal, and does not tell one limit from another.

use std::time::Duration;

use clarabel::solver::{DefaultSolution, IPSolver, SolverStatus as Status};
use solvemesh::v1::{
    SolveOptions, SolveStatistics, Termination, TerminationLimit as Limit,
    TerminationReason as Reason,
};

use super::{accepted, ended, model};
use crate::{
    arrays::Arrays,
    proof::{sparse_proof, sparse_ray},
    task::Finding,
    termination::{failed, optimal},
};

const NAME: &str = "Clarabel";

/// The accuracy that Clarabel is to reach if it can, relative to the norms of all that it
/// compares, which may be large.
const AIM: f64 = 1e-11;

/// The accuracy that Clarabel aims at by itself. A solve that ends between the two is
/// "almost solved".
const ENOUGH: f64 = 1e-8;

/// What is smaller by this factor than the largest number of a proof is none of it.
const NOISE: f64 = 1e-7;

pub(super) fn solve(arrays: &Arrays<'_>, options: &SolveOptions) -> Result<Finding, Termination> {
    let time_limit = accepted(arrays, options, NAME)?;
    if arrays.is_mip() {
        return Err(failed("Clarabel takes no integers, and the model has some"));
    }
    let found = run(arrays, &arrays.model().objective, time_limit)?;
    let mut finding = concluded(arrays, &found, time_limit)?;
    let iterations = i64::from(found.iterations);
    finding.statistics =
        SolveStatistics { barrier_iterations: iterations, ..SolveStatistics::default() };
    Ok(finding)
}

fn run(
    arrays: &Arrays<'_>,
    costs: &[f64],
    time_limit: Option<Duration>,
) -> Result<DefaultSolution<f64>, Termination> {
    let (mut model, _) = model(good_lp::clarabel, arrays, costs);
    let settings = model.settings();
    settings.tol_feas(AIM).tol_gap_abs(AIM).tol_gap_rel(AIM);
    settings.reduced_tol_feas(ENOUGH).reduced_tol_gap_abs(ENOUGH).reduced_tol_gap_rel(ENOUGH);
    if let Some(limit) = time_limit {
        settings.time_limit(limit.as_secs_f64());
    }
    let built = model.try_into_solver();
    let mut solver = built.map_err(|error| failed(format!("Clarabel: {error}")))?;
    solver.solve();
    Ok(solver.solution)
}

/// What a solve found out.
fn concluded(
    arrays: &Arrays<'_>,
    found: &DefaultSolution<f64>,
    time_limit: Option<Duration>,
) -> Result<Finding, Termination> {
    let told = |reason| Termination {
        detail: format!("Clarabel: {}", found.status),
        ..ended(reason, NAME)
    };
    let limited =
        |limit: Limit| Termination { limit: limit.into(), ..told(Reason::NoSolutionFound) };
    Ok(match found.status {
        Status::Solved | Status::AlmostSolved => {
            let objective = arrays.objective_at(&found.x);
            let optimal = optimal(objective, format!("Clarabel: {}", found.status));
            let finding = Finding { values: found.x.clone(), ..optimal.into() };
            if !arrays.is_lp_as_submitted() {
                return Ok(finding);
            }
            let sense = if arrays.maximizes() { -1.0 } else { 1.0 };
            let duals: Vec<f64> = prices(arrays, &found.z).map(|price| sense * price).collect();
            Finding { reduced_costs: arrays.reduced_costs(&duals), duals, ..finding }
        }
        Status::PrimalInfeasible => {
            let multipliers: Vec<f64> = prices(arrays, &found.z).collect();
            let proof = sparse_proof(&without_noise(&multipliers));
            Finding { infeasibility_proof: proof, ..told(Reason::Infeasible).into() }
        }
        Status::DualInfeasible => unbounded(arrays, &found.x, time_limit, told)?,
        Status::MaxTime => limited(Limit::Time).into(),
        Status::MaxIterations => limited(Limit::Iteration).into(),
        Status::AlmostPrimalInfeasible
        | Status::AlmostDualInfeasible
        | Status::NumericalError
        | Status::InsufficientProgress => told(Reason::NumericalError).into(),
        Status::Unsolved | Status::CallbackTerminated => told(Reason::OtherError).into(),
    })
}

/// There is a direction that never ends; whether there is a place to begin, another solve
/// tells, without an objective.
fn unbounded(
    arrays: &Arrays<'_>,
    direction: &[f64],
    time_limit: Option<Duration>,
    told: impl Fn(Reason) -> Termination,
) -> Result<Finding, Termination> {
    let found = run(arrays, &[], time_limit)?;
    Ok(match found.status {
        Status::Solved | Status::AlmostSolved => {
            let ray = sparse_ray(&without_noise(direction));
            Finding { unbounded_ray: ray, ..told(Reason::Unbounded).into() }
        }
        Status::PrimalInfeasible => concluded(arrays, &found, time_limit)?,
        _ => told(Reason::InfeasibleOrUnbounded).into(),
    })
}

/// An interior point method leaves nothing at 0.
fn without_noise(numbers: &[f64]) -> Vec<f64> {
    let largest = numbers.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
    let quiet = |number: &f64| if number.abs() > NOISE * largest { *number } else { 0.0 };
    numbers.iter().map(quiet).collect()
}

/// ∂z/∂rhs of each row at a minimum, from the prices of all of Clarabel's constraints. Those
/// of variables' bounds come first, then the rows as [`model`] adds them.
fn prices(arrays: &Arrays<'_>, all: &[f64]) -> impl Iterator<Item = f64> {
    let linear = arrays.model();
    let finite = |bounds: &[f64]| bounds.iter().filter(|bound| bound.is_finite()).count();
    let before = finite(arrays.lower()) + finite(arrays.upper());
    let mut prices = all.iter().copied().skip(before);
    let rows = linear.constraint_lower.iter().zip(&linear.constraint_upper);
    // An infinite bound is no constraint, and has none.
    rows.map(move |(&lower, &upper)| {
        let mut price = || prices.next().unwrap_or_default();
        if lower == upper {
            return -price();
        }
        let of_lower = if lower.is_finite() { price() } else { 0.0 };
        let of_upper = if upper.is_finite() { price() } else { 0.0 };
        of_lower - of_upper
    })
}
