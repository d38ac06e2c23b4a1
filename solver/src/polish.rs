//! The last step of a solve of a MIP: reduces the violations of its solution.
//!
//! Branch and bound accepts a solution that violates bounds by up to 1e-6, and prefers one that
//! gains from it: 10.499999 for 10.5. With the integers rounded and fixed, an LP remains, which is
//! solved to a thousandth of that tolerance.

use std::time::Duration;

use solvemesh::v1::{LinearModel, TerminationReason as Reason, VariableKind};
use solvemesh_model::verify::{Candidate, Check, verify};

use super::{
    arrays::Arrays,
    highs::{Highs, ModelStatus, Scale, Value},
    highs_solver::run_silently,
    report::Monitor,
    task::Finding,
};

/// Absolute violation up to which no LP is solved: that of the LP would not be smaller.
const SMALL_VIOLATION: f64 = 1e-9;

/// Absolute tolerance of the LP. HiGHS allows no less than 1e-10.
const LP_TOLERANCE: f64 = 1e-9;

/// Replaces the solution of a finding with one that violates less, if there is one with the same
/// integers, rounded.
pub(super) fn polish(
    arrays: &Arrays<'_>,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) {
    let is_answer = matches!(finding.termination.reason(), Reason::Optimal | Reason::Feasible);
    let Some(check) = check(arrays, &finding.values).filter(|_| is_answer) else { return };
    let violation = max_violation(&check);
    if violation == 0.0 {
        return;
    }
    let rounded = rounded(arrays, &finding.values);
    // May be enough by itself: then no LP is solved.
    let violation = replace_if_better(arrays, finding, violation, rounded.clone());
    let any_continuous = (0..arrays.variables()).any(|column| !arrays.is_discrete(column));
    if violation > SMALL_VIOLATION
        && any_continuous
        && !monitor.interrupted()
        && let Some(values) = solve_with_fixed_integers(arrays, &rounded, time_limit, monitor)
    {
        replace_if_better(arrays, finding, violation, values);
    }
}

/// Replaces the values of a finding, whose largest violation is given, if the new ones are a
/// solution that violates less. Returns the largest violation of the values that it has then.
fn replace_if_better(
    arrays: &Arrays<'_>,
    finding: &mut Finding,
    violation: f64,
    values: Vec<f64>,
) -> f64 {
    match check(arrays, &values) {
        Some(check) if check.acceptable && max_violation(&check) < violation => {
            finding.termination.objective = Some(check.objective);
            finding.values = values;
            max_violation(&check)
        }
        _ => violation,
    }
}

fn check(arrays: &Arrays<'_>, values: &[f64]) -> Option<Check> {
    verify(arrays.model(), Candidate::of(values)).ok()
}

fn max_violation(check: &Check) -> f64 {
    check.verification.max_violation.unwrap_or(f64::INFINITY)
}

/// The values with integers rounded, and all moved to within their bounds.
fn rounded(arrays: &Arrays<'_>, values: &[f64]) -> Vec<f64> {
    let round = |(column, &value): (usize, &f64)| {
        let value = match arrays.kinds()[column] {
            // `+ 0.0` turns -0.0 into 0.0.
            VariableKind::Integer | VariableKind::SemiInteger => value.round() + 0.0,
            _ => value,
        };
        let (lower, upper) = (arrays.lower()[column], arrays.upper()[column]);
        if arrays.is_semi(column) && is_off(value, lower) {
            0.0
        } else {
            value.max(lower).min(upper)
        }
    };
    values.iter().enumerate().map(round).collect()
}

/// Whether the value of a semi-continuous variable, whose lower bound is above 0, means 0: it is
/// closer to 0 than to the bound.
fn is_off(value: f64, lower: f64) -> bool {
    value < 0.5 * lower
}

/// The best solution with the integers of these values, which are rounded. A semi-continuous
/// variable keeps to its side: it stays 0, or between its bounds.
fn solve_with_fixed_integers(
    arrays: &Arrays<'_>,
    rounded: &[f64],
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> Option<Vec<f64>> {
    let mut model = LinearModel {
        variable_kinds: vec![VariableKind::Continuous.into(); rounded.len()],
        variable_lower: arrays.lower().to_vec(),
        variable_upper: arrays.upper().to_vec(),
        ..arrays.model().clone()
    };
    for (column, &value) in rounded.iter().enumerate() {
        let kind = arrays.kinds()[column];
        let bounds = match kind {
            VariableKind::SemiContinuous if !is_off(value, arrays.lower()[column]) => continue,
            VariableKind::SemiContinuous => 0.0,
            VariableKind::Integer | VariableKind::SemiInteger => value,
            _ => continue,
        };
        (model.variable_lower[column], model.variable_upper[column]) = (bounds, bounds);
    }
    let lp = Arrays::of(&model).ok()?;
    let mut highs = Highs::new();
    for tolerance in ["primal_feasibility_tolerance", "dual_feasibility_tolerance"] {
        highs.set(tolerance, &Value::Double(LP_TOLERANCE)).ok()?;
    }
    highs.pass(&lp, Scale::of(&lp, &Default::default())).ok()?;
    match run_silently(&mut highs, time_limit, monitor) {
        Some(ModelStatus::Optimal) => {}
        _ => return None,
    }
    let mut found = highs.solution(&lp)?.values;
    // Values of fixed variables may come back with an error in the last digit.
    for (column, value) in found.iter_mut().enumerate() {
        *value = value.max(model.variable_lower[column]).min(model.variable_upper[column]);
    }
    Some(found)
}
