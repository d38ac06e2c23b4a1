//! Validates a sweep against its base model, the options and the limits on reported numbers.

use prost::Message as _;
use solvemesh::v1::{
    LinearModel, ScenarioGrid, SolveOptions, Solver, SubmitJobRequest, Sweep, SweepDescription,
    sweep,
};
use solvemesh_model::sweep::{Scenarios, normalise_sweep, values_per_scenario};

use crate::{policy::Policy, refusal::FieldError};

/// Maximum size of all names in a report, in bytes. They are part of the job's description, which
/// every page of `ListJobs` contains.
const MAX_NAME_BYTES: usize = 64 << 10;
/// Maximum size of the description's grid, in bytes, for the same reason.
const MAX_GRID_BYTES: usize = 16 << 10;
/// Maximum size of the values and duals of one scenario, in bytes: an answer travels in one
/// message.
const MAX_ANSWER_BYTES: usize = 512 << 10;
/// Maximum size of the values and duals of all scenarios, in bytes: gateways hold them in memory.
const MAX_REPORT_BYTES: usize = 64 << 20;

/// Validates a sweep and returns its scenarios in normal form.
///
/// # Errors
///
/// Every invalid field of the sweep, and every option that sweeps do not support.
pub(super) fn resolve(
    sweep: &Sweep,
    request: &SubmitJobRequest,
    options: &SolveOptions,
    model: &LinearModel,
    policy: &Policy,
) -> Result<Scenarios, Vec<FieldError>> {
    let mut faults = unsupported_options(request, options);
    match normalise_sweep(sweep, model, policy.max_scenarios) {
        Ok(scenarios) => {
            faults.extend(report_too_large(&scenarios, model));
            if faults.is_empty() { Ok(scenarios) } else { Err(faults) }
        }
        Err(wrong) => {
            let described = |fault: &solvemesh_model::Fault| FieldError {
                field: format!("sweep.{}", fault.field).trim_end_matches('.').to_owned(),
                description: fault.to_string(),
                place: None,
            };
            faults.extend(wrong.0.iter().map(described));
            Err(faults)
        }
    }
}

/// The description of a sweep, which is kept in the log and shown by the API.
pub(super) fn describe(scenarios: &Scenarios, model: &LinearModel) -> SweepDescription {
    let sweep = scenarios.sweep();
    SweepDescription {
        scenario_count: i32::try_from(scenarios.count()).unwrap_or(i32::MAX),
        sense: model.sense,
        report: sweep.report.clone(),
        stop_on_first: sweep.stop_on_first,
        grid: grid(sweep, model),
    }
}

/// The grid of a sweep in normal form, with names, for those who draw its results; `None` if it is
/// too large, or not a grid.
fn grid(sweep: &Sweep, model: &LinearModel) -> Option<ScenarioGrid> {
    let Some(sweep::Scenarios::Grid(grid)) = &sweep.scenarios else { return None };
    let mut grid = grid.clone();
    for parameter in grid.axes.iter_mut().filter_map(|axis| axis.parameter.as_mut()) {
        let name = |names: &[String], index: Option<i32>| {
            index.and_then(|index| names.get(usize::try_from(index).ok()?).cloned())
        };
        let variable = name(&model.variable_names, parameter.variable_index);
        let constraint = name(&model.constraint_names, parameter.constraint_index);
        parameter.variable = variable.unwrap_or_default();
        parameter.constraint = constraint.unwrap_or_default();
    }
    (grid.encoded_len() <= MAX_GRID_BYTES).then_some(grid)
}

/// Options that sweeps do not support, and a solver that does not support sweeps.
fn unsupported_options(request: &SubmitJobRequest, options: &SolveOptions) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if let Ok(solver) = Solver::try_from(options.solver)
        && !matches!(solver, Solver::Unspecified | Solver::Auto | Solver::Highs)
    {
        let description = format!("{} can't solve sweeps; use SOLVER_HIGHS", solver.as_str_name());
        faults.push(FieldError::new("options.solver", description));
    }
    let reported = "is not available for sweeps: a scenario's result is its objective, and the \
                    values and duals that sweep.report requests";
    let warm = "is not available for sweeps: each scenario starts from a neighbour's solution";
    for (field, is_set, why) in [
        ("options.return_infeasible_subset", options.return_infeasible_subset, reported),
        ("options.return_basis", options.return_basis, reported),
        ("options.return_sensitivity", options.return_sensitivity, reported),
        ("options.return_log", options.return_log, reported),
        ("options.incumbents", options.incumbents.is_some(), reported),
        ("starts", !request.starts.is_empty(), warm),
    ] {
        if is_set {
            faults.push(FieldError::new(field, why));
        }
    }
    faults
}

