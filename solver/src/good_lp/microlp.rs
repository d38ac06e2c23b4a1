//! microlp: in Rust, small, with its own branch and bound.

use good_lp::{Solution, SolutionStatus, WithMipGap, WithTimeLimit};
use solvemesh::v1::{SolveOptions, Termination, TerminationLimit, TerminationReason, VariableKind};

use super::{accepted, ended, model, run, values};
use crate::{
    arrays::Arrays,
    report::Monitor,
    task::Finding,
    termination::{failed, known, optimal, stopped},
};

const NAME: &str = "microlp";

pub(super) fn solve(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Result<Finding, Termination> {
    let time_limit = accepted(arrays, options, NAME)?;
    let (mut model, variables) = model(good_lp::microlp, arrays, &arrays.model().objective);
    if let Some(gap) = options.relative_gap {
        // good_lp's gaps are f32.
        let refused = |error| failed(format!("relative_gap: {error:?}"));
        model = model.with_mip_gap(gap as f32).map_err(refused)?;
    }
    if let Some(limit) = time_limit {
        model = model.with_time_limit(limit.as_secs_f64());
    }
    let solution = run(model, NAME, time_limit, monitor)
        .map_err(|told| if is_cut_short(arrays) { doubtful(told) } else { told })?;
    let values = values(&solution, &variables);
    let objective = arrays.objective_at(&values);
    let termination = match solution.status() {
        SolutionStatus::Optimal => optimal(objective, "microlp: optimal"),
        SolutionStatus::GapLimit => Termination {
            objective: known(Some(objective)),
            detail: "microlp: within the gap asked for".to_owned(),
            ..ended(TerminationReason::Optimal, NAME)
        },
        SolutionStatus::TimeLimit => Termination {
            objective: known(Some(objective)),
            limit: TerminationLimit::Time as i32,
            ..ended(TerminationReason::Feasible, NAME)
        },
    };
    distrust_integer_limits(Finding { values, ..termination.into() }, arrays)
}

/// Whether an integer variable may have values that microlp does not know.
fn is_cut_short(arrays: &Arrays<'_>) -> bool {
    let limit = f64::from(i32::MAX);
    let bounds = arrays.lower().iter().zip(arrays.upper());
    let mut integers = arrays.kinds().iter().zip(bounds);
    integers.any(|(kind, (lower, upper))| {
        *kind == VariableKind::Integer && (upper.abs() >= limit || lower.abs() >= limit)
    })
}

/// That there is no solution is not known where some values were not tried.
fn doubtful(told: Termination) -> Termination {
    match told.reason() {
        TerminationReason::Infeasible | TerminationReason::InfeasibleOrUnbounded => {
            let why = "microlp: none of its integers of 32 bits, and the model allows others";
            stopped(TerminationLimit::Other, why)
        }
        _ => told,
    }
}

/// microlp's integers are those of 32 bits, and an infinite bound is silently the last
/// of them: nothing that is found there is an optimum of the model as submitted.
fn distrust_integer_limits(finding: Finding, arrays: &Arrays<'_>) -> Result<Finding, Termination> {
    let limit = f64::from(i32::MAX);
    let at_limit = |(kind, value): (&VariableKind, &f64)| {
        *kind == VariableKind::Integer && value.abs() >= limit
    };
    match arrays.kinds().iter().zip(&finding.values).position(at_limit) {
        None => Ok(finding),
        Some(variable) => Err(failed(format!(
            "microlp: the integer variable {} is at the end of the range of 32 bits",
            arrays.variable_name(variable)
        ))),
    }
}
