//! microlp: a small solver in Rust, with its own branch and bound.

use good_lp::{Solution, WithMipGap, WithTimeLimit};
use solvemesh::v1::{SolveOptions, Termination, TerminationLimit, TerminationReason, VariableKind};

use super::{check_supported, model, own_bound, run, solved, values};
use crate::{
    arrays::Arrays,
    report::Monitor,
    task::Finding,
    termination::{failed, stopped},
};

const NAME: &str = "microlp";

pub(super) fn solve(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Result<Finding, Termination> {
    let time_limit = check_supported(arrays, options, NAME)?;
    let (mut model, variables) = model(good_lp::microlp, arrays, &arrays.model().objective);
    if let Some(gap) = options.relative_gap {
        // good_lp's gaps are f32, and it has no other way to set the one of microlp.
        let refused = |error| failed(format!("relative_gap: {error:?}"));
        model = model.with_mip_gap(gap as f32).map_err(refused)?;
    }
    if let Some(limit) = time_limit {
        model = model.with_time_limit(limit.as_secs_f64());
    }
    let solution = run(model, NAME, time_limit, monitor)
        .map_err(|ended| if exceeds_i32(arrays) { withdraw_infeasibility(ended) } else { ended })?;
    let values = values(&solution, &variables);
    let objective = arrays.objective_at(&values);
    let bound = own_bound(solution.status(), objective);
    let termination = solved(solution.status(), objective, bound, NAME);
    reject_values_at_i32_limits(Finding { values, ..termination.into() }, arrays)
}

/// Whether an integer variable may have values beyond the 32 bits of microlp's integers.
fn exceeds_i32(arrays: &Arrays<'_>) -> bool {
    let limit = f64::from(i32::MAX);
    let bounds = arrays.lower().iter().zip(arrays.upper());
    let mut integers = arrays.kinds().iter().zip(bounds);
    integers.any(|(kind, (lower, upper))| {
        *kind == VariableKind::Integer && (upper.abs() >= limit || lower.abs() >= limit)
    })
}

/// Withdraws a claim of infeasibility: microlp did not try all values.
fn withdraw_infeasibility(termination: Termination) -> Termination {
    match termination.reason() {
        TerminationReason::Infeasible | TerminationReason::InfeasibleOrUnbounded => {
            let why = "microlp: no solution in 32-bit integers, but the model allows larger ones";
            stopped(TerminationLimit::Other, why)
        }
        _ => termination,
    }
}

/// Rejects a solution at the limits of microlp's integers. They have 32 bits, and microlp silently
/// replaces an infinite bound with the last of them, so such a solution may not be an optimum of
/// the model as submitted.
fn reject_values_at_i32_limits(
    finding: Finding,
    arrays: &Arrays<'_>,
) -> Result<Finding, Termination> {
    let limit = f64::from(i32::MAX);
    let at_limit = |(kind, value): (&VariableKind, &f64)| {
        *kind == VariableKind::Integer && value.abs() >= limit
    };
    match arrays.kinds().iter().zip(&finding.values).position(at_limit) {
        None => Ok(finding),
        Some(variable) => Err(failed(format!(
            "microlp: the integer variable {} is at the limit of 32-bit integers",
            arrays.variable_name(variable)
        ))),
    }
}
