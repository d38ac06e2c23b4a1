use std::collections::{HashMap, HashSet};

use solvemesh::v1::{
    GridAxis, LinearModel, ParameterKind, ScenarioGrid, ScenarioParameter, ScenarioReport,
    ScenarioTable, StopOnFirst, Sweep, VariableKind, sweep,
};

use super::{
    Scenarios, Target,
    scenarios::{entries_of, grid_points, grid_value, target},
};
use crate::{
    Fault, FaultKind, Faults,
    domain::is_submitted_as_lp,
    findings::clip,
    matrix::{MAX_COEFFICIENT, NEGLIGIBLE},
    normal::{INFINITE, normalise_infinity},
};

/// Maximum length of a scenario's label, in bytes.
const MAX_LABEL_BYTES: usize = 255;

/// Maximum number of names in a report, of variables and of constraints each.
const MAX_REPORTED: usize = 1000;

/// Validates a sweep against its base model, which must be in normal form, and converts it to
/// normal form. It may have at most `max_scenarios` scenarios.
///
/// # Errors
///
/// Returns the first error, at a field of the sweep. If it is about one scenario, the message
/// contains its number.
pub fn normalise_sweep(
    sweep: &Sweep,
    model: &LinearModel,
    max_scenarios: usize,
) -> Result<Scenarios, Faults> {
    let names = Names::of(model);
    let scenarios = match &sweep.scenarios {
        None => return Err(fault("", "needs a table or a grid of scenarios")),
        Some(sweep::Scenarios::Table(table)) => {
            sweep::Scenarios::Table(settle_table(table, model, &names, max_scenarios)?)
        }
        Some(sweep::Scenarios::Grid(grid)) => {
            sweep::Scenarios::Grid(settle_grid(grid, model, &names, max_scenarios)?)
        }
    };
    let report = sweep.report.clone().unwrap_or_default();
    check_report(&report, model, &names)?;
    if let Some(StopOnFirst { objective_target: Some(target) }) = sweep.stop_on_first
        && !target.is_finite()
    {
        let wrong = format!("must be a finite number, not {target}");
        return Err(fault("stop_on_first.objective_target", wrong));
    }
    let settled = Sweep {
        scenarios: Some(scenarios),
        report: Some(report),
        stop_on_first: sweep.stop_on_first,
    };
    Scenarios::of(settled, model).ok_or_else(|| fault("", "has arrays that do not fit together"))
}

/// The indices of a model's variables and constraints, by name.
struct Names<'a> {
    variables: HashMap<&'a str, usize>,
    constraints: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn of(model: &'a LinearModel) -> Self {
        let indices = |names: &'a [String]| {
            names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect()
        };
        Self {
            variables: indices(&model.variable_names),
            constraints: indices(&model.constraint_names),
        }
    }
}

fn settle_table(
    table: &ScenarioTable,
    model: &LinearModel,
    names: &Names<'_>,
    max_scenarios: usize,
) -> Result<ScenarioTable, Faults> {
    let field = |name: &str| format!("table.{name}");
    if table.parameters.is_empty() {
        return Err(fault(field("parameters"), "is required"));
    }
    let parameters: Vec<&ScenarioParameter> = table.parameters.iter().collect();
    let at = |index: usize| format!("table.parameters[{index}]");
    let (parameters, targets) = settle_parameters(&parameters, at, model, names)?;
    let count = scenario_count(table, parameters.len())?;
    if count == 0 {
        return Err(fault("table", "has no scenarios"));
    }
    check_count("table", count, max_scenarios)?;
    check_starts(table, count, parameters.len())?;
    for (scenario, label) in table.labels.iter().enumerate() {
        if label.len() > MAX_LABEL_BYTES {
            let wrong = format!("has {} bytes; a label has at most {MAX_LABEL_BYTES}", label.len());
            return Err(fault(format!("table.labels[{scenario}]"), wrong));
        }
    }

    let kinds: Vec<ParameterKind> = parameters.iter().map(ScenarioParameter::kind).collect();
    let mut values = table.values.clone();
    let sparse = !table.scenario_starts.is_empty();
    for scenario in 0..count {
        let first_entry = if sparse {
            index_of(table.scenario_starts[scenario])
        } else {
            scenario * targets.len()
        };
        for (place, (parameter, asked)) in entries_of(table, scenario, targets.len()).enumerate() {
            let label = table.labels.get(scenario).map_or("", String::as_str);
            values[first_entry + place] = allowed(kinds[parameter], targets[parameter], asked)
                .map_err(|wrong| {
                    let of = if label.is_empty() { String::new() } else { format!(" ({label})") };
                    let wrong = clip(format!("in scenario {scenario}{of}: {wrong}"));
                    fault(format!("table.values[{}]", first_entry + place), wrong)
                })?;
        }
    }
    Ok(ScenarioTable {
        parameters,
        scenario_count: Some(i32::try_from(count).unwrap_or(i32::MAX)),
        values,
        scenario_starts: table.scenario_starts.clone(),
        parameter_indices: table.parameter_indices.clone(),
        labels: table.labels.clone(),
    })
}

