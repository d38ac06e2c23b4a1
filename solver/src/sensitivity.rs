//! How far the numbers of an LP may move before its optimum becomes another.

use std::time::Duration;

use super::{
    arrays::Arrays,
    direct::run_within,
    highs::{Highs, ModelStatus, Value},
    report::Monitor,
    task::Finding,
};

/// Adds the ranges to a finding that is an optimum, or a warning that says why there are
/// none.
pub(super) fn explore(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) {
    if let Err(why) = seek(highs, arrays, time_limit, monitor, finding) {
        finding.termination.warnings.push(format!("there are no ranges: {why}"));
    }
}

/// Ranges are those of a basis of the model itself. The solve may have had none (an interior
/// point method) or one of a presolved model; from where it ended, the simplex method has
/// little or nothing to do. Its solution takes the place of the one before, which may be
/// another optimum.
fn seek(
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
        set.map_err(|_| "the simplex method can't be chosen")?;
    }
    match run_within(highs, time_limit, monitor) {
        Some(ModelStatus::Optimal) if highs.has_feasible_duals() => {}
        None | Some(ModelStatus::TimeLimit) => return Err("the time limit was over before"),
        Some(ModelStatus::Interrupted) => return Err("the solve was interrupted before"),
        Some(_) => return Err("the simplex method does not come to an optimum"),
    }
    let ranges = highs.ranges().ok_or("HiGHS has none")?;
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
