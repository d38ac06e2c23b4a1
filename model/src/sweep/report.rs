use solvemesh::v1::ScenarioReport;

/// How many numbers a report tells of each scenario of a model of so many variables and
/// constraints.
pub fn numbers_told(report: &ScenarioReport, variables: usize, constraints: usize) -> usize {
    let told = |all: bool, some: &[String], of: usize| if all { of } else { some.len() };
    told(report.all_variables, &report.variables, variables).saturating_add(told(
        report.all_constraints,
        &report.constraints,
        constraints,
    ))
}
