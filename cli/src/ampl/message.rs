//! How a solve ended, as AMPL's number and as text.

use solvemesh_client::{
    Outcome,
    v1::{JobState, SolveResult, TerminationLimit, TerminationReason},
};

use super::VERSION;
use crate::output::{table::solver, text::number};

/// AMPL's `solve_result_num` of a finished job. Pyomo takes anything below 200 for a solution, so
/// the numbers of claims that were not confirmed depend on whether there is one.
pub(crate) fn code(outcome: &Outcome) -> u16 {
    match outcome.state {
        JobState::Cancelled => 600,
        JobState::Succeeded => {
            let limit = outcome.termination().map(|it| it.limit()).unwrap_or_default();
            let interrupted = limit == TerminationLimit::Interrupted;
            code_of(outcome.reason(), interrupted, outcome.solution().is_some())
        }
        JobState::Failed
        | JobState::Expired
        | JobState::Unspecified
        | JobState::Queued
        | JobState::Running => 500,
    }
}

fn code_of(reason: TerminationReason, interrupted: bool, has_solution: bool) -> u16 {
    use TerminationReason as Reason;
    match reason {
        Reason::Optimal => 0,
        Reason::Imprecise if has_solution => 100,
        Reason::Infeasible => 200,
        Reason::InfeasibleOrUnbounded => 299,
        Reason::Unbounded => 300,
        Reason::Feasible | Reason::NoSolutionFound if interrupted => 600,
        Reason::Feasible => 400,
        Reason::NoSolutionFound => 470,
        Reason::Imprecise | Reason::NumericalError | Reason::OtherError | Reason::Unspecified => {
            500
        }
    }
}

/// The lines about a finished job.
pub(crate) fn lines(outcome: &Outcome) -> Vec<String> {
    let mut first = format!("{VERSION}: {}", description(outcome));
    let termination = outcome.termination();
    if let Some(objective) = termination.and_then(|it| it.objective) {
        first += &format!("; objective {}", number(objective));
    }
    let mut lines = vec![first];
    if code(outcome) >= 100
        && let Some(bound) = termination.and_then(|it| it.objective_bound)
    {
        lines.push(format!("bound {}", number(bound)));
    }
    let mut solved = outcome.result.as_ref().map(work).unwrap_or_default();
    solved.push(format!("job {}", outcome.job_id));
    lines.push(solved.join(", "));
    let warnings = termination.map(|it| it.warnings.as_slice()).unwrap_or_default();
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    lines
}

/// What happened, in the words of AMPL's solvers.
fn description(outcome: &Outcome) -> String {
    if let Some(failure) = &outcome.failure {
        return format!("failed: {}: {}", failure.reason, failure.message);
    }
    if outcome.state == JobState::Cancelled {
        let what = if outcome.solution().is_some() { "the best solution" } else { "no solution" };
        return format!("interrupted, {what} so far");
    }
    let limit = outcome.termination().map(|it| it.limit()).unwrap_or_default();
    match outcome.reason() {
        TerminationReason::Optimal => "optimal solution".to_owned(),
        TerminationReason::Feasible => format!("feasible solution, {}", limit_text(limit)),
        TerminationReason::Infeasible => "infeasible problem".to_owned(),
        TerminationReason::Unbounded => "unbounded problem".to_owned(),
        TerminationReason::InfeasibleOrUnbounded => "infeasible or unbounded problem".to_owned(),
        TerminationReason::Imprecise => "solution that the check does not confirm".to_owned(),
        TerminationReason::NoSolutionFound => format!("no solution, {}", limit_text(limit)),
        TerminationReason::NumericalError => "failed: numerical difficulties".to_owned(),
        TerminationReason::OtherError | TerminationReason::Unspecified => {
            let detail = outcome.termination().map(|it| it.detail.as_str()).unwrap_or_default();
            format!("failed: {detail}").trim_end().trim_end_matches(':').to_owned()
        }
    }
}

