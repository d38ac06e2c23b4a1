//! Tables of scenarios: a row of values for each scenario, dense or sparse.

use solvemesh::v1::{ParameterKind, ScenarioParameter, ScenarioTable};

use super::{
    Base, check_count, fault, index_of,
    parameter::{normalise_parameters, normalise_value},
};
use crate::{
    Faults,
    findings::truncate_message,
    sweep::{Target, scenarios::entries_of},
};

/// Maximum length of a scenario's label, in bytes.
const MAX_LABEL_BYTES: usize = 255;

/// Validates a table and converts it to normal form.
pub(super) fn normalise_table(
    table: &ScenarioTable,
    base: &Base<'_>,
    max_scenarios: usize,
) -> Result<ScenarioTable, Faults> {
    let field = |name: &str| format!("table.{name}");
    if table.parameters.is_empty() {
        return Err(fault(field("parameters"), "is required"));
    }
    let parameters: Vec<&ScenarioParameter> = table.parameters.iter().collect();
    let at = |index: usize| format!("table.parameters[{index}]");
    let (parameters, targets) = normalise_parameters(&parameters, at, base)?;
    let count = scenario_count(table, parameters.len())?;
    if count == 0 {
        return Err(fault("table", "has no scenarios"));
    }
    // Before any of the checks that take time in proportion to the number of scenarios.
    check_count("table", count, max_scenarios)?;
    check_starts(table)?;
    check_indices(table, count, parameters.len())?;
    check_labels(table)?;
    let values = normalise_values(table, count, &parameters, &targets)?;
    Ok(ScenarioTable {
        parameters,
        scenario_count: Some(i32::try_from(count).unwrap_or(i32::MAX)),
        values,
        scenario_starts: table.scenario_starts.clone(),
        parameter_indices: table.parameter_indices.clone(),
        labels: table.labels.clone(),
    })
}

fn check_labels(table: &ScenarioTable) -> Result<(), Faults> {
    for (scenario, label) in table.labels.iter().enumerate() {
        if label.len() > MAX_LABEL_BYTES {
            let wrong = format!("has {} bytes; a label has at most {MAX_LABEL_BYTES}", label.len());
            return Err(fault(format!("table.labels[{scenario}]"), wrong));
        }
    }
    Ok(())
}

/// Converts the values of a table, whose starts and indices must have been checked.
fn normalise_values(
    table: &ScenarioTable,
    count: usize,
    parameters: &[ScenarioParameter],
    targets: &[Target],
) -> Result<Vec<f64>, Faults> {
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
            values[first_entry + place] =
                normalise_value(kinds[parameter], targets[parameter], asked).map_err(|wrong| {
                    let of = if label.is_empty() { String::new() } else { format!(" ({label})") };
                    let wrong = truncate_message(format!("in scenario {scenario}{of}: {wrong}"));
                    fault(format!("table.values[{}]", first_entry + place), wrong)
                })?;
        }
    }
    Ok(values)
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

/// Checks that the starts of a sparse table divide its entries into scenarios.
fn check_starts(table: &ScenarioTable) -> Result<(), Faults> {
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
        let (least, most) = if at == 0 { (0, 0) } else { (last, entries) };
        if !usize::try_from(start).is_ok_and(|start| (least..=most).contains(&start)) {
            let wrong = format!("must be from {least} to {most}, not {start}");
            return Err(fault(format!("table.scenario_starts[{at}]"), wrong));
        }
        last = index_of(start);
    }
    if last != entries {
        let wrong = format!("ends with {last}, but there are {entries} values");
        return Err(fault("table.scenario_starts", wrong));
    }
    Ok(())
}

/// Checks that every entry of a sparse table is of a parameter that exists, and that no scenario
/// has a parameter twice. The starts must have been checked.
fn check_indices(table: &ScenarioTable, count: usize, parameters: usize) -> Result<(), Faults> {
    if table.scenario_starts.is_empty() {
        return Ok(());
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
