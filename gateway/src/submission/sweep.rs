//! What a sweep asks for, held against its base and against what the mesh can tell.

use solvemesh::v1::{LinearModel, SolveOptions, Solver, Sweep, SweepDescription};
use solvemesh_model::sweep::{Scenarios, numbers_told, settle as settle_scenarios};

use crate::{policy::Policy, refusal::FieldFault};

/// The most bytes of names in a report: it is told with every listing of the job.
const MAX_NAME_BYTES: usize = 64 << 10;
/// The most bytes of values and duals that are told of one scenario: an answer travels in one
/// message.
const MAX_ANSWER_BYTES: usize = 512 << 10;
/// The most that are told of all scenarios together: gateways hold them in memory.
const MAX_TOLD_BYTES: usize = 64 << 20;

/// The scenarios in normal form.
///
/// # Errors
///
/// Everything that is wrong with them, and with options that a sweep can't have, by field.
pub(super) fn settle(
    asked: &Sweep,
    options: &SolveOptions,
    model: &LinearModel,
    policy: &Policy,
) -> Result<Scenarios, Vec<FieldFault>> {
    let mut faults = misplaced(options, model);
    match settle_scenarios(asked, model, policy.max_scenarios) {
        Ok(scenarios) => {
            faults.extend(too_much_told(&scenarios, model));
            if faults.is_empty() { Ok(scenarios) } else { Err(faults) }
        }
        Err(wrong) => {
            let described = |fault: &solvemesh_model::Fault| FieldFault {
                field: format!("sweep.{}", fault.field).trim_end_matches('.').to_owned(),
                description: fault.to_string(),
            };
            faults.extend(wrong.0.iter().map(described));
            Err(faults)
        }
    }
}

/// What is known of a sweep from now on.
pub(super) fn describe(scenarios: &Scenarios, model: &LinearModel) -> SweepDescription {
    let sweep = scenarios.sweep();
    SweepDescription {
        scenarios: i32::try_from(scenarios.count()).unwrap_or(i32::MAX),
        sense: model.sense,
        report: sweep.report.clone(),
        stop_on_first: sweep.stop_on_first,
    }
}

/// What has no meaning for a sweep, or what its solver does not do.
fn misplaced(options: &SolveOptions, model: &LinearModel) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if let Ok(solver) = Solver::try_from(options.solver)
        && !matches!(solver, Solver::Unspecified | Solver::Auto | Solver::Highs)
    {
        let description = format!("{} solves no sweeps; SOLVER_HIGHS does", solver.as_str_name());
        faults.push(FieldFault { field: "options.solver".to_owned(), description });
    }
    let told = "is not for sweeps: of a scenario its objective is told, and values and duals \
                where sweep.report asks for them";
    let begins = "is not for sweeps: each scenario begins at the answer of a neighbour";
    for (field, is_asked, why) in [
        ("options.infeasible_subset", options.infeasible_subset, told),
        ("options.return_basis", options.return_basis, told),
        ("options.sensitivity", options.sensitivity, told),
        ("options.log", options.log, told),
        ("options.incumbents", options.incumbents.is_some(), told),
        ("model.start", model.start.is_some(), begins),
    ] {
        if is_asked {
            faults.push(FieldFault { field: field.to_owned(), description: why.to_owned() });
        }
    }
    faults
}

/// What is wrong with how much is to be told of the solutions.
fn too_much_told(scenarios: &Scenarios, model: &LinearModel) -> Option<FieldFault> {
    let report = scenarios.sweep().report.as_ref()?;
    let numbers = numbers_told(report, model.variable_lower.len(), model.constraint_lower.len());
    let each = numbers.saturating_mul(size_of::<f64>());
    let all = each.saturating_mul(scenarios.count());
    let names: usize = report.variables.iter().chain(&report.constraints).map(String::len).sum();
    let instead = "ask for fewer variables and constraints, by their names";
    let description = if names > MAX_NAME_BYTES {
        format!(
            "has names of {names} bytes together, and the most is {MAX_NAME_BYTES}: ask for fewer \
             variables and constraints, or for all of them"
        )
    } else if each > MAX_ANSWER_BYTES {
        format!(
            "asks for {numbers} numbers of each scenario, {each} bytes, and the most is \
             {MAX_ANSWER_BYTES}: {instead}"
        )
    } else if all > MAX_TOLD_BYTES {
        let count = scenarios.count();
        format!(
            "asks for {numbers} numbers of each of {count} scenarios, {all} bytes together, and \
             the most is {MAX_TOLD_BYTES}: {instead}, or for fewer scenarios"
        )
    } else {
        return None;
    };
    Some(FieldFault { field: "sweep.report".to_owned(), description })
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::{
        GridAxis, IncumbentOptions, Parameter, ParameterKind, ScenarioGrid, ScenarioReport, Start,
        sweep,
    };

    use super::*;

    /// A base of so many variables, each between 0 and 1, and none of constraints.
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
        let parameter =
            Parameter { kind: ParameterKind::ObjectiveOffset.into(), ..Parameter::default() };
        let axis = GridAxis {
            parameter: Some(parameter),
            from: Some(0.0),
            to: Some(1.0),
            points,
            ..GridAxis::default()
        };
        let grid = sweep::Scenarios::Grid(ScenarioGrid { axes: vec![axis] });
        let sweep = Sweep { scenarios: Some(grid), report: Some(report), ..Sweep::default() };
        settle_scenarios(&sweep, model, usize::MAX).expect("a sweep")
    }

    #[test]
    fn what_is_told_has_a_bound_for_each_scenario_and_for_all() {
        let all = || ScenarioReport { all_variables: true, ..ScenarioReport::default() };
        let wrong = |points, variables, report| {
            let model = base(variables);
            too_much_told(&scenarios(points, report, &model), &model).map(|it| it.description)
        };
        assert_eq!(wrong(200_000, 100_000, ScenarioReport::default()), None);
        assert_eq!(wrong(128, 65_536, all()), None);
        let long = ScenarioReport {
            variables: vec!["x".repeat(1 << 10); 65],
            ..ScenarioReport::default()
        };
        let model = LinearModel { variable_names: long.variables[..1].to_vec(), ..base(1) };
        let names = too_much_told(&scenarios(2, long, &model), &model).expect("a fault");
        assert!(names.description.contains("66560 bytes"), "{}", names.description);
        let each = wrong(2, 65_537, all()).expect("a fault");
        assert!(each.contains("65537 numbers of each scenario"), "{each}");
        let together = wrong(129, 65_536, all()).expect("a fault");
        assert!(together.contains("129 scenarios") && together.contains("fewer"), "{together}");
    }

    #[test]
    fn what_a_sweep_can_not_tell_or_begin_at_is_refused_by_field() {
        let options = SolveOptions {
            solver: Solver::Microlp.into(),
            infeasible_subset: true,
            return_basis: true,
            sensitivity: true,
            log: true,
            incumbents: Some(IncumbentOptions::default()),
            ..SolveOptions::default()
        };
        let model = LinearModel { start: Some(Start::default()), ..LinearModel::default() };
        let faults = misplaced(&options, &model);
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let options_of =
            ["solver", "infeasible_subset", "return_basis", "sensitivity", "log", "incumbents"]
                .map(|field| format!("options.{field}"));
        assert_eq!(fields[..6], options_of);
        assert_eq!(fields[6..], ["model.start"]);
        let highs = SolveOptions { solver: Solver::Highs.into(), ..SolveOptions::default() };
        assert_eq!(misplaced(&highs, &LinearModel::default()), []);
    }
}
