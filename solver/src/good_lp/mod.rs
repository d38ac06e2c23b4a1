//! Solves through good_lp. Each solver is a small file like `microlp.rs`.
//!
//! Statuses are only as precise as good_lp, or the solver's own type behind it. There are no
//! progress reports and no incumbents. Interrupts are ignored: the worker kills the process after
//! its grace period.

#[cfg(feature = "cbc")]
mod cbc;
mod clarabel;
mod microlp;
#[cfg(feature = "scip")]
mod scip;

use std::time::Duration;

use good_lp::{
    Expression, ProblemVariables, ResolutionError, Solution, SolutionStatus, SolverModel, Variable,
    solvers::Solver as GoodLpSolver, variable,
};
use solvemesh::v1::{
    SolveOptions, SolveStatistics, Solver, Termination, TerminationLimit, TerminationReason,
    VariableKind,
};
use solvemesh_model::{finite, relative_gap};

use super::{
    arrays::Arrays,
    report::Monitor,
    settings,
    task::Finding,
    termination::{failed, stopped, unsupported},
};

/// Maximum time limit. Solvers add it to the clock, which must not overflow.
const MAX_TIME_LIMIT: Duration = Duration::from_secs(1 << 32);

/// Solves a model by a solver other than HiGHS, which must be one that this program was built with.
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
    Finding {
        statistics: SolveStatistics { thread_count: Some(1), ..finding.statistics },
        ..finding
    }
}

/// Checks that the solver called `name` supports a model and its options. Returns the time limit.
///
/// # Errors
///
/// The termination of a task with semi-continuous or semi-integer variables, raw options, or a
/// malformed time limit, none of which a solver can have here.
fn check_supported(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    name: &str,
) -> Result<Option<Duration>, Termination> {
    if let Some(termination) = unsupported(arrays, name) {
        return Err(termination);
    }
    if let Some(option) = options.solver_options.keys().next() {
        return Err(failed(format!("{name} has no solver options, but {option:?} is set")));
    }
    let limit = settings::time_limit(options).map_err(failed)?;
    Ok(limit.map(|limit| limit.min(MAX_TIME_LIMIT)))
}

/// Solves a model of good_lp. The error is the termination of a solve without a solution.
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
        // good_lp has no error for a limit without a solution.
        error if late() => stopped(TerminationLimit::Time, format!("{name}: {error}")),
        error => failed(format!("{name}: {error}")),
    })
}

/// Solves by a solver that may mistake "infeasible" and "unbounded" for each other.
///
/// `solve_once` gets the costs and the time limit. After such an answer, it is called again
/// without costs, to find out whether the model has any solution.
///
/// # Errors
///
/// The termination of a solve without a solution, or of a task that the solver doesn't support.
#[cfg(any(feature = "cbc", feature = "scip"))]
fn solve_and_distinguish_unbounded(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    name: &str,
    solve_once: impl Fn(&[f64], Option<Duration>) -> Result<Finding, Termination>,
) -> Result<Finding, Termination> {
    use TerminationReason as Reason;
    let time_limit = check_supported(arrays, options, name)?;
    let termination = match solve_once(&arrays.model().objective, time_limit) {
        Ok(finding) => return Ok(finding),
        Err(termination) => termination,
    };
    let is_ambiguous = matches!(
        termination.reason(),
        Reason::Infeasible | Reason::Unbounded | Reason::InfeasibleOrUnbounded
    );
    // If all variables are bounded, the model can't be unbounded.
    if !is_ambiguous || arrays.is_bounded() {
        return Err(termination);
    }
    let reason = match solve_once(&[], time_limit) {
        Ok(found) => found.termination.reason(),
        Err(ended) => ended.reason(),
    };
    let reason = match reason {
        Reason::Optimal => Reason::Unbounded,
        Reason::Infeasible => Reason::Infeasible,
        _ => Reason::InfeasibleOrUnbounded,
    };
    Err(ended(reason, name))
}

/// The gaps and what is left of the time limit, as parameters with the solver's names for the
/// relative gap, the absolute gap and the time limit in seconds.
///
/// They are set by name because good_lp's own methods round the time limit to whole seconds and
/// gaps to f32.
#[cfg(any(feature = "cbc", feature = "scip"))]
fn limit_parameters(
    names: [&'static str; 3],
    options: &SolveOptions,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> impl Iterator<Item = (&'static str, f64)> {
    let left = time_limit.map(|limit| limit.saturating_sub(monitor.elapsed()).as_secs_f64());
    let numbers = [options.relative_gap, options.absolute_gap, left];
    names.into_iter().zip(numbers).filter_map(|(name, number)| Some((name, number?)))
}

/// The termination of a solve by the solver called `name` that ended with a solution. `bound` is
/// the best proven bound on the objective, if it is known.
fn solved(status: SolutionStatus, objective: f64, bound: Option<f64>, name: &str) -> Termination {
    let (reason, limit, detail) = match status {
        SolutionStatus::Optimal => {
            (TerminationReason::Optimal, TerminationLimit::Unspecified, "optimal")
        }
        SolutionStatus::GapLimit => {
            (TerminationReason::Optimal, TerminationLimit::Unspecified, "within the requested gap")
        }
        SolutionStatus::TimeLimit => {
            (TerminationReason::Feasible, TerminationLimit::Time, "stopped on time")
        }
    };
    let (objective, bound) = (finite(objective), bound.and_then(finite));
    Termination {
        reason: reason.into(),
        limit: limit.into(),
        detail: format!("{name}: {detail}"),
        objective,
        objective_bound: bound,
        relative_gap: relative_gap(objective, bound),
        ..Termination::default()
    }
}

/// The bound of a solver that reports none: an optimum is its own bound, and a solution within a
/// gap or a time limit has none.
fn own_bound(status: SolutionStatus, objective: f64) -> Option<f64> {
    matches!(status, SolutionStatus::Optimal).then_some(objective)
}

/// The values of variables in a solution.
fn values(solution: &impl Solution, variables: &[Variable]) -> Vec<f64> {
    variables.iter().map(|&variable| solution.value(variable)).collect()
}

/// Builds the model for good_lp, with `costs` as its objective; empty means no objective.
///
/// A row with two different bounds becomes two constraints, first the one of the lower bound. A
/// free row becomes none. The offset is left out.
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
        // One equation instead of two inequalities, so that it has one dual: Clarabel's `row_duals`
        // relies on that.
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

/// The sum of these terms, without those whose coefficient is 0.
fn expression(terms: impl Iterator<Item = (usize, f64)>, variables: &[Variable]) -> Expression {
    let mut expression = Expression::with_capacity(terms.size_hint().0);
    for (variable, coefficient) in terms.filter(|&(_, coefficient)| coefficient != 0.0) {
        expression.add_mul(coefficient, variables[variable]);
    }
    expression
}

/// The termination of a solve with this reason by the solver called `name`.
fn ended(reason: TerminationReason, name: &str) -> Termination {
    let detail = format!("{name}: {}", reason.as_str_name());
    Termination { reason: reason as i32, detail, ..Termination::default() }
}
