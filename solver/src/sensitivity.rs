//! Sensitivity ranges: how far costs and bounds of an LP may move while its basis stays optimal.

use std::time::Duration;

use super::{
    arrays::Arrays,
    highs::{Highs, ModelStatus, Value},
    highs_solver::run_within,
    report::Monitor,
    task::Finding,
};

/// Adds the ranges to a finding that is an optimum, or a warning that says why there are none.
pub(super) fn add_ranges(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) {
    if let Err(why) = find_ranges(highs, arrays, time_limit, monitor, finding) {
        finding.termination.warnings.push(format!("there are no ranges: {why}"));
    }
}

/// Finds the ranges, which need an optimal basis of the model itself.
///
/// The solve may have ended without a basis (an interior point method) or with one of a presolved
/// model, so the simplex method runs once more. It starts where the solve ended, and has little or
/// nothing to do. Its solution replaces the first one, which may be another optimum than the one
/// that the ranges belong to.
fn find_ranges(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) -> Result<(), &'static str> {
    if arrays.constraints() == 0 {
        return Err("a model without constraints has no basis");
    }
    for (option, value) in [("presolve", "off"), ("solver", "simplex")] {
        let set = highs.set(option, &Value::Text(value.to_owned()));
        set.map_err(|_| "HiGHS can't use the simplex method")?;
    }
    match run_within(highs, time_limit, monitor) {
        // Without feasible duals the basis is not optimal, and its ranges mean nothing.
        Some(ModelStatus::Optimal) if highs.has_feasible_duals() => {}
        None | Some(ModelStatus::TimeLimit) => return Err("the time limit was reached first"),
        Some(ModelStatus::Interrupted) => return Err("the solve was interrupted first"),
        Some(_) => return Err("the simplex method found no optimum"),
    }
    let ranges = highs.ranges().ok_or("HiGHS computed none")?;
    let solution = highs.solution(arrays).ok_or("HiGHS has no solution")?;
    finding.values = solution.values;
    finding.duals = solution.duals;
    finding.reduced_costs = solution.reduced_costs;
    if finding.basis.is_some() {
        finding.basis = highs.basis();
    }
    finding.ranges = Some(ranges);
    Ok(())
}