/// The number of scenarios of a table. Every array that determines it must agree.
fn scenario_count(table: &ScenarioTable, parameters: usize) -> Result<usize, Faults> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    if let Some(count) = table.scenario_count {
        let Ok(count) = usize::try_from(count) else {
            return Err(fault("table.scenario_count", format!("must be 0 or more, not {count}")));
        };
        counts.push(("table.scenario_count", count));
    }
    if !table.scenario_starts.is_empty() {
        counts.push(("table.scenario_starts", table.scenario_starts.len() - 1));
    } else if table.parameter_indices.is_empty() {
        if !table.values.len().is_multiple_of(parameters) {
            let wrong = format!(
                "has {} entries, which is not a multiple of the {parameters} parameters",
                table.values.len()
            );
            return Err(fault("table.values", wrong));
        }
        counts.push(("table.values", table.values.len() / parameters));
    } else {
        return Err(fault("table.scenario_starts", "is required with parameter_indices"));
    }
    if !table.labels.is_empty() {
        counts.push(("table.labels", table.labels.len()));
    }
    // Not empty: without `scenario_starts` there is the count of `values`.
    let (first, count) = counts[0];
    match counts.iter().find(|(_, other)| *other != count) {
        Some((other, theirs)) => {
            let wrong = format!("has {theirs} scenarios, but {first} has {count}");
            Err(fault(*other, wrong))
        }
        None => Ok(count),
    }
}

fn check_starts(table: &ScenarioTable, count: usize, parameters: usize) -> Result<(), Faults> {
    if table.scenario_starts.is_empty() {
        return Ok(());
    }
    let entries = table.values.len();
    if table.parameter_indices.len() != entries {
        let wrong = format!("has {} entries for {entries} values", table.parameter_indices.len());
        return Err(fault("table.parameter_indices", wrong));
    }
    // The first start is 0, and no start is below the one before or above the number of values.
    let mut last = 0;
    for (at, &start) in table.scenario_starts.iter().enumerate() {
        let least_and_most = if at == 0 { (0, 0) } else { (last, entries) };
        let fits = usize::try_from(start)
            .is_ok_and(|start| (least_and_most.0..=least_and_most.1).contains(&start));
        if !fits {
            let (least, most) = least_and_most;
            let wrong = format!("must be from {least} to {most}, not {start}");
            return Err(fault(format!("table.scenario_starts[{at}]"), wrong));
        }
        last = index_of(start);
    }
    if last != entries {
        let wrong = format!("ends with {last}, but there are {entries} values");
        return Err(fault("table.scenario_starts", wrong));
    }
    // For each parameter, the last scenario that has it. It finds duplicates without a set for
    // each scenario.
    let mut seen_in = vec![usize::MAX; parameters];
    for scenario in 0..count {
        for at in
            index_of(table.scenario_starts[scenario])..index_of(table.scenario_starts[scenario + 1])
        {
            let index = table.parameter_indices[at];
            let field = || format!("table.parameter_indices[{at}]");
            let Some(seen) = usize::try_from(index).ok().and_then(|it| seen_in.get_mut(it)) else {
                let wrong = format!(
                    "in scenario {scenario}: {index}, but there are {parameters} parameters, \
                     counted from 0"
                );
                return Err(fault(field(), wrong));
            };
            if *seen == scenario {
                return Err(fault(
                    field(),
                    format!("in scenario {scenario}: {index} is there twice"),
                ));
            }
            *seen = scenario;
        }
    }
    Ok(())
}

