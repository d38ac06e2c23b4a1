use solvemesh::v1::{LinearModel, ModelSize, ObjectiveSense, VariableKind};

use crate::{
    Faults,
    findings::Findings,
    form::{Form, Part},
    matrix, names,
};

/// Bounds of this absolute value or more are infinite. Objective coefficients and constants
/// of this size are rejected.
pub(crate) const INFINITE: f64 = 1e20;

/// Semi-continuous upper bounds above this get a warning: solvers may tighten them.
pub const LARGE_SEMI_UPPER: f64 = 1e5;

/// Converts a model whose arrays have their full length to normal form, and returns it with
/// its size and all warnings. `warnings` are those of the reader.
pub(crate) fn normalise(
    form: Form,
    mut model: LinearModel,
    warnings: Vec<String>,
) -> Result<(LinearModel, ModelSize, Vec<String>), Faults> {
    let mut findings = Findings::with_warnings(warnings);
    // Names first: the messages of the other checks contain them.
    let given = form.names();
    let name = |j| form.field(Part::VariableName(j));
    names::complete(&mut model.variable_names, given, 'x', name, &mut findings);
    let name = |i| form.field(Part::ConstraintName(i));
    names::complete(&mut model.constraint_names, given, 'c', name, &mut findings);

    objective(form, &mut model, &mut findings);
    variables(form, &mut model, &mut findings);
    constraints(form, &mut model, &mut findings);
    matrix::check(form, &model, &mut findings);
    let warnings = findings.finish()?;
    // Only now: errors refer to coefficients by their index as sent.
    matrix::drop_zeros(&mut model);

    let integers = model.variable_kinds.iter().filter(|&&kind| is_integer(kind)).count();
    let size = ModelSize {
        variable_count: model.variable_lower.len() as i32,
        constraint_count: model.constraint_lower.len() as i32,
        nonzero_count: model.coefficients.len() as i32,
        integer_count: integers as i32,
    };
    Ok((model, size, warnings))
}

fn is_integer(kind: i32) -> bool {
    kind == VariableKind::Integer as i32 || kind == VariableKind::SemiInteger as i32
}

fn objective(form: Form, model: &mut LinearModel, findings: &mut Findings) {
    match ObjectiveSense::try_from(model.sense) {
        // Minimisation is the default of all forms.
        Ok(ObjectiveSense::Unspecified) => model.sense = ObjectiveSense::Minimize as i32,
        Ok(ObjectiveSense::Minimize | ObjectiveSense::Maximize) => {}
        Err(_) => {
            let sense = model.sense;
            findings
                .fault(|| form.field(Part::Sense), || format!("unknown objective sense {sense}"));
        }
    }
    if let Some(wrong) = not_finite(model.objective_offset) {
        findings.fault(
            || form.field(Part::Offset),
            || format!("the constant of the objective is {wrong}"),
        );
    }
    for (j, &value) in model.objective.iter().enumerate() {
        if let Some(wrong) = not_finite(value) {
            let name = &model.variable_names[j];
            findings.fault(
                || form.field(Part::Objective(j)),
                || format!("the objective coefficient of `{name}` is {wrong}"),
            );
        }
    }
}

/// Describes why a value does not count as finite; `None` if it does.
fn not_finite(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("not a number")
    } else if value.abs() >= INFINITE {
        Some("infinite (its absolute value is 1e20 or more)")
    } else {
        None
    }
}

