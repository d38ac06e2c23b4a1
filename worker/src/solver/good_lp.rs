//! A solve through good_lp, by any solver that it supports: a new one is a
//! function like [`microlp`]. Statuses are as precise as good_lp lets them be; there are no duals, no
//! progress, no incumbents, and an interrupt is not heard: the worker kills the
//! process after its grace.

use std::time::Duration;

use good_lp::{
    Expression, ProblemVariables, ResolutionError, Solution, SolutionStatus, SolverModel, Variable,
    WithMipGap, WithTimeLimit, solvers::Solver as GoodLpSolver, variable,
};
use solvemesh::v1::{
    SolveOptions, SolveStatistics, Termination, TerminationLimit, TerminationReason, VariableKind,
};

use super::{
    arrays::Arrays,
    report::Monitor,
    settings,
    task::Finding,
    termination::{failed, known, optimal, stopped, unsupported},
};

/// Solves a model by microlp.
pub(super) fn microlp(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Finding {
    let found = solve(good_lp::microlp, "microlp", arrays, options, monitor)
        .and_then(|finding| distrust_integer_limits(finding, arrays));
    let finding = found.unwrap_or_else(Finding::from);
    Finding { statistics: SolveStatistics { threads: 1, ..finding.statistics }, ..finding }
}

/// Solves by any solver. An error is how a solve ended that has no solution.
fn solve<S>(
    solver: S,
    name: &str,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Result<Finding, Termination>
where
    S: GoodLpSolver,
    S::Model: SolverModel<Error = ResolutionError> + WithTimeLimit + WithMipGap,
{
    if let Some(termination) = unsupported(arrays, name) {
        return Err(termination);
    }
    if let Some(option) = options.solver_options.keys().next() {
        return Err(failed(format!("{name} has no solver options, so none named {option:?}")));
    }
    let time_limit = settings::time_limit(options).map_err(failed)?;
    let (mut model, variables) = model(solver, arrays);
    if let Some(gap) = options.relative_gap {
        // good_lp's gaps are f32.
        let refused = |error| failed(format!("relative_gap: {error:?}"));
        model = model.with_mip_gap(gap as f32).map_err(refused)?;
    }
    if let Some(limit) = time_limit {
        model = model.with_time_limit(limit.min(FOR_EVER).as_secs_f64());
    }
    let late = || time_limit.is_some_and(|limit| monitor.elapsed() >= limit);
    let solution = model.solve().map_err(|error| match error {
        ResolutionError::Infeasible => ended(TerminationReason::Infeasible, name),
        ResolutionError::Unbounded => ended(TerminationReason::Unbounded, name),
        error if late() => stopped(TerminationLimit::Time, format!("{name}: {error}")),
        error => failed(format!("{name}: {error}")),
    })?;
    let values: Vec<f64> = variables.iter().map(|&variable| solution.value(variable)).collect();
    let objective = arrays.objective_at(&values);
    let termination = match solution.status() {
        SolutionStatus::Optimal => optimal(objective, format!("{name}: optimal")),
        SolutionStatus::GapLimit => Termination {
            objective: known(Some(objective)),
            detail: format!("{name}: within the gap asked for"),
            ..ended(TerminationReason::Optimal, name)
        },
        SolutionStatus::TimeLimit => Termination {
            objective: known(Some(objective)),
            limit: TerminationLimit::Time as i32,
            ..ended(TerminationReason::Feasible, name)
        },
    };
    Ok(Finding { values, ..termination.into() })
}

/// The longest time limit: solvers add it to the clock, which must not overflow.
const FOR_EVER: Duration = Duration::from_secs(1 << 32);

/// The arrays as a model of good_lp's: a row with two different bounds becomes two
/// constraints, a free row none. The offset is left out.
fn model<S: GoodLpSolver>(solver: S, arrays: &Arrays<'_>) -> (S::Model, Vec<Variable>) {
    let linear = arrays.model();
    let mut problem = ProblemVariables::new();
    let bounds = linear.variable_lower.iter().zip(&linear.variable_upper);
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
    let costs = linear.objective.iter().copied().enumerate();
    let objective = expression(costs, &variables);
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

/// microlp's integers are those of 32 bits, and an infinite bound is silently the last
/// of them: nothing that is found there is an optimum of the model as submitted.
fn distrust_integer_limits(finding: Finding, arrays: &Arrays<'_>) -> Result<Finding, Termination> {
    let limit = f64::from(i32::MAX);
    let at_limit = |(kind, value): (&VariableKind, &f64)| {
        *kind == VariableKind::Integer && value.abs() >= limit
    };
    match arrays.kinds().iter().zip(&finding.values).position(at_limit) {
        None => Ok(finding),
        Some(variable) => Err(failed(format!(
            "microlp: the integer variable {} is at the end of the range of 32 bits",
            arrays.variable_name(variable)
        ))),
    }
}

fn ended(reason: TerminationReason, name: &str) -> Termination {
    let detail = format!("{name}: {}", reason.as_str_name());
    Termination { reason: reason as i32, detail, ..Termination::default() }
}
