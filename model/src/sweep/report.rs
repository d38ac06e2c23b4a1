use solvemesh::v1::ScenarioReport;

/// The number of values that a report has for each scenario, for a model with this number of
/// variables and constraints.
pub fn values_per_scenario(report: &ScenarioReport, variables: usize, constraints: usize) -> usize {
    let count = |all: bool, some: &[String], of: usize| if all { of } else { some.len() };
    count(report.all_variables, &report.variables, variables).saturating_add(count(
        report.all_constraints,
        &report.constraints,
        constraints,
    ))
}
