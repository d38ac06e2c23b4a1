//! CBC: COIN-OR's branch and cut, from a system library.
//!
//! Whether there is a solution is read from CBC itself: good_lp returns whatever CBC holds after a
//! limit as a solution.

use std::time::Duration;

use good_lp::{Solution, SolutionStatus};
use solvemesh::v1::{SolveOptions, Termination, TerminationLimit, VariableKind};
use solvemesh_model::finite;

use super::{limit_parameters, model, run, solve_and_distinguish_unbounded, solved, values};
use crate::{
    arrays::Arrays,
    report::Monitor,
    task::Finding,
    termination::{failed, stopped},
};

const NAME: &str = "CBC";

/// Absolute value from which an objective of CBC means that it has no solution.
const NO_OBJECTIVE: f64 = 1e49;

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
    let (mut model, variables) = model(good_lp::coin_cbc, arrays, costs);
    let names = ["ratioGap", "allowableGap", "sec"];
    for (name, number) in limit_parameters(names, options, time_limit, monitor) {
        model.set_parameter(name, &number.to_string());
    }
    // `sec` is wall-clock time, as is the limit of the task.
    model.set_parameter("timeMode", "elapsed");
    let solution = run(model, NAME, time_limit, monitor)?;
    let cbc = solution.model();
    let values = values(&solution, &variables);
    let objective = arrays.objective_at(&values);
    let no_solution = arrays.is_mip() && cbc.obj_value().abs() >= NO_OBJECTIVE;
    let mip_bound = || {
        let bound = arrays.is_mip().then(|| cbc.best_possible_value());
        let bound = bound.filter(|bound| bound.abs() < NO_OBJECTIVE)?;
        // CBC doesn't know the offset, which is left out of good_lp's model.
        finite(bound + arrays.model().objective_offset)
    };
    let bound = match solution.status() {
        // After the limit, CBC may hold no solution, or one of the relaxation.
        SolutionStatus::TimeLimit if no_solution || !is_integral(arrays, &values) => {
            let limited = stopped(TerminationLimit::Time, "CBC: stopped on time");
            return Err(Termination { objective_bound: mip_bound(), ..limited });
        }
        SolutionStatus::Optimal if no_solution => {
            return Err(failed(format!("CBC: no solution, {:?}", cbc.secondary_status())));
        }
        SolutionStatus::Optimal if !arrays.is_mip() => Some(objective),
        SolutionStatus::Optimal | SolutionStatus::GapLimit | SolutionStatus::TimeLimit => {
            mip_bound()
        }
    };
    let termination = solved(solution.status(), objective, bound, NAME);
    Ok(Finding { values, ..termination.into() })
}

/// Whether the integer variables have integer values. What CBC holds in place of a solution is one
/// of the relaxation.
fn is_integral(arrays: &Arrays<'_>, values: &[f64]) -> bool {
    let integral = |(kind, value): (&VariableKind, &f64)| {
        *kind != VariableKind::Integer || (value - value.round()).abs() <= 1e-5
    };
    arrays.kinds().iter().zip(values).all(integral)
}
