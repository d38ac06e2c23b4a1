//! Parameters of scenarios: which number of the base model each changes, and to which values.

use std::collections::{HashMap, HashSet};

use solvemesh::v1::{LinearModel, ParameterKind, ScenarioParameter, VariableKind};

use super::{Base, fault, index_of};
use crate::{
    Faults,
    findings::truncate_message,
    matrix::{MAX_COEFFICIENT, NEGLIGIBLE},
    normal::normalise_infinity,
    sweep::{Target, scenarios::target},
};

/// Converts parameters to normal form, and returns them with the numbers that they change.
/// No two of them may change the same number.
pub(super) fn normalise_parameters(
    parameters: &[&ScenarioParameter],
    field: impl Fn(usize) -> String,
    base: &Base<'_>,
) -> Result<(Vec<ScenarioParameter>, Vec<Target>), Faults> {
    let mut numbers = HashSet::new();
    let (mut normal, mut targets) = (Vec::new(), Vec::new());
    for (index, parameter) in parameters.iter().enumerate() {
        let field = field(index);
        let parameter = normalise_parameter(parameter, &field, base)?;
        let Some(target) = target(&parameter, base.model) else {
            let wrong = "is a right-hand side, but the constraint has no bound, or two different \
                         ones: use constraint_lower or constraint_upper";
            return Err(fault(format!("{field}.kind"), wrong));
        };
        if !target.numbers().all(|number| numbers.insert(number)) {
            return Err(fault(field, "changes the same number as another parameter"));
        }
        normal.push(parameter);
        targets.push(target);
    }
    Ok((normal, targets))
}

/// Converts a parameter: names become indices.
fn normalise_parameter(
    parameter: &ScenarioParameter,
    field: &str,
    base: &Base<'_>,
) -> Result<ScenarioParameter, Faults> {
    let Ok(kind) = ParameterKind::try_from(parameter.kind) else {
        let wrong = format!("unknown parameter kind {}", parameter.kind);
        return Err(fault(format!("{field}.kind"), wrong));
    };
    let Some((of_variable, of_constraint)) = refers_to(kind) else {
        return Err(fault(format!("{field}.kind"), "is required"));
    };
    let place = |what, wanted, name: &str, index, known: &HashMap<&str, usize>, count: usize| {
        resolve(&format!("{field}.{what}"), wanted, name, index, known, count)
    };
    let ScenarioParameter { variable, variable_index, constraint, constraint_index, .. } =
        parameter;
    let variable_index = place(
        "variable",
        of_variable,
        variable,
        *variable_index,
        &base.variables,
        base.model.variable_lower.len(),
    )?;
    let constraint_index = place(
        "constraint",
        of_constraint,
        constraint,
        *constraint_index,
        &base.constraints,
        base.model.constraint_lower.len(),
    )?;
    reject_semi_bounds(kind, variable_index, field, base.model)?;
    let kind = kind.into();
    Ok(ScenarioParameter { kind, variable_index, constraint_index, ..ScenarioParameter::default() })
}

/// Whether a kind of parameter refers to a variable, and whether it refers to a constraint.
/// `None` for an unspecified kind.
fn refers_to(kind: ParameterKind) -> Option<(bool, bool)> {
    Some(match kind {
        ParameterKind::Unspecified => return None,
        ParameterKind::ObjectiveOffset => (false, false),
        ParameterKind::Objective
        | ParameterKind::VariableLower
        | ParameterKind::VariableUpper
        | ParameterKind::VariableFixed => (true, false),
        ParameterKind::ConstraintLower
        | ParameterKind::ConstraintUpper
        | ParameterKind::RightHandSide => (false, true),
        ParameterKind::Coefficient => (true, true),
    })
}

