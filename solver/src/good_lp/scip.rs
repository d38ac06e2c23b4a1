//! SCIP: branch, cut and price, from a system library.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use good_lp::{Solution, SolutionStatus};
use solvemesh::v1::{SolveOptions, Termination, TerminationLimit, TerminationReason};

use super::{
    ended, limit_parameters, model, own_bound, run, solve_and_distinguish_unbounded, solved, values,
};
use crate::{
    arrays::Arrays,
    report::Monitor,
    task::Finding,
    termination::{failed, stopped},
};

const NAME: &str = "SCIP";

pub(super) fn solve(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Result<Finding, Termination> {
    solve_and_distinguish_unbounded(arrays, options, NAME, |costs, time_limit| {
        solve_once(arrays, costs, options, time_limit, monitor)
    })
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
    let names = ["limits/gap", "limits/absgap", "limits/time"];
    for (name, number) in limit_parameters(names, options, time_limit, monitor) {
        let refused = |code| failed(format!("SCIP: {name}: {code:?}"));
        model = model.try_set_option(name, number).map_err(refused)?;
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
    let bound = own_bound(solution.status(), objective);
    let termination = solved(solution.status(), objective, bound, NAME);
    Ok(Finding { values, ..termination.into() })
}