fn settle_grid(
    grid: &ScenarioGrid,
    model: &LinearModel,
    names: &Names<'_>,
    max_scenarios: usize,
) -> Result<ScenarioGrid, Faults> {
    if grid.axes.is_empty() {
        return Err(fault("grid.axes", "is required"));
    }
    let mut parameters = Vec::with_capacity(grid.axes.len());
    for (index, axis) in grid.axes.iter().enumerate() {
        let Some(parameter) = &axis.parameter else {
            return Err(fault(format!("grid.axes[{index}].parameter"), "is required"));
        };
        parameters.push(parameter);
    }
    let at = |index: usize| format!("grid.axes[{index}].parameter");
    let (parameters, targets) = settle_parameters(&parameters, at, model, names)?;
    let mut count = 1_usize;
    let mut axes = Vec::with_capacity(grid.axes.len());
    for (index, (axis, parameter)) in grid.axes.iter().zip(parameters).enumerate() {
        // Before the values of the axis are checked, which may be very many.
        count = count.saturating_mul(grid_points(axis));
        check_count("grid.axes", count, max_scenarios)?;
        axes.push(settle_axis(axis, parameter, targets[index], index)?);
    }
    Ok(ScenarioGrid { axes })
}

fn settle_axis(
    axis: &GridAxis,
    parameter: ScenarioParameter,
    target: Target,
    index: usize,
) -> Result<GridAxis, Faults> {
    let field = |name: &str| format!("grid.axes[{index}].{name}");
    let stepped = axis.first.is_some() || axis.last.is_some() || axis.point_count != 0;
    let kind = parameter.kind();
    let mut settled = GridAxis { parameter: Some(parameter), ..axis.clone() };
    if !axis.values.is_empty() {
        if stepped {
            return Err(fault(
                field("values"),
                "cannot be combined with first, last and point_count",
            ));
        }
        for (place, asked) in axis.values.iter().enumerate() {
            settled.values[place] = allowed(kind, target, *asked)
                .map_err(|wrong| fault(field(&format!("values[{place}]")), wrong))?;
        }
        return Ok(settled);
    }
    for (name, end) in [("first", axis.first), ("last", axis.last)] {
        match end {
            None => return Err(fault(field(name), "is required where there are no values")),
            Some(end) if end.is_nan() || end.abs() >= INFINITE => {
                let wrong = format!("must be a finite number, below {INFINITE:e}, not {end}");
                return Err(fault(field(name), wrong));
            }
            Some(_) => {}
        }
    }
    let least = if axis.first == axis.last { 1 } else { 2 };
    if axis.point_count < least {
        return Err(fault(
            field("point_count"),
            format!("must be {least} or more, not {}", axis.point_count),
        ));
    }
    // Between two allowed ends every value is allowed, except that a coefficient may get too
    // close to 0. So of other parameters only the ends are checked.
    for (name, place) in [("first", 0), ("last", grid_points(axis) - 1)] {
        allowed(kind, target, grid_value(axis, place))
            .map_err(|wrong| fault(field(name), wrong))?;
    }
    if matches!(target, Target::Coefficient { .. }) {
        for place in 0..grid_points(axis) {
            allowed(kind, target, grid_value(axis, place))
                .map_err(|wrong| fault(field("point_count"), wrong))?;
        }
    }
    Ok(settled)
}

/// Converts parameters to normal form, and returns them with the numbers that they change.
/// No two of them may change the same number.
fn settle_parameters(
    parameters: &[&ScenarioParameter],
    field: impl Fn(usize) -> String,
    model: &LinearModel,
    names: &Names<'_>,
) -> Result<(Vec<ScenarioParameter>, Vec<Target>), Faults> {
    let mut numbers = HashSet::new();
    let (mut settled, mut targets) = (Vec::new(), Vec::new());
    for (index, parameter) in parameters.iter().enumerate() {
        let field = field(index);
        let parameter = settle_parameter(parameter, &field, model, names)?;
        let Some(target) = target(&parameter, model) else {
            let wrong = "is a right-hand side, but the constraint has no bound, or two different \
                         ones: use constraint_lower or constraint_upper";
            return Err(fault(format!("{field}.kind"), wrong));
        };
        let single = match target {
            Target::VariableFixed(column) => {
                [Some(Target::VariableLower(column)), Some(Target::VariableUpper(column))]
            }
            Target::ConstraintEqual(row) => {
                [Some(Target::ConstraintLower(row)), Some(Target::ConstraintUpper(row))]
            }
            single => [Some(single), None],
        };
        if !single.into_iter().flatten().all(|number| numbers.insert(number)) {
            return Err(fault(field, "changes the same number as another parameter"));
        }
        settled.push(parameter);
        targets.push(target);
    }
    Ok((settled, targets))
}

