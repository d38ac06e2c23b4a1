//! Solves through good_lp, by any solver that it supports: a new one is a file like
//! `microlp.rs`. Statuses are as precise as good_lp, or the solver's own type behind it, lets
//! them be; there is no progress, there are no incumbents, and an interrupt is not heard: the
//! worker kills the process after its grace.

#[cfg(feature = "cbc")]
mod cbc;
mod clarabel;
mod microlp;
#[cfg(feature = "scip")]
mod scip;

use std::time::Duration;

use good_lp::{
    Expression, ProblemVariables, ResolutionError, Solution, SolverModel, Variable,
    solvers::Solver as GoodLpSolver, variable,
};
use solvemesh::v1::{
    SolveOptions, SolveStatistics, Solver, Termination, TerminationLimit, TerminationReason,
    VariableKind,
};

use super::{
    arrays::Arrays,
    report::Monitor,
    settings,
    task::Finding,
    termination::{failed, stopped, unsupported},
};

/// The longest time limit: solvers add it to the clock, which must not overflow.
const FOR_EVER: Duration = Duration::from_secs(1 << 32);

/// Solves a model by one of the solvers that this program was built with.
pub(super) fn solve(
    solver: Solver,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Finding {
    let found = match solver {
        Solver::Clarabel => clarabel::solve(arrays, options),
        Solver::Microlp => microlp::solve(arrays, options, monitor),
        #[cfg(feature = "cbc")]
        Solver::Cbc => cbc::solve(arrays, options, monitor),
        #[cfg(feature = "scip")]
        Solver::Scip => scip::solve(arrays, options, monitor),
        other => {
            let name = other.as_str_name();
            Err(failed(format!("this worker was built without {name}")))
        }
    };
    let finding = found.unwrap_or_else(Finding::from);
    Finding { statistics: SolveStatistics { threads: 1, ..finding.statistics }, ..finding }
}

/// The time limit of a model that `name` can solve, as it was asked to.
///
/// # Errors
///
/// What the model has, or was asked for, that no solver has here.
fn accepted(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    name: &str,
) -> Result<Option<Duration>, Termination> {
    if let Some(termination) = unsupported(arrays, name) {
        return Err(termination);
    }
    if let Some(option) = options.solver_options.keys().next() {
        return Err(failed(format!("{name} has no solver options, so none named {option:?}")));
    }
    let limit = settings::time_limit(options).map_err(failed)?;
    Ok(limit.map(|limit| limit.min(FOR_EVER)))
}

/// Solves what was built. An error is how a solve ended that has no solution.
fn run<M>(
    model: M,
    name: &str,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> Result<M::Solution, Termination>
where
    M: SolverModel<Error = ResolutionError>,
{
    let late = || time_limit.is_some_and(|limit| monitor.elapsed() >= limit);
    model.solve().map_err(|error| match error {
        ResolutionError::Infeasible => ended(TerminationReason::Infeasible, name),
        ResolutionError::Unbounded => ended(TerminationReason::Unbounded, name),
        error if late() => stopped(TerminationLimit::Time, format!("{name}: {error}")),
        error => failed(format!("{name}: {error}")),
    })
}

/// What is true of a model that was told to be infeasible or unbounded, which some solvers
/// mistake for each other: whether it has any solution, `again` tells, a solve without an
/// objective.
#[cfg(any(feature = "cbc", feature = "scip"))]
fn told_apart(
    told: Termination,
    arrays: &Arrays<'_>,
    name: &str,
    again: impl FnOnce() -> Result<Finding, Termination>,
) -> Termination {
    use TerminationReason as Reason;
    let open = matches!(
        told.reason(),
        Reason::Infeasible | Reason::Unbounded | Reason::InfeasibleOrUnbounded
    );
    if !open || arrays.is_bounded() {
        return told;
    }
    let reason = again().map_or_else(|ended| ended.reason(), |found| found.termination.reason());
    ended(
        match reason {
            Reason::Optimal => Reason::Unbounded,
            Reason::Infeasible => Reason::Infeasible,
            _ => Reason::InfeasibleOrUnbounded,
        },
        name,
    )
}

fn values(solution: &impl Solution, variables: &[Variable]) -> Vec<f64> {
    variables.iter().map(|&variable| solution.value(variable)).collect()
}

/// The arrays as a model of good_lp's, with `costs` for its objective, empty for none: a row
/// with two different bounds becomes two constraints, that of the lower one first; a free row
/// none. The offset is left out.
fn model<S: GoodLpSolver>(
    solver: S,
    arrays: &Arrays<'_>,
    costs: &[f64],
) -> (S::Model, Vec<Variable>) {
    let linear = arrays.model();
    let mut problem = ProblemVariables::new();
    let bounds = arrays.lower().iter().zip(arrays.upper());
    let variables: Vec<_> = arrays
        .kinds()
        .iter()
        .zip(bounds)
        .map(|(&kind, (&lower, &upper))| {
            let variable = variable().min(lower).max(upper);
            let integer = kind == VariableKind::Integer;
            problem.add(if integer { variable.integer() } else { variable })
        })
        .collect();
    let objective = expression(costs.iter().copied().enumerate(), &variables);
    let unsolved =
        if arrays.maximizes() { problem.maximise(objective) } else { problem.minimise(objective) };
    let mut model = unsolved.using(solver);
    for row in 0..arrays.constraints() {
        let (lower, upper) = (linear.constraint_lower[row], linear.constraint_upper[row]);
        let terms = || expression(arrays.row(row), &variables);
        if lower == upper {
            model.add_constraint(terms().eq(lower));
            continue;
        }
        if lower.is_finite() {
            model.add_constraint(terms().geq(lower));
        }
        if upper.is_finite() {
            model.add_constraint(terms().leq(upper));
        }
    }
    (model, variables)
}

fn expression(terms: impl Iterator<Item = (usize, f64)>, variables: &[Variable]) -> Expression {
    let mut expression = Expression::with_capacity(terms.size_hint().0);
    for (variable, coefficient) in terms.filter(|&(_, coefficient)| coefficient != 0.0) {
        expression.add_mul(coefficient, variables[variable]);
    }
    expression
}

fn ended(reason: TerminationReason, name: &str) -> Termination {
    let detail = format!("{name}: {}", reason.as_str_name());
    Termination { reason: reason as i32, detail, ..Termination::default() }
}
