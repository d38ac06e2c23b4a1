use solvemesh::v1::{LinearModel, ModelSize, ObjectiveSense, VariableKind};

use crate::{
    Faults,
    findings::Findings,
    form::{Form, Part},
    matrix, names,
};

/// A bound, or an objective coefficient, of this absolute value or more is infinite.
pub(crate) const INFINITE: f64 = 1e20;

/// A semi-continuous upper bound above this loses precision in solvers.
const LARGE_SEMI_UPPER: f64 = 1e5;

/// Makes the normal form of a model whose arrays have their full length, whatever the
/// form it came in. `warnings` are those of its reader.
pub(crate) fn normalise(
    form: Form,
    mut model: LinearModel,
    warnings: Vec<String>,
) -> Result<(LinearModel, ModelSize, Vec<String>), Faults> {
    let mut findings = Findings::with_warnings(warnings);
    let name = |j| form.field(Part::VariableName(j));
    names::complete(&mut model.variable_names, 'x', name, &mut findings);
    let name = |i| form.field(Part::ConstraintName(i));
    names::complete(&mut model.constraint_names, 'c', name, &mut findings);

    objective(form, &mut model, &mut findings);
    variables(form, &mut model, &mut findings);
    constraints(form, &mut model, &mut findings);
    matrix::check(form, &model, &mut findings);
    let warnings = findings.finish()?;
    matrix::drop_zeros(&mut model);

    let integers = model.variable_kinds.iter().filter(|&&kind| is_integer(kind)).count();
    let size = ModelSize {
        variables: model.variable_lower.len() as i32,
        constraints: model.constraint_lower.len() as i32,
        nonzeros: model.coefficients.len() as i32,
        integers: integers as i32,
    };
    Ok((model, size, warnings))
}

fn is_integer(kind: i32) -> bool {
    kind == VariableKind::Integer as i32 || kind == VariableKind::SemiInteger as i32
}

fn objective(form: Form, model: &mut LinearModel, findings: &mut Findings) {
    match ObjectiveSense::try_from(model.sense) {
        Ok(ObjectiveSense::Unspecified) => model.sense = ObjectiveSense::Minimize as i32,
        Ok(ObjectiveSense::Minimize | ObjectiveSense::Maximize) => {}
        Err(_) => {
            let sense = model.sense;
            findings.fault(|| form.field(Part::Sense), || format!("{sense} is no sense we know"));
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

/// What to call a value that ought to be finite and is not.
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
        let whole = bounds(form, "variable", name, ends, (lower, upper), findings);
        let (lower, upper) = (*lower, *upper);
        let kind = match VariableKind::try_from(model.variable_kinds[j]) {
            Ok(VariableKind::Unspecified) => VariableKind::Continuous,
            Ok(kind) => kind,
            Err(_) => {
                let kind = model.variable_kinds[j];
                findings.fault(
                    || form.field(Part::Kind(j)),
                    || format!("{kind} is no kind of variable we know"),
                );
                continue;
            }
        };
        let semi = matches!(kind, VariableKind::SemiContinuous | VariableKind::SemiInteger);
        if whole && kind == VariableKind::Binary {
            for (bound, part) in [lower, upper].into_iter().zip(ends) {
                if !(0.0..=1.0).contains(&bound) {
                    findings.fault(
                        || form.field(part),
                        || format!("variable `{name}` is binary, and {bound} lies outside [0, 1]"),
                    );
                }
            }
        }
        if whole && semi {
            semi_bounds(form, name, ends, (lower, upper), findings);
        }
        if whole && lower > upper {
            findings.warn(|| {
                let meaning = if semi { "it can only be 0" } else { "the model is infeasible" };
                format!("the bounds of variable `{name}` cross ({lower} above {upper}): {meaning}")
            });
        }
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
        findings.warn(|| {
            format!(
                "variable `{name}` is semi-continuous with the upper bound {upper}; \
                 a solver may not keep one above 1e5"
            )
        });
    }
}

fn constraints(form: Form, model: &mut LinearModel, findings: &mut Findings) {
    for i in 0..model.constraint_lower.len() {
        let name = &model.constraint_names[i];
        let ends = [Part::ConstraintLower(i), Part::ConstraintUpper(i)];
        let (lower, upper) = (&mut model.constraint_lower[i], &mut model.constraint_upper[i]);
        let whole = bounds(form, "constraint", name, ends, (lower, upper), findings);
        let (lower, upper) = (*lower, *upper);
        if whole && lower > upper {
            findings.warn(|| {
                format!(
                    "the bounds of constraint `{name}` cross ({lower} above {upper}): \
                     the model is infeasible"
                )
            });
        }
    }
}

/// Makes infinite bounds IEEE infinities, and refuses what is no bound at all. Says
/// whether both ends are bounds.
fn bounds(
    form: Form,
    what: &str,
    name: &str,
    [lower_part, upper_part]: [Part; 2],
    (lower, upper): (&mut f64, &mut f64),
    findings: &mut Findings,
) -> bool {
    let mut whole = true;
    for (end, value, part, impossible) in [
        ("lower", lower, lower_part, f64::INFINITY),
        ("upper", upper, upper_part, f64::NEG_INFINITY),
    ] {
        *value = snap(*value);
        let value = *value;
        if value.is_nan() || value == impossible {
            whole = false;
            findings.fault(
                || form.field(part),
                || format!("the {end} bound of {what} `{name}` is {value}"),
            );
        }
    }
    whole
}

/// An infinite bound as the IEEE infinity of its sign; others as they are.
pub(crate) fn snap(bound: f64) -> f64 {
    if bound >= INFINITE {
        f64::INFINITY
    } else if bound <= -INFINITE {
        f64::NEG_INFINITY
    } else {
        bound
    }
}