fn settle_parameter(
    parameter: &ScenarioParameter,
    field: &str,
    model: &LinearModel,
    names: &Names<'_>,
) -> Result<ScenarioParameter, Faults> {
    let Ok(kind) = ParameterKind::try_from(parameter.kind) else {
        let wrong = format!("unknown parameter kind {}", parameter.kind);
        return Err(fault(format!("{field}.kind"), wrong));
    };
    let (of_variable, of_constraint) = match kind {
        ParameterKind::Unspecified => return Err(fault(format!("{field}.kind"), "is required")),
        ParameterKind::ObjectiveOffset => (false, false),
        ParameterKind::Objective
        | ParameterKind::VariableLower
        | ParameterKind::VariableUpper
        | ParameterKind::VariableFixed => (true, false),
        ParameterKind::ConstraintLower
        | ParameterKind::ConstraintUpper
        | ParameterKind::RightHandSide => (false, true),
        ParameterKind::Coefficient => (true, true),
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
        &names.variables,
        model.variable_lower.len(),
    )?;
    let constraint_index = place(
        "constraint",
        of_constraint,
        constraint,
        *constraint_index,
        &names.constraints,
        model.constraint_lower.len(),
    )?;
    let bounds_a_variable = matches!(
        kind,
        ParameterKind::VariableLower | ParameterKind::VariableUpper | ParameterKind::VariableFixed
    );
    if bounds_a_variable && let Some(column) = variable_index {
        let kinds = model.variable_kinds.get(index_of(column)).copied().unwrap_or_default();
        let semi = [VariableKind::SemiContinuous as i32, VariableKind::SemiInteger as i32];
        if semi.contains(&kinds) {
            let wrong = "is semi-continuous or semi-integer; scenarios cannot change its bounds";
            return Err(fault(format!("{field}.variable"), wrong));
        }
    }
    let kind = kind.into();
    Ok(ScenarioParameter { kind, variable_index, constraint_index, ..ScenarioParameter::default() })
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
            Some(index) => Ok(Some(i32::try_from(*index).unwrap_or(i32::MAX))),
            None => Err(fault(field, clip(format!("there is no `{name}` in the model")))),
        },
        (true, _, Some(_)) => {
            Err(fault(field, "is given both by name and by index; use one of them"))
        }
    }
}

/// Converts a value of a parameter to the number that a model in normal form has, or returns
/// what is wrong with it.
fn allowed(kind: ParameterKind, target: Target, value: f64) -> Result<f64, String> {
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

fn check_report(
    report: &ScenarioReport,
    model: &LinearModel,
    names: &Names<'_>,
) -> Result<(), Faults> {
    let discrete = !is_submitted_as_lp(model);
    let named = [
        ("variables", &report.variables, report.all_variables, &names.variables),
        ("constraints", &report.constraints, report.all_constraints, &names.constraints),
    ];
    for (what, asked, all, known) in named {
        let field = format!("report.{what}");
        if all && !asked.is_empty() {
            return Err(fault(field, format!("cannot be combined with all_{what}")));
        }
        if asked.len() > MAX_REPORTED {
            let wrong = format!("has {} names; the maximum is {MAX_REPORTED}", asked.len());
            return Err(fault(field, wrong));
        }
        if let Some(at) = asked.iter().position(|name| !known.contains_key(name.as_str())) {
            let wrong = clip(format!("there is no `{}` in the model", asked[at]));
            return Err(fault(format!("{field}[{at}]"), wrong));
        }
    }
    if discrete && (report.all_constraints || !report.constraints.is_empty()) {
        return Err(fault("report.constraints", "asks for duals; a model with integers has none"));
    }
    Ok(())
}

fn check_count(field: &str, count: usize, max_scenarios: usize) -> Result<(), Faults> {
    if count <= max_scenarios {
        return Ok(());
    }
    let message =
        format!("has {count} scenarios or more; the limit max_scenarios is {max_scenarios}");
    Err(Faults(vec![Fault {
        field: field.to_owned(),
        place: None,
        kind: FaultKind::TooLarge,
        message,
    }]))
}

fn index_of(index: i32) -> usize {
    usize::try_from(index).unwrap_or(0)
}

fn fault(field: impl Into<String>, message: impl Into<String>) -> Faults {
    let (field, message) = (field.into(), message.into());
    Faults(vec![Fault { field, place: None, kind: FaultKind::Invalid, message }])
}
