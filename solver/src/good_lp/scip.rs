//! SCIP: branch, cut and price, from a system library.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use good_lp::{Solution, SolutionStatus};
use solvemesh::v1::{SolveOptions, Termination, TerminationLimit, TerminationReason};

use super::{accepted, ended, model, run, told_apart, values};
use crate::{
    arrays::Arrays,
    report::Monitor,
    task::Finding,
    termination::{failed, known, optimal, stopped},
};

const NAME: &str = "SCIP";

pub(super) fn solve(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Result<Finding, Termination> {
    let limit = accepted(arrays, options, NAME)?;
    let attempt = |costs: &[f64]| attempt(arrays, costs, options, limit, monitor);
    attempt(&arrays.model().objective)
        .map_err(|told| told_apart(told, arrays, NAME, || attempt(&[])))
}

/// One solve, with `costs` for the objective, in what is left of the time limit.
fn attempt(
    arrays: &Arrays<'_>,
    costs: &[f64],
    options: &SolveOptions,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> Result<Finding, Termination> {
    let (mut model, variables) = model(good_lp::scip, arrays, costs);
    let left = time_limit.map(|limit| limit.saturating_sub(monitor.elapsed()));
    // good_lp's time limits are whole seconds, and its gaps f32.
    let numbers = [
        ("limits/gap", options.relative_gap),
        ("limits/absgap", options.absolute_gap),
        ("limits/time", left.map(|left| left.as_secs_f64())),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            let refused = |code| failed(format!("SCIP: {name}: {code:?}"));
            model = model.try_set_option(name, number).map_err(refused)?;
        }
    }
    let solution = run(model, NAME, time_limit, monitor).map_err(|told| {
        // It is a status of SCIP's that good_lp does not know.
        let either = told.detail.contains("Inforunbd");
        if either { ended(TerminationReason::InfeasibleOrUnbounded, NAME) } else { told }
    })?;
    // good_lp panics when it is asked for a solution that SCIP does not have.
    let found = catch_unwind(AssertUnwindSafe(|| values(&solution, &variables)));
    let Ok(values) = found else {
        return Err(match solution.status() {
            SolutionStatus::TimeLimit => stopped(TerminationLimit::Time, "SCIP: time limit"),
            _ => failed("SCIP: no solution"),
        });
    };
    let objective = arrays.objective_at(&values);
    let told = |reason| Termination { objective: known(Some(objective)), ..ended(reason, NAME) };
    let termination = match solution.status() {
        SolutionStatus::Optimal => optimal(objective, "SCIP: optimal"),
        SolutionStatus::GapLimit => told(TerminationReason::Optimal),
        SolutionStatus::TimeLimit => {
            let limit = TerminationLimit::Time.into();
            Termination { limit, ..told(TerminationReason::Feasible) }
        }
    };
    Ok(Finding { values, ..termination.into() })
}
