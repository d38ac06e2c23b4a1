//! CBC: COIN-OR's branch and cut, from a system library. Its parameters are set by name and
//! its end is asked of CBC itself: good_lp's time limits are whole seconds and its gaps f32,
//! and it takes whatever is left after a limit for a solution.

use std::time::Duration;

use good_lp::{Solution, SolutionStatus};
use solvemesh::v1::{SolveOptions, Termination, TerminationLimit, TerminationReason, VariableKind};

use super::{accepted, ended, model, run, told_apart, values};
use crate::{
    arrays::Arrays,
    report::Monitor,
    task::Finding,
    termination::{failed, gap, known, optimal, stopped},
};

const NAME: &str = "CBC";

/// What CBC takes for the objective of a solution that it does not have.
const NOTHING: f64 = 1e49;

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
    model.set_parameter("timeMode", "elapsed");
    let solution = run(model, NAME, time_limit, monitor)?;
    let cbc = solution.model();
    let values = values(&solution, &variables);
    let objective = arrays.objective_at(&values);
    let nothing = arrays.is_mip() && cbc.obj_value().abs() >= NOTHING;
    let bound = || {
        let bound = arrays.is_mip().then(|| cbc.best_possible_value());
        let bound = bound.filter(|bound| bound.abs() < NOTHING)?;
        known(Some(bound + arrays.model().objective_offset))
    };
    let told = |reason, detail: &str| {
        let (objective, bound) = (known(Some(objective)), bound());
        let detail = format!("CBC: {detail}");
        Termination { objective, bound, gap: gap(objective, bound), detail, ..ended(reason, NAME) }
    };
    let termination = match solution.status() {
        SolutionStatus::TimeLimit if nothing || !is_whole(arrays, &values) => {
            let limited = stopped(TerminationLimit::Time, "CBC: stopped on time");
            return Err(Termination { bound: bound(), ..limited });
        }
        SolutionStatus::TimeLimit => {
            let limit = TerminationLimit::Time.into();
            Termination { limit, ..told(TerminationReason::Feasible, "stopped on time") }
        }
        SolutionStatus::GapLimit => told(TerminationReason::Optimal, "within the gap asked for"),
        SolutionStatus::Optimal if nothing => {
            return Err(failed(format!("CBC: no solution, {:?}", cbc.secondary_status())));
        }
        SolutionStatus::Optimal if arrays.is_mip() => told(TerminationReason::Optimal, "optimal"),
        SolutionStatus::Optimal => optimal(objective, "CBC: optimal"),
    };
    Ok(Finding { values, ..termination.into() })
}

/// Whether the values are whole where they have to be: what CBC leaves in place of a
/// solution is one of the relaxation.
fn is_whole(arrays: &Arrays<'_>, values: &[f64]) -> bool {
    let whole = |(kind, value): (&VariableKind, &f64)| {
        *kind != VariableKind::Integer || (value - value.round()).abs() <= 1e-5
    };
    arrays.kinds().iter().zip(values).all(whole)
}