fn variables(form: Form, model: &mut LinearModel, findings: &mut Findings) {
    for j in 0..model.variable_lower.len() {
        let name = &model.variable_names[j];
        let ends = [Part::VariableLower(j), Part::VariableUpper(j)];
        let (lower, upper) = (&mut model.variable_lower[j], &mut model.variable_upper[j]);
        let valid = bounds(form, "variable", name, ends, (lower, upper), findings);
        let (lower, upper) = (*lower, *upper);
        let kind = match VariableKind::try_from(model.variable_kinds[j]) {
            Ok(VariableKind::Unspecified) => VariableKind::Continuous,
            Ok(kind) => kind,
            Err(_) => {
                let kind = model.variable_kinds[j];
                findings.fault(
                    || form.field(Part::Kind(j)),
                    || format!("unknown variable kind {kind}"),
                );
                continue;
            }
        };
        let semi = matches!(kind, VariableKind::SemiContinuous | VariableKind::SemiInteger);
        if valid && kind == VariableKind::Binary {
            for (bound, part) in [lower, upper].into_iter().zip(ends) {
                if !(0.0..=1.0).contains(&bound) {
                    findings.fault(
                        || form.field(part),
                        || format!("variable `{name}` is binary, and {bound} lies outside [0, 1]"),
                    );
                }
            }
        }
        if valid && semi {
            semi_bounds(form, name, ends, (lower, upper), findings);
        }
        if valid && lower > upper {
            findings.warn(|| {
                let meaning = if semi { "it can only be 0" } else { "the model is infeasible" };
                format!("the bounds of variable `{name}` cross ({lower} above {upper}): {meaning}")
            });
        }
        // In normal form, binary is integer with bounds.
        model.variable_kinds[j] = match kind {
            VariableKind::Binary => VariableKind::Integer,
            kind => kind,
        } as i32;
    }
}

fn semi_bounds(
    form: Form,
    name: &str,
    [lower_part, upper_part]: [Part; 2],
    (lower, upper): (f64, f64),
    findings: &mut Findings,
) {
    if lower < 0.0 {
        findings.fault(
            || form.field(lower_part),
            || format!("variable `{name}` is semi-continuous; its lower bound {lower} is below 0"),
        );
    }
    if !upper.is_finite() {
        findings.fault(
            || form.field(upper_part),
            || format!("variable `{name}` is semi-continuous and needs a finite upper bound"),
        );
    } else if upper > LARGE_SEMI_UPPER {
        // Only a warning: whether it changes the model depends on the lower bound and the solver.
        findings.warn(|| {
            format!(
                "variable `{name}` is semi-continuous with the upper bound {upper}; \
                 a solver may tighten one above 1e5"
            )
        });
    }
}

fn constraints(form: Form, model: &mut LinearModel, findings: &mut Findings) {
    for i in 0..model.constraint_lower.len() {
        let name = &model.constraint_names[i];
        let ends = [Part::ConstraintLower(i), Part::ConstraintUpper(i)];
        let (lower, upper) = (&mut model.constraint_lower[i], &mut model.constraint_upper[i]);
        let valid = bounds(form, "constraint", name, ends, (lower, upper), findings);
        let (lower, upper) = (*lower, *upper);
        if valid && lower > upper {
            findings.warn(|| {
                format!(
                    "the bounds of constraint `{name}` cross ({lower} above {upper}): \
                     the model is infeasible"
                )
            });
        }
    }
}

/// Converts infinite bounds to IEEE infinities, and reports NaN and bounds that exclude
/// every value. Returns whether both bounds are valid.
fn bounds(
    form: Form,
    what: &str,
    name: &str,
    [lower_part, upper_part]: [Part; 2],
    (lower, upper): (&mut f64, &mut f64),
    findings: &mut Findings,
) -> bool {
    let mut valid = true;
    for (end, value, part, impossible) in [
        ("lower", lower, lower_part, f64::INFINITY),
        ("upper", upper, upper_part, f64::NEG_INFINITY),
    ] {
        *value = normalise_infinity(*value);
        let value = *value;
        if value.is_nan() || value == impossible {
            valid = false;
            findings.fault(
                || form.field(part),
                || format!("the {end} bound of {what} `{name}` is {value}"),
            );
        }
    }
    valid
}

/// Converts a bound of absolute value 1e20 or more to the IEEE infinity of its sign;
/// returns others unchanged.
pub fn normalise_infinity(bound: f64) -> f64 {
    if bound >= INFINITE {
        f64::INFINITY
    } else if bound <= -INFINITE {
        f64::NEG_INFINITY
    } else {
        bound
    }
}
