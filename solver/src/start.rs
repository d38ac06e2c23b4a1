//! Where a solve by HiGHS begins, and what becomes of the start that was given.

use std::time::Duration;

use solvemesh::v1::{SolveOptions, Start, StartReport, StartStatus};
use solvemesh_model::verify::{Candidate, verify};

use super::{
    arrays::Arrays,
    direct,
    highs::{Highs, HighsError, Scale, Value},
    report::Monitor,
};

/// The most nodes that completing a solution may take, as HiGHS itself allows.
const COMPLETION_NODES: i32 = 500;

/// Has HiGHS begin from a start, which must be in the normal form of the model that was
/// passed.
///
/// HiGHS completes solutions by itself, but does not say whether it could. So a solution
/// that is not one yet is completed here first, by the same means: the values of its
/// integer and semi-continuous variables stay, the others are found.
///
/// # Errors
///
/// When the start is of another shape than the model.
pub(super) fn begin(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    start: &Start,
) -> Result<StartReport, HighsError> {
    if let Some(basis) = &start.basis {
        return Ok(match highs.begin_basis(basis)? {
            true => report(StartStatus::Used, String::new(), None),
            false => rejected("HiGHS rejects the basis"),
        });
    }
    let given = spread(start, arrays.variables()).ok_or(HighsError::Start("solution"))?;
    let whole: Option<Vec<f64>> = given.iter().copied().collect();
    let wrong = match whole.map(|values| solved(arrays, values)) {
        Some(Ok((objective, values))) => {
            highs.begin_at(&values);
            return Ok(report(StartStatus::Used, String::new(), Some(objective)));
        }
        Some(Err(wrong)) => wrong,
        None => "it is a part of a solution".to_owned(),
    };
    Ok(match complete(arrays, options, time_limit, monitor, &given) {
        Ok((objective, values)) => {
            highs.begin_at(&values);
            report(StartStatus::Completed, wrong, Some(objective))
        }
        Err(why) => rejected(&format!("{wrong}; {why}")),
    })
}

fn report(status: StartStatus, detail: String, objective: Option<f64>) -> StartReport {
    StartReport { status: status.into(), detail, objective }
}

fn rejected(why: &str) -> StartReport {
    report(StartStatus::Rejected, why.to_owned(), None)
}

/// A value for each variable that has one; `None` where the start names others.
fn spread(start: &Start, variables: usize) -> Option<Vec<Option<f64>>> {
    let mut given = vec![None; variables];
    if start.variable_indices.len() != start.values.len() {
        return None;
    }
    for (&index, &value) in start.variable_indices.iter().zip(&start.values) {
        *given.get_mut(usize::try_from(index).ok()?)? = Some(value);
    }
    Some(given)
}

/// A solution with its objective, or why it is none.
fn solved(arrays: &Arrays<'_>, values: Vec<f64>) -> Result<(f64, Vec<f64>), String> {
    let check =
        verify(arrays.model(), Candidate::of(&values)).map_err(|error| error.to_string())?;
    if check.acceptable {
        return Ok((check.objective, values));
    }
    let worst = check.verification.worst.first().map_or("a constraint", String::as_str);
    let violation = check.verification.max_violation;
    Err(format!("it is no solution: {worst} is violated, by {violation:e} at the worst"))
}

/// A solution with the given values of integer and semi-continuous variables, or why there
/// is none.
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
        return Err("no integer variable has a value".to_owned());
    }
    if discrete == given.len() && fixed().count() == given.len() {
        return Err("no variable is left to be changed".to_owned());
    }
    let mut highs = Highs::new();
    let quiet = SolveOptions { log: false, ..options.clone() };
    let scale = Scale::of(arrays, &quiet);
    direct::configure(&mut highs, arrays, &quiet, &scale)?;
    let refused = |error: HighsError| error.to_string();
    highs.set("mip_max_nodes", &Value::Int(COMPLETION_NODES)).map_err(refused)?;
    highs.pass(arrays, scale).map_err(refused)?;
    for (column, value) in fixed() {
        highs.fix(column, value).map_err(refused)?;
    }
    let none = || "no solution with its integers was found".to_owned();
    direct::run_silently(&mut highs, time_limit, monitor).ok_or_else(none)?;
    if !highs.has_feasible_solution() {
        return Err(none());
    }
    let solution = highs.solution(arrays).ok_or_else(none)?;
    solved(arrays, solution.values)
}
