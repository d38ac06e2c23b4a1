//! One task: who solves it, and the outcome.

use std::{io, sync::atomic::AtomicBool};

use solvemesh::{
    solver::v1::{Outcome, RangeEnds, SolveTask, solver_report::Kind},
    v1::{
        Basis, InfeasibilityProof, InfeasibleSubset, Progress, SolveOptions, SolveResult,
        SolveStatistics, Solver, StartReport, Termination, UnboundedRay,
    },
};

use super::{
    arrays::Arrays,
    direct::Direct,
    doubts, good_lp,
    highs::Highs,
    proof,
    report::{Monitor, Reports, duration},
    termination::{self, failed},
};

/// From so many variables on, a solver may be busy for long before it tells anything.
const LARGE: usize = 1_000;

/// What a solver found out about a model. An array is whole or empty.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// How the solve ended.
    pub termination: Termination,
    /// What it cost, but for the time.
    pub statistics: SolveStatistics,
    /// The value of each variable. Of an unbounded model, those of some solution.
    pub values: Vec<f64>,
    /// y, for each constraint, in the sense as submitted. Of what is an LP for a solver.
    pub duals: Vec<f64>,
    /// c - Aᵀy, for each variable, likewise.
    pub reduced_costs: Vec<f64>,
    /// Why there is no solution, as for all three below without names and unchecked.
    pub infeasibility_proof: Option<InfeasibilityProof>,
    /// What contradicts itself, if that was asked for.
    pub infeasible_subset: Option<InfeasibleSubset>,
    /// Why there is no best solution.
    pub unbounded_ray: Option<UnboundedRay>,
    /// The basis of an LP, if that was asked for.
    pub basis: Option<Basis>,
    /// How far the numbers of an LP may move, if that was asked for.
    pub ranges: Option<RangeEnds>,
    /// What became of the start, if there was one.
    pub start: Option<StartReport>,
}

impl From<Termination> for Finding {
    fn from(termination: Termination) -> Self {
        Self { termination, ..Self::default() }
    }
}

/// Solves a task, and sends all reports but the outcome.
///
/// # Errors
///
/// When the worker no longer reads. Whatever is wrong with the task itself is in the
/// outcome.
pub(super) fn solve(
    direct: &mut Direct,
    reports: &Reports,
    task: SolveTask,
    interrupt: &AtomicBool,
) -> io::Result<Outcome> {
    let (model, options) = (task.model.unwrap_or_default(), task.options.unwrap_or_default());
    if model.variable_lower.len() >= LARGE {
        // A sign of life: a process that gives none is taken for hung.
        reports.send(task.task, Kind::Progress(Progress::default()))?;
    }
    let monitor = Monitor::new(reports, task.task, model.variable_lower.len(), interrupt);
    let solver = chosen(&options);
    let (finding, solver) = match Arrays::of(&model) {
        Ok(arrays) => find(solver, direct, &arrays, &options, &monitor),
        Err(misfit) => (failed(misfit).into(), solver),
    };
    let outcome = outcome(solver, finding, &monitor);
    monitor.finish(&outcome)?;
    Ok(outcome)
}

/// Who solves: HiGHS, unless another one is asked for.
fn chosen(options: &SolveOptions) -> Solver {
    match options.solver() {
        Solver::Unspecified | Solver::Auto | Solver::Highs => Solver::Highs,
        other => other,
    }
}

/// What can be found out about a model without a solver.
pub(super) fn at_sight(arrays: &Arrays<'_>) -> Option<Finding> {
    let termination = termination::at_sight(arrays)?;
    // Without variables no right-hand side matters.
    let solved = termination.objective.is_some();
    let duals = vec![0.0; if solved { arrays.constraints() } else { 0 }];
    let infeasibility_proof = proof::proof_at_sight(arrays);
    Some(Finding { duals, infeasibility_proof, ..termination.into() })
}

/// What is found, and by which solver: HiGHS stands in for one whose answer does not hold.
fn find(
    solver: Solver,
    direct: &mut Direct,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> (Finding, Solver) {
    if let Some(mut finding) = at_sight(arrays) {
        if options.infeasible_subset {
            finding.infeasible_subset = proof::subset_at_sight(arrays);
        }
        return (finding, solver);
    }
    match solver {
        Solver::Unspecified | Solver::Auto | Solver::Highs => {
            (direct.solve(arrays, options, monitor), Solver::Highs)
        }
        other => {
            let first = good_lp::solve(other, arrays, options, monitor);
            let by_highs = || direct.solve(arrays, options, monitor);
            let (finding, own) = doubts::seconded(first, arrays, options, monitor, by_highs);
            (finding, if own { other } else { Solver::Highs })
        }
    }
}

fn outcome(solver: Solver, finding: Finding, monitor: &Monitor<'_>) -> Outcome {
    let statistics =
        SolveStatistics { solve_time: duration(monitor.elapsed()), ..finding.statistics };
    Outcome {
        result: Some(SolveResult {
            termination: Some(finding.termination),
            statistics: Some(statistics),
            solver: solver as i32,
            solver_version: version(solver),
            infeasibility_proof: finding.infeasibility_proof,
            infeasible_subset: finding.infeasible_subset,
            unbounded_ray: finding.unbounded_ray,
            basis: finding.basis,
            start: finding.start,
            ..SolveResult::default()
        }),
        values: finding.values,
        duals: finding.duals,
        reduced_costs: finding.reduced_costs,
        ranges: finding.ranges,
    }
}

fn version(solver: Solver) -> String {
    match solver {
        Solver::Unspecified | Solver::Auto | Solver::Highs => format!("HiGHS {}", Highs::version()),
        Solver::Microlp => "microlp, through good_lp".to_owned(),
        Solver::Clarabel => "Clarabel, through good_lp".to_owned(),
        Solver::Cbc => "CBC, through good_lp".to_owned(),
        Solver::Scip => "SCIP, through good_lp".to_owned(),
    }
}