fn limit_text(limit: TerminationLimit) -> &'static str {
    match limit {
        TerminationLimit::Time => "stopped by the time limit",
        TerminationLimit::Iteration => "stopped by the iteration limit",
        TerminationLimit::Node => "stopped by the node limit",
        TerminationLimit::Solution => "stopped by the solution limit",
        TerminationLimit::Memory => "stopped by the memory limit",
        TerminationLimit::Objective => "stopped by the objective target",
        TerminationLimit::Interrupted => "interrupted",
        TerminationLimit::Unspecified | TerminationLimit::Other => "stopped by a limit",
    }
}

/// The solver, and what it did.
fn work(result: &SolveResult) -> Vec<String> {
    let mut work = Vec::new();
    if let Some(name) = crate::output::names::solver(result.solver()) {
        work.push(solver(name, result));
    }
    let Some(statistics) = &result.statistics else { return work };
    for (count, what) in [
        (statistics.simplex_iteration_count, "simplex iterations"),
        (statistics.barrier_iteration_count, "barrier iterations"),
        (statistics.node_count, "branch-and-bound nodes"),
    ] {
        work.extend(count.filter(|count| *count > 0).map(|count| format!("{count} {what}")));
    }
    work
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{Failure, Solution, Termination};

    use super::*;

    fn outcome(reason: TerminationReason, limit: TerminationLimit, solution: bool) -> Outcome {
        let termination = Termination {
            reason: reason.into(),
            limit: limit.into(),
            objective: solution.then_some(15.0),
            objective_bound: Some(16.5),
            ..Termination::default()
        };
        let result = SolveResult {
            termination: Some(termination),
            solution: solution.then(Solution::default),
            ..SolveResult::default()
        };
        Outcome {
            job_id: "j".into(),
            state: JobState::Succeeded,
            attempt: 1,
            result: Some(result),
            failure: None,
            sweep: None,
        }
    }

    #[test]
    fn every_end_has_its_number() {
        use TerminationLimit as Limit;
        use TerminationReason as Reason;
        for (reason, limit, solution, number) in [
            (Reason::Optimal, Limit::Unspecified, true, 0),
            (Reason::Imprecise, Limit::Unspecified, true, 100),
            (Reason::Imprecise, Limit::Unspecified, false, 500),
            (Reason::Infeasible, Limit::Unspecified, false, 200),
            (Reason::InfeasibleOrUnbounded, Limit::Unspecified, false, 299),
            (Reason::Unbounded, Limit::Unspecified, false, 300),
            (Reason::Feasible, Limit::Time, true, 400),
            (Reason::Feasible, Limit::Interrupted, true, 600),
            (Reason::NoSolutionFound, Limit::Node, false, 470),
            (Reason::NoSolutionFound, Limit::Interrupted, false, 600),
            (Reason::NumericalError, Limit::Unspecified, false, 500),
            (Reason::OtherError, Limit::Unspecified, false, 500),
        ] {
            assert_eq!(code(&outcome(reason, limit, solution)), number, "{reason:?} {limit:?}");
        }
    }

    #[test]
    fn a_cancelled_job_is_interrupted_and_a_failed_one_failed() {
        let optimal = outcome(TerminationReason::Optimal, TerminationLimit::Unspecified, true);
        let cancelled = Outcome { state: JobState::Cancelled, ..optimal.clone() };
        assert_eq!(code(&cancelled), 600);
        assert!(lines(&cancelled)[0].contains("interrupted, the best solution so far"));
        let failure = Failure { reason: "SOLVER_CRASHED".into(), message: "signal 11".into() };
        let state = JobState::Failed;
        let failed = Outcome { state, result: None, failure: Some(failure), ..optimal };
        assert_eq!(code(&failed), 500);
        assert!(lines(&failed)[0].contains("failed: SOLVER_CRASHED: signal 11"));
    }

    #[test]
    fn the_message_has_objective_bound_and_job() {
        let feasible = outcome(TerminationReason::Feasible, TerminationLimit::Time, true);
        let lines = lines(&feasible);
        assert!(lines[0].ends_with(": feasible solution, stopped by the time limit; objective 15"));
        assert_eq!(lines[1..], ["bound 16.5", "job j"]);
    }
}