/// Rejects a change to the bounds of a semi-continuous or semi-integer variable.
fn reject_semi_bounds(
    kind: ParameterKind,
    variable_index: Option<i32>,
    field: &str,
    model: &LinearModel,
) -> Result<(), Faults> {
    let bounds_a_variable = matches!(
        kind,
        ParameterKind::VariableLower | ParameterKind::VariableUpper | ParameterKind::VariableFixed
    );
    // With other bounds it could become an ordinary variable (see `Domain`), and the model an LP.
    if bounds_a_variable && let Some(column) = variable_index {
        let kinds = model.variable_kinds.get(index_of(column)).copied().unwrap_or_default();
        let semi = [VariableKind::SemiContinuous as i32, VariableKind::SemiInteger as i32];
        if semi.contains(&kinds) {
            let wrong = "is semi-continuous or semi-integer; scenarios cannot change its bounds";
            return Err(fault(format!("{field}.variable"), wrong));
        }
    }
    Ok(())
}

/// The index of the variable or constraint that a parameter refers to; `None` if its kind has
/// none, and `wanted` is false.
fn resolve(
    field: &str,
    wanted: bool,
    name: &str,
    index: Option<i32>,
    known: &HashMap<&str, usize>,
    count: usize,
) -> Result<Option<i32>, Faults> {
    match (wanted, name, index) {
        (false, "", None) => Ok(None),
        (false, ..) => Err(fault(field, "does not apply to this kind of parameter")),
        (true, "", None) => Err(fault(field, "is required")),
        (true, "", Some(index)) => {
            if usize::try_from(index).is_ok_and(|index| index < count) {
                return Ok(Some(index));
            }
            let wrong = format!("is {index}, but there are {count}, counted from 0");
            Err(fault(format!("{field}_index"), wrong))
        }
        (true, name, None) => match known.get(name) {
            // Always fits: a model in normal form has fewer than 2^31 of each.
            Some(index) => Ok(Some(i32::try_from(*index).unwrap_or(i32::MAX))),
            None => {
                Err(fault(field, truncate_message(format!("there is no `{name}` in the model"))))
            }
        },
        (true, _, Some(_)) => {
            Err(fault(field, "is given both by name and by index; use one of them"))
        }
    }
}

/// Converts a value of a parameter to the number that a model in normal form has, or returns
/// what is wrong with it.
pub(super) fn normalise_value(
    kind: ParameterKind,
    target: Target,
    value: f64,
) -> Result<f64, String> {
    let wrong = match target {
        _ if value.is_nan() => "is not a number".to_owned(),
        _ if kind == ParameterKind::RightHandSide && normalise_infinity(value).is_infinite() => {
            format!("must be finite, not {value}")
        }
        Target::Objective(_) if value.abs() >= MAX_COEFFICIENT || value.is_infinite() => {
            format!("{value} is too large: an absolute value is below {MAX_COEFFICIENT:e}")
        }
        Target::Coefficient { .. } if value.abs() >= MAX_COEFFICIENT || value.is_infinite() => {
            format!("{value} is too large: an absolute value is below {MAX_COEFFICIENT:e}")
        }
        Target::Coefficient { .. } if value != 0.0 && value.abs() <= NEGLIGIBLE => {
            format!("{value} is too small: an absolute value is 0 or above {NEGLIGIBLE:e}")
        }
        Target::Objective(_) | Target::Coefficient { .. } => return Ok(value),
        Target::Offset if value.is_finite() => return Ok(value),
        Target::Offset => format!("must be finite, not {value}"),
        Target::VariableFixed(_) | Target::ConstraintEqual(_) => {
            if normalise_infinity(value).is_finite() {
                return Ok(value);
            }
            format!("must be finite, not {value}")
        }
        Target::VariableLower(_) | Target::ConstraintLower(_) => match normalise_infinity(value) {
            f64::INFINITY => "a lower bound can't be Infinity".to_owned(),
            value => return Ok(value),
        },
        Target::VariableUpper(_) | Target::ConstraintUpper(_) => match normalise_infinity(value) {
            f64::NEG_INFINITY => "an upper bound can't be -Infinity".to_owned(),
            value => return Ok(value),
        },
    };
    Err(wrong)
}
