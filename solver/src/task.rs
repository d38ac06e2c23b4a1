//! Solves one task: selects the solver, runs it, and builds the outcome.

use std::{io, sync::atomic::AtomicBool};

use prost::Message as _;
use solvemesh::{
    broker::v1::JobPayload,
    solver::v1::{Outcome, RangeEnds, SolveTask, solver_report::Kind},
    v1::{
        Basis, InfeasibilityProof, InfeasibleSubset, Progress, SolveOptions, SolveResult,
        SolveStatistics, Solver, StartReport, StartingPoint, Termination, UnboundedRay,
    },
};

use super::{
    arrays::Arrays,
    good_lp,
    highs::Highs,
    highs_solver::HighsSolver,
    proof,
    report::{Monitor, Reports, duration},
    second_solve,
    termination::{self, failed},
    tiny,
};

/// Number of variables from which a solver may run for long before it reports anything.
const LARGE_MODEL: usize = 1_000;

/// The result of a solve. Each array is complete or empty.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// How the solve ended.
    pub termination: Termination,
    /// Statistics, except the time.
    pub statistics: SolveStatistics,
    /// The value of each variable. For an unbounded model: those of any solution.
    pub values: Vec<f64>,
    /// y, the dual of each constraint, in the sense as submitted. Only if the solver solved an LP.
    pub duals: Vec<f64>,
    /// c - Aᵀy, the reduced cost of each variable. Only together with `duals`.
    pub reduced_costs: Vec<f64>,
    /// Proof that there is no solution. As in the two fields below, names are missing and nothing
    /// is verified: the worker does both.
    pub infeasibility_proof: Option<InfeasibilityProof>,
    /// Bounds that contradict each other, if requested.
    pub infeasible_subset: Option<InfeasibleSubset>,
    /// Direction in which the objective improves without limit.
    pub unbounded_ray: Option<UnboundedRay>,
    /// The basis of an LP, if requested.
    pub basis: Option<Basis>,
    /// Sensitivity ranges of an LP, if requested.
    pub ranges: Option<RangeEnds>,
    /// How the start was used, if there was one.
    pub start: Option<StartReport>,
}

impl From<Termination> for Finding {
    fn from(termination: Termination) -> Self {
        Self { termination, ..Self::default() }
    }
}

/// Solves a task, and sends all reports except the outcome.
///
/// # Errors
///
/// When the worker no longer reads. Errors of the task itself are part of the outcome.
pub(super) fn solve(
    highs_solver: &mut HighsSolver,
    reports: &Reports,
    task: SolveTask,
    interrupt: &AtomicBool,
) -> io::Result<Outcome> {
    let SolveTask { task, payload, options, start } = task;
    let options = options.unwrap_or_default();
    let solver = selected_solver(&options);
    let (model, own_start) = match JobPayload::decode(payload) {
        Ok(payload) => (payload.model.unwrap_or_default(), payload.start),
        Err(error) => {
            let monitor = Monitor::new(reports, task, 0, interrupt);
            return Ok(outcome(solver, failed(error).into(), &monitor));
        }
    };
    let start = start.or(own_start);
    if model.variable_lower.len() >= LARGE_MODEL {
        // A sign of life: the worker counts a process that reports nothing at all as hung.
        reports.send(task, Kind::Progress(Progress::default()))?;
    }
    let monitor = Monitor::new(reports, task, model.variable_lower.len(), interrupt);
    let (finding, solver) = match Arrays::of(&model) {
        Ok(arrays) => run_solver(solver, highs_solver, &arrays, start.as_ref(), &options, &monitor),
        Err(error) => (failed(error).into(), solver),
    };
    let outcome = outcome(solver, finding, &monitor);
    monitor.finish(&outcome)?;
    Ok(outcome)
}

/// The solver to use: HiGHS, unless another one is requested.
fn selected_solver(options: &SolveOptions) -> Solver {
    match options.solver() {
        // No request has the dense simplex method.
        Solver::Unspecified | Solver::Auto | Solver::Highs | Solver::DenseSimplex => Solver::Highs,
        other => other,
    }
}

/// Whether the choice of a solver is left to the mesh.
fn is_chosen_by_mesh(options: &SolveOptions) -> bool {
    matches!(options.solver(), Solver::Unspecified | Solver::Auto)
}

/// The finding of a model that needs no solver, if it is one: see [`termination::trivial`].
pub(super) fn trivial(arrays: &Arrays<'_>) -> Option<Finding> {
    let termination = termination::trivial(arrays)?;
    // A model that is solved here has no variables, so no right-hand side affects the objective.
    let solved = termination.objective.is_some();
    let duals = vec![0.0; if solved { arrays.constraints() } else { 0 }];
    let infeasibility_proof = proof::trivial_proof(arrays);
    Some(Finding { duals, infeasibility_proof, ..termination.into() })
}

/// Runs `solver`, or HiGHS in its place if its answer fails the check. If the choice is left to the
/// mesh, the fast path for tiny LPs comes first. Returns the finding and the solver that it is from.
fn run_solver(
    solver: Solver,
    highs_solver: &mut HighsSolver,
    arrays: &Arrays<'_>,
    start: Option<&StartingPoint>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> (Finding, Solver) {
    // Before any solver, so that every solver has the same answer to such a model.
    if let Some(mut finding) = trivial(arrays) {
        if options.return_infeasible_subset {
            finding.infeasible_subset = proof::trivial_subset(arrays);
        }
        return (finding, solver);
    }
    if is_chosen_by_mesh(options)
        && let Some(finding) = tiny::solve(arrays, start, options, monitor)
    {
        return (finding, Solver::DenseSimplex);
    }
    match solver {
        Solver::Unspecified | Solver::Auto | Solver::Highs | Solver::DenseSimplex => {
            (highs_solver.solve(arrays, start, options, monitor), Solver::Highs)
        }
        other => {
            let first = good_lp::solve(other, arrays, options, monitor);
            let by_highs = || highs_solver.solve(arrays, start, options, monitor);
            let (finding, is_own) =
                second_solve::check_with_highs(first, arrays, options, monitor, by_highs);
            (finding, if is_own { other } else { Solver::Highs })
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
            start_report: finding.start,
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
        Solver::DenseSimplex => {
            concat!("dense simplex of solvemesh ", env!("CARGO_PKG_VERSION")).to_owned()
        }
        Solver::Microlp => "microlp, through good_lp".to_owned(),
        Solver::Clarabel => "Clarabel, through good_lp".to_owned(),
        Solver::Cbc => "CBC, through good_lp".to_owned(),
        Solver::Scip => "SCIP, through good_lp".to_owned(),
    }
}
