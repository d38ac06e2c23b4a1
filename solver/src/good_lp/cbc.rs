//! CBC: COIN-OR's branch and cut, from a system library.
//!
//! Parameters are set by name, and the status is read from CBC itself: good_lp's time limits are
//! whole seconds and its gaps f32, and it returns whatever CBC holds after a limit as a solution.

use std::time::Duration;

use good_lp::{Solution, SolutionStatus};
use solvemesh::v1::{SolveOptions, Termination, TerminationLimit, TerminationReason, VariableKind};
use solvemesh_model::{finite, relative_gap};

use super::{accepted, distinguish_unbounded, ended, model, run, values};
use crate::{
    arrays::Arrays,
    report::Monitor,
    task::Finding,
    termination::{failed, optimal, stopped},
};

const NAME: &str = "CBC";

/// Absolute value from which an objective of CBC means that it has no solution.
const NO_OBJECTIVE: f64 = 1e49;

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
    let (mut model, variables) = model(good_lp::coin_cbc, arrays, costs);
    let left = time_limit.map(|limit| limit.saturating_sub(monitor.elapsed()));
    let numbers = [
        ("ratioGap", options.relative_gap),
        ("allowableGap", options.absolute_gap),
        ("sec", left.map(|left| left.as_secs_f64())),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            model.set_parameter(name, &number.to_string());
        }
    }
    // `sec` is wall-clock time, as is the limit of the task.
    model.set_parameter("timeMode", "elapsed");
    let solution = run(model, NAME, time_limit, monitor)?;
    let cbc = solution.model();
    let values = values(&solution, &variables);
    let objective = arrays.objective_at(&values);
    let no_solution = arrays.is_mip() && cbc.obj_value().abs() >= NO_OBJECTIVE;
    let bound = || {
        let bound = arrays.is_mip().then(|| cbc.best_possible_value());
        let bound = bound.filter(|bound| bound.abs() < NO_OBJECTIVE)?;
        finite(bound + arrays.model().objective_offset)
    };
    let ended_with = |reason, detail: &str| {
        let (objective, bound) = (finite(objective), bound());
        let detail = format!("CBC: {detail}");
        Termination {
            objective,
            objective_bound: bound,
            relative_gap: relative_gap(objective, bound),
            detail,
            ..ended(reason, NAME)
        }
    };
    let termination = match solution.status() {
        // After the limit, CBC may hold no solution, or one of the relaxation.
        SolutionStatus::TimeLimit if no_solution || !is_integral(arrays, &values) => {
            let limited = stopped(TerminationLimit::Time, "CBC: stopped on time");
            return Err(Termination { objective_bound: bound(), ..limited });
        }
        SolutionStatus::TimeLimit => {
            let limit = TerminationLimit::Time.into();
            Termination { limit, ..ended_with(TerminationReason::Feasible, "stopped on time") }
        }
        SolutionStatus::GapLimit => {
            ended_with(TerminationReason::Optimal, "within the requested gap")
        }
        SolutionStatus::Optimal if no_solution => {
            return Err(failed(format!("CBC: no solution, {:?}", cbc.secondary_status())));
        }
        SolutionStatus::Optimal if arrays.is_mip() => {
            ended_with(TerminationReason::Optimal, "optimal")
        }
        SolutionStatus::Optimal => optimal(objective, "CBC: optimal"),
    };
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
