//! The last step of a solve of a model with integers: values that hold as well as they can.
//!
//! Branch and bound accepts a solution that breaks bounds by up to 1e-6, and prefers one
//! that gains by it: 10.499999 for 10.5. With the integers rounded and held, what is left
//! is an LP, which is solved to a thousandth of that.

use std::time::Duration;

use solvemesh::v1::{LinearModel, TerminationReason as Reason, VariableKind};
use solvemesh_model::verify::{Candidate, Check, verify};

use super::{
    arrays::Arrays,
    direct::run_silently,
    highs::{Highs, ModelStatus, Scale, Value},
    report::Monitor,
    task::Finding,
};

/// A violation of this, absolute, is left as it is: it is as small as that of an LP.
const SMALL: f64 = 1e-9;

/// The tolerance of the LP, absolute: the least that HiGHS allows is 1e-10.
const LP_TOLERANCE: f64 = 1e-9;

/// Puts a better verified solution in the place of that of a finding, if it is an answer and
/// there is one close by. The integers of both are the same.
pub(super) fn polish(
    arrays: &Arrays<'_>,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    finding: &mut Finding,
) {
    let is_answer = matches!(finding.termination.reason(), Reason::Optimal | Reason::Feasible);
    let Some(check) = check(arrays, &finding.values).filter(|_| is_answer) else { return };
    let violation = worst(&check);
    if violation == 0.0 {
        return;
    }
    let rounded = rounded(arrays, &finding.values);
    let left = adopt(arrays, finding, violation, rounded.clone());
    let any_continuous = (0..arrays.variables()).any(|column| !arrays.is_discrete(column));
    if left > SMALL
        && any_continuous
        && !monitor.interrupted()
        && let Some(values) = held(arrays, &rounded, time_limit, monitor)
    {
        adopt(arrays, finding, left, values);
    }
}

/// Takes values over that are a solution and violate less than those of a finding. Returns
/// the worst violation of those that it has then.
fn adopt(arrays: &Arrays<'_>, finding: &mut Finding, violation: f64, values: Vec<f64>) -> f64 {
    match check(arrays, &values) {
        Some(check) if check.acceptable && worst(&check) < violation => {
            finding.termination.objective = Some(check.objective);
            finding.values = values;
            worst(&check)
        }
        _ => violation,
    }
}

fn check(arrays: &Arrays<'_>, values: &[f64]) -> Option<Check> {
    verify(arrays.model(), Candidate::of(values)).ok()
}

fn worst(check: &Check) -> f64 {
    check.verification.max_violation
}

/// Integers to the next whole number, and all values between their bounds.
fn rounded(arrays: &Arrays<'_>, values: &[f64]) -> Vec<f64> {
    let round = |(column, &value): (usize, &f64)| {
        let value = match arrays.kinds()[column] {
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

/// Whether the value of a semi-continuous variable, whose lower bound is above 0, stands
/// for 0.
fn is_off(value: f64, lower: f64) -> bool {
    value < 0.5 * lower
}

/// The best solution with the integers of these values, which are rounded.
fn held(
    arrays: &Arrays<'_>,
    rounded: &[f64],
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> Option<Vec<f64>> {
    let mut model = LinearModel {
        variable_kinds: vec![VariableKind::Continuous.into(); rounded.len()],
        variable_lower: arrays.lower().to_vec(),
        variable_upper: arrays.upper().to_vec(),
        start: None,
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
