//! Passes a start to HiGHS, and reports how it was used.

use std::time::Duration;

use solvemesh::v1::{SolveOptions, StartReport, StartStatus, StartingPoint};
use solvemesh_model::verify::{Candidate, verify};

use super::{
    arrays::Arrays,
    highs::{Highs, HighsError, Scale, Value},
    highs_solver,
    report::Monitor,
};

/// Node limit for completing a partial solution: the default of HiGHS's own limit,
/// `mip_max_start_nodes`.
const COMPLETION_NODES: i32 = 500;

/// Sets the start of HiGHS's next run. `start` must be in the normal form of the model that was
/// passed.
///
/// HiGHS completes partial solutions by itself, but doesn't report whether it succeeded. So values
/// that are not a solution are completed here first, in the same way: integer and semi-continuous
/// variables keep their values, and HiGHS solves for the others.
///
/// # Errors
///
/// When the start doesn't have the shape of the model.
pub(super) fn apply(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    start: &StartingPoint,
) -> Result<StartReport, HighsError> {
    if let Some(basis) = &start.basis {
        return Ok(match highs.set_basis(basis)? {
            true => report(StartStatus::Used, String::new(), None),
            false => rejected("HiGHS rejects the basis"),
        });
    }
    let given = dense_values(start, arrays.variables()).ok_or(HighsError::Start("solution"))?;
    let whole: Option<Vec<f64>> = given.iter().copied().collect();
    let reason = match whole.map(|values| check_solution(arrays, values)) {
        Some(Ok((objective, values))) => {
            highs.set_start_solution(&values);
            return Ok(report(StartStatus::Used, String::new(), Some(objective)));
        }
        Some(Err(reason)) => reason,
        None => "it is a partial solution".to_owned(),
    };
    Ok(match complete(arrays, options, time_limit, monitor, &given) {
        Ok((objective, values)) => {
            highs.set_start_solution(&values);
            report(StartStatus::Completed, reason, Some(objective))
        }
        Err(why) => rejected(&format!("{reason}; {why}")),
    })
}

fn report(status: StartStatus, detail: String, objective: Option<f64>) -> StartReport {
    StartReport { status: status.into(), detail, objective }
}

fn rejected(why: &str) -> StartReport {
    report(StartStatus::Rejected, why.to_owned(), None)
}

/// The start's values as one entry for each variable, empty where it has none. `None` if the
/// start's arrays differ in length or name variables that don't exist.
fn dense_values(start: &StartingPoint, variables: usize) -> Option<Vec<Option<f64>>> {
    let mut given = vec![None; variables];
    if start.variable_indices.len() != start.values.len() {
        return None;
    }
    for (&index, &value) in start.variable_indices.iter().zip(&start.values) {
        *given.get_mut(usize::try_from(index).ok()?)? = Some(value);
    }
    Some(given)
}

/// The values with their objective, or why they are not a solution.
fn check_solution(arrays: &Arrays<'_>, values: Vec<f64>) -> Result<(f64, Vec<f64>), String> {
    let check =
        verify(arrays.model(), Candidate::of(&values)).map_err(|error| error.to_string())?;
    if check.acceptable {
        return Ok((check.objective, values));
    }
    let worst = check.verification.worst.first().map_or("a constraint", String::as_str);
    let violation = check.verification.max_violation.unwrap_or_default();
    Err(format!("it is not a solution: {worst} is violated; largest violation: {violation:e}"))
}

/// Finds a solution that keeps the given values of integer and semi-continuous variables, or
/// returns why there is none.
fn complete(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    given: &[Option<f64>],
) -> Result<(f64, Vec<f64>), String> {
    let fixed = || {
        let discrete = |column: &usize| arrays.is_discrete(*column);
        (0..given.len()).filter(discrete).filter_map(|column| Some((column, given[column]?)))
    };
    let discrete = (0..given.len()).filter(|column| arrays.is_discrete(*column)).count();
    if fixed().next().is_none() {
        return Err("no integer or semi-continuous variable has a value".to_owned());
    }
    if discrete == given.len() && fixed().count() == given.len() {
        return Err("no variable is left to solve for".to_owned());
    }
    // A new instance: the other one holds the model that the start is for. Its log is not that of
    // the submitted solve, so it is off.
    let mut highs = Highs::new();
    let quiet = SolveOptions { return_log: false, ..options.clone() };
    let scale = Scale::of(arrays, &quiet);
    highs_solver::configure(&mut highs, arrays, &quiet, &scale)?;
    let refused = |error: HighsError| error.to_string();
    // After the options of the task, whose node limit is that of its own solve.
    highs.set("mip_max_nodes", &Value::Int(COMPLETION_NODES)).map_err(refused)?;
    highs.pass(arrays, scale).map_err(refused)?;
    for (column, value) in fixed() {
        highs.fix(column, value).map_err(refused)?;
    }
    let none = || "no solution with its integer values was found".to_owned();
    highs_solver::run_silently(&mut highs, time_limit, monitor).ok_or_else(none)?;
    if !highs.has_feasible_solution() {
        return Err(none());
    }
    let solution = highs.solution(arrays).ok_or_else(none)?;
    check_solution(arrays, solution.values)
}
