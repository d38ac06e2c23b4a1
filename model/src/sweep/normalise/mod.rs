//! Validates a sweep against its base model, and converts it to normal form.

mod grid;
mod parameter;
mod table;

use std::collections::HashMap;

use solvemesh::v1::{LinearModel, ScenarioReport, StopOnFirst, Sweep, sweep};

use super::Scenarios;
use crate::{Fault, FaultKind, Faults, domain::is_submitted_as_lp, findings::truncate_message};

/// Maximum number of names in a report, of variables and of constraints each. The values of
/// each are reported for every scenario.
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
    let base = Base::of(model);
    let scenarios = match &sweep.scenarios {
        None => return Err(fault("", "needs a table or a grid of scenarios")),
        Some(sweep::Scenarios::Table(table)) => {
            sweep::Scenarios::Table(table::normalise_table(table, &base, max_scenarios)?)
        }
        Some(sweep::Scenarios::Grid(grid)) => {
            sweep::Scenarios::Grid(grid::normalise_grid(grid, &base, max_scenarios)?)
        }
    };
    let report = sweep.report.clone().unwrap_or_default();
    check_report(&report, &base)?;
    if let Some(StopOnFirst { objective_target: Some(target) }) = sweep.stop_on_first
        && !target.is_finite()
    {
        let wrong = format!("must be a finite number, not {target}");
        return Err(fault("stop_on_first.objective_target", wrong));
    }
    let normal = Sweep {
        scenarios: Some(scenarios),
        report: Some(report),
        stop_on_first: sweep.stop_on_first,
    };
    Scenarios::of(normal, model).ok_or_else(|| fault("", "has arrays that do not fit together"))
}

/// The base model of a sweep, with the indices of its variables and constraints by name.
struct Base<'a> {
    model: &'a LinearModel,
    variables: HashMap<&'a str, usize>,
    constraints: HashMap<&'a str, usize>,
}

impl<'a> Base<'a> {
    fn of(model: &'a LinearModel) -> Self {
        let indices = |names: &'a [String]| {
            names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect()
        };
        Self {
            model,
            variables: indices(&model.variable_names),
            constraints: indices(&model.constraint_names),
        }
    }
}

/// Checks that the names in a report exist, and that it asks for duals only of an LP.
fn check_report(report: &ScenarioReport, base: &Base<'_>) -> Result<(), Faults> {
    let discrete = !is_submitted_as_lp(base.model);
    let named = [
        ("variables", &report.variables, report.all_variables, &base.variables),
        ("constraints", &report.constraints, report.all_constraints, &base.constraints),
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
            let wrong = truncate_message(format!("there is no `{}` in the model", asked[at]));
            return Err(fault(format!("{field}[{at}]"), wrong));
        }
    }
    if discrete && (report.all_constraints || !report.constraints.is_empty()) {
        return Err(fault("report.constraints", "asks for duals; a model with integers has none"));
    }
    Ok(())
}

/// Checks a number of scenarios, or a lower bound on it, against the limit.
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

/// An index that was checked before, and so is not negative.
fn index_of(index: i32) -> usize {
    usize::try_from(index).unwrap_or(0)
}

/// An error at a field of the sweep.
fn fault(field: impl Into<String>, message: impl Into<String>) -> Faults {
    let (field, message) = (field.into(), message.into());
    Faults(vec![Fault { field, place: None, kind: FaultKind::Invalid, message }])
}
