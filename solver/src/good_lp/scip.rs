//! SCIP: branch, cut and price, from a system library.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use good_lp::{Solution, SolutionStatus};
use solvemesh::v1::{SolveOptions, Termination, TerminationLimit, TerminationReason};
use solvemesh_model::finite;

use super::{accepted, distinguish_unbounded, ended, model, run, values};
use crate::{
    arrays::Arrays,
    report::Monitor,
    task::Finding,
    termination::{failed, optimal, stopped},
};

const NAME: &str = "SCIP";

pub(super) fn solve(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Result<Finding, Termination> {
    let limit = accepted(arrays, options, NAME)?;
    let solve = |costs: &[f64]| solve_once(arrays, costs, options, limit, monitor);
    solve(&arrays.model().objective)
        .map_err(|ended| distinguish_unbounded(ended, arrays, NAME, || solve(&[])))
}

/// Solves once, with `costs` as the objective, in what is left of the time limit.
fn solve_once(
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
    let solution = run(model, NAME, time_limit, monitor).map_err(|termination| {
        // SCIP's "infeasible or unbounded" is a status that good_lp doesn't know.
        let either = termination.detail.contains("Inforunbd");
        if either { ended(TerminationReason::InfeasibleOrUnbounded, NAME) } else { termination }
    })?;
    // good_lp panics if SCIP has no solution.
    let found = catch_unwind(AssertUnwindSafe(|| values(&solution, &variables)));
    let Ok(values) = found else {
        return Err(match solution.status() {
            SolutionStatus::TimeLimit => stopped(TerminationLimit::Time, "SCIP: time limit"),
            _ => failed("SCIP: no solution"),
        });
    };
    let objective = arrays.objective_at(&values);
    let ended_with = |reason| Termination { objective: finite(objective), ..ended(reason, NAME) };
    let termination = match solution.status() {
        SolutionStatus::Optimal => optimal(objective, "SCIP: optimal"),
        SolutionStatus::GapLimit => ended_with(TerminationReason::Optimal),
        SolutionStatus::TimeLimit => {
            let limit = TerminationLimit::Time.into();
            Termination { limit, ..ended_with(TerminationReason::Feasible) }
        }
    };
    Ok(Finding { values, ..termination.into() })
}