/// The error for a report that requests too many numbers or names; `None` if it is within limits.
fn report_too_large(scenarios: &Scenarios, model: &LinearModel) -> Option<FieldError> {
    let report = scenarios.sweep().report.as_ref()?;
    let numbers =
        values_per_scenario(report, model.variable_lower.len(), model.constraint_lower.len());
    let each = numbers.saturating_mul(size_of::<f64>());
    let all = each.saturating_mul(scenarios.count());
    let names: usize = report.variables.iter().chain(&report.constraints).map(String::len).sum();
    let instead = "request fewer variables and constraints by name";
    let description = if names > MAX_NAME_BYTES {
        format!(
            "the names have {names} bytes together; the maximum is {MAX_NAME_BYTES}: request \
             fewer variables and constraints, or all of them"
        )
    } else if each > MAX_ANSWER_BYTES {
        format!(
            "requests {numbers} numbers of each scenario, {each} bytes; the maximum is \
             {MAX_ANSWER_BYTES}: {instead}"
        )
    } else if all > MAX_REPORT_BYTES {
        let count = scenarios.count();
        format!(
            "requests {numbers} numbers of each of {count} scenarios, {all} bytes together; the \
             maximum is {MAX_REPORT_BYTES}: {instead}, or fewer scenarios"
        )
    } else {
        return None;
    };
    Some(FieldError::new("sweep.report", description))
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::{
        GridAxis, IncumbentOptions, ParameterKind, ScenarioParameter, ScenarioReport, StartingPoint,
    };

    use super::*;

    /// A base model with this number of variables, each between 0 and 1, and no constraints.
    fn base(variables: usize) -> LinearModel {
        LinearModel {
            variable_lower: vec![0.0; variables],
            variable_upper: vec![1.0; variables],
            variable_names: (0..variables).map(|index| format!("x{index}")).collect(),
            objective: vec![1.0; variables],
            variable_kinds: vec![1; variables],
            ..LinearModel::default()
        }
    }

    fn scenarios(points: i32, report: ScenarioReport, model: &LinearModel) -> Scenarios {
        let parameter = ScenarioParameter {
            kind: ParameterKind::ObjectiveOffset.into(),
            ..ScenarioParameter::default()
        };
        let axis = GridAxis {
            parameter: Some(parameter),
            first: Some(0.0),
            last: Some(1.0),
            point_count: points,
            ..GridAxis::default()
        };
        let grid = sweep::Scenarios::Grid(ScenarioGrid { axes: vec![axis] });
        let sweep = Sweep { scenarios: Some(grid), report: Some(report), ..Sweep::default() };
        normalise_sweep(&sweep, model, usize::MAX).expect("a sweep")
    }

    #[test]
    fn report_is_limited_per_scenario_and_in_total() {
        let all = || ScenarioReport { all_variables: true, ..ScenarioReport::default() };
        let wrong = |points, variables, report| {
            let model = base(variables);
            report_too_large(&scenarios(points, report, &model), &model).map(|it| it.description)
        };
        assert_eq!(wrong(200_000, 100_000, ScenarioReport::default()), None);
        assert_eq!(wrong(128, 65_536, all()), None);
        let long = ScenarioReport {
            variables: vec!["x".repeat(1 << 10); 65],
            ..ScenarioReport::default()
        };
        let model = LinearModel { variable_names: long.variables[..1].to_vec(), ..base(1) };
        let names = report_too_large(&scenarios(2, long, &model), &model).expect("a fault");
        assert!(names.description.contains("66560 bytes"), "{}", names.description);
        let each = wrong(2, 65_537, all()).expect("a fault");
        assert!(each.contains("65537 numbers of each scenario"), "{each}");
        let together = wrong(129, 65_536, all()).expect("a fault");
        assert!(together.contains("129 scenarios") && together.contains("fewer"), "{together}");
    }

    #[test]
    fn description_has_a_grid_with_names_unless_it_is_too_large() {
        let model = base(3);
        let described = |values: usize| {
            let parameter = ScenarioParameter {
                kind: ParameterKind::Objective.into(),
                variable_index: Some(2),
                ..ScenarioParameter::default()
            };
            let values = (0..u32::try_from(values).expect("few")).map(f64::from).collect();
            let axis = GridAxis { parameter: Some(parameter), values, ..GridAxis::default() };
            let grid = sweep::Scenarios::Grid(ScenarioGrid { axes: vec![axis] });
            let sweep = Sweep { scenarios: Some(grid), ..Sweep::default() };
            describe(&normalise_sweep(&sweep, &model, usize::MAX).expect("a sweep"), &model)
        };
        let grid = described(3).grid.expect("a grid");
        let parameter = grid.axes[0].parameter.as_ref().expect("a parameter");
        assert_eq!((parameter.variable.as_str(), parameter.variable_index), ("x2", Some(2)));
        assert_eq!(grid.axes[0].values, [0.0, 1.0, 2.0]);
        assert_eq!(described(3000).grid, None);
    }

    #[test]
    fn options_that_sweeps_do_not_support_are_refused_by_field() {
        let options = SolveOptions {
            solver: Solver::Microlp.into(),
            return_infeasible_subset: true,
            return_basis: true,
            return_sensitivity: true,
            return_log: true,
            incumbents: Some(IncumbentOptions::default()),
            ..SolveOptions::default()
        };
        let starts = vec![StartingPoint::default()];
        let request = SubmitJobRequest { starts, ..SubmitJobRequest::default() };
        let faults = unsupported_options(&request, &options);
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let options_of = [
            "solver",
            "return_infeasible_subset",
            "return_basis",
            "return_sensitivity",
            "return_log",
            "incumbents",
        ]
        .map(|field| format!("options.{field}"));
        assert_eq!(fields[..6], options_of);
        assert_eq!(fields[6..], ["starts"]);
        let highs = SolveOptions { solver: Solver::Highs.into(), ..SolveOptions::default() };
        assert_eq!(unsupported_options(&SubmitJobRequest::default(), &highs), []);
    }
}
