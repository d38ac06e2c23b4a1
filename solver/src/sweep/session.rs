//! One sweep: its scenarios, and the HiGHS instance that solves them.

use std::{collections::HashSet, sync::atomic::AtomicBool};

use solvemesh::{
    broker::v1::{JobPayload, ScenarioRange},
    solver::v1::ScenarioOutcome,
    v1::{Basis, SolveOptions, Termination, TerminationReason as Reason},
};
use solvemesh_model::{
    sweep::{Patched, Scenarios, Target},
    verify::is_solution,
};

use super::basis::FactorisedBasis;
use crate::{
    arrays::Arrays,
    highs::{Highs, ModelStatus, Scale},
    highs_solver,
    polish::polish,
    proof,
    report::{Monitor, Reports, iteration_count},
    second_solve,
    task::{Finding, trivial},
    termination::failed,
    unbounded,
};

/// One sweep, solved in one HiGHS instance.
#[derive(Debug)]
pub(super) struct Session {
    scenarios: Scenarios,
    options: SolveOptions,
    /// The base model with the numbers of the current scenario.
    patched: Patched,
    /// `None` before the first solve, and after one that leaves the instance suspect.
    instance: Option<Instance>,
    /// For an LP: the basis from another process from which the first solve starts.
    start: Option<Basis>,
    /// For an LP: the basis of the last solve.
    basis: Option<FactorisedBasis>,
    /// For a MIP: the solution of the last solve.
    last_solution: Vec<f64>,
    is_lp: bool,
    /// Whether scenarios change the matrix. If so, a basis must be factorised again for each
    /// scenario, which is left to HiGHS.
    matrix_changes: bool,
}

impl Session {
    /// Creates the session of a sweep; `None` if it is not in normal form. An LP is first solved
    /// from the basis `start`.
    pub(super) fn new(
        payload: JobPayload,
        options: SolveOptions,
        start: Option<Basis>,
    ) -> Option<Self> {
        let (model, sweep) = (payload.model?, payload.sweep?);
        let is_lp = Arrays::of(&model).ok()?.is_lp_as_submitted();
        let scenarios = Scenarios::of(sweep, &model)?;
        let matrix_changes =
            scenarios.targets().iter().any(|target| matches!(target, Target::Coefficient { .. }));
        let patched = Patched::new(model, &scenarios);
        Some(Self {
            scenarios,
            options,
            patched,
            instance: None,
            start: start.filter(|_| is_lp),
            basis: None,
            last_solution: Vec::new(),
            is_lp,
            matrix_changes,
        })
    }

    /// For an LP: the basis with which the last solve ended.
    pub(super) fn basis(&self) -> Option<Basis> {
        self.instance.as_ref().filter(|_| self.is_lp)?.highs.basis()
    }

    /// The scenarios of some ranges, ordered so that consecutive ones differ little.
    pub(super) fn order(&self, ranges: &[ScenarioRange]) -> Vec<usize> {
        let count = self.scenarios.count();
        let range = |range: &ScenarioRange| {
            let first = usize::try_from(range.first).unwrap_or(count);
            let end = first.saturating_add(usize::try_from(range.count).unwrap_or(0));
            first..end.min(count)
        };
        let mut scenarios: Vec<usize> = ranges.iter().flat_map(range).collect();
        self.scenarios.order(&mut scenarios);
        scenarios
    }

    /// Solves a scenario.
    pub(super) fn solve(
        &mut self,
        scenario: usize,
        reports: &Reports,
        task: u64,
        interrupt: &AtomicBool,
    ) -> ScenarioOutcome {
        self.patched.apply_scenario(&self.scenarios, scenario);
        let index = i32::try_from(scenario).unwrap_or(i32::MAX);
        if let (Some(basis), Some(instance)) = (&mut self.basis, &mut self.instance)
            && let Some((values, duals)) =
                basis.solution_if_optimal(&mut instance.highs, self.patched.model())
        {
            // The last basis is optimal for this scenario too.
            let reason = Reason::Optimal.into();
            return ScenarioOutcome { index, reason, values, duals, ..ScenarioOutcome::default() };
        }
        // HiGHS moves on from that basis.
        self.basis = None;
        let monitor = Monitor::of_scenario(reports, task, interrupt);
        let found = self.solve_by_highs(&monitor).unwrap_or_else(|detail| {
            // After an error, the state of the instance is unknown.
            self.instance = None;
            failed(detail).into()
        });
        let Finding { termination, values, duals, statistics, .. } = found;
        let Termination { reason, limit, objective_bound: bound, detail, .. } = termination;
        let failed = matches!(
            Reason::try_from(reason),
            Ok(Reason::NumericalError | Reason::OtherError) | Err(_)
        );
        ScenarioOutcome {
            index,
            reason,
            limit,
            bound: bound.filter(|_| !self.is_lp),
            values,
            duals,
            iterations: iteration_count(&statistics).unwrap_or_default(),
            detail: if failed { detail } else { String::new() },
            infeasibility_proof: found.infeasibility_proof,
            unbounded_ray: found.unbounded_ray,
        }
    }

    /// Solves the current scenario by HiGHS, and keeps what the next one can start from. The error
    /// is a message for the user.
    fn solve_by_highs(&mut self, monitor: &Monitor<'_>) -> Result<Finding, String> {
        let arrays = Arrays::of(self.patched.model()).map_err(|error| error.to_string())?;
        if let Some(finding) = trivial(&arrays) {
            return Ok(finding);
        }
        if let Some(finding) = unbounded::solve(&arrays, None, &self.options, monitor) {
            return Ok(finding);
        }
        let highs = load(&mut self.instance, &self.patched, &arrays, &self.options)?;
        if let Some(start) = self.start.take() {
            // One that does not fit is no error: the solve then starts from scratch.
            let _ = highs.set_basis(&start);
        }
        // Only if it is a solution: HiGHS would spend time on repairing other values.
        if !self.is_lp && is_solution(arrays.model(), &self.last_solution) {
            highs.set_start_solution(&self.last_solution);
        }
        let (status, finding) = solve_loaded(highs, &arrays, &self.options, monitor)?;
        let mut is_accepted = true;
        let finding =
            second_solve::check_highs(finding, &arrays, &self.options, monitor, |options| {
                is_accepted = false;
                highs_solver::solve_from_scratch(&arrays, options, monitor)
            });
        // An instance whose answer failed the check is not a place to continue from.
        if highs_solver::is_suspect(status) || !is_accepted {
            self.instance = None;
            return Ok(finding);
        }
        if !self.is_lp && !finding.values.is_empty() {
            self.last_solution.clone_from(&finding.values);
        }
        if self.is_lp && !self.matrix_changes && status == ModelStatus::Optimal {
            self.basis = FactorisedBasis::of(highs, arrays.model(), self.scenarios.targets());
        }
        Ok(finding)
    }
}

/// A HiGHS instance that holds the model of one scenario.
#[derive(Debug)]
struct Instance {
    highs: Highs,
    /// The numbers of its model that are not those of the base model.
    changed: HashSet<Target>,
}

/// Loads the current scenario: into the instance with its basis, or, if there is none or the costs
/// need another scale than the last ones, into a new one.
fn load<'a>(
    instance: &'a mut Option<Instance>,
    patched: &Patched,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
) -> Result<&'a mut Highs, String> {
    let scale = Scale::of(arrays, options);
    let now: HashSet<Target> = patched.changed().collect();
    if instance.as_ref().is_some_and(|instance| *instance.highs.scale() != scale) {
        *instance = None;
    }
    match instance {
        Some(Instance { highs, changed }) => {
            // Numbers that differ from the base model now, or that did in the last solve.
            for &target in changed.union(&now) {
                highs.copy_number(target, patched.model()).map_err(|error| error.to_string())?;
            }
            *changed = now;
            Ok(highs)
        }
        None => {
            let mut highs = Highs::new();
            highs_solver::configure(&mut highs, arrays, options, &scale)?;
            highs.pass(arrays, scale).map_err(|error| error.to_string())?;
            Ok(&mut instance.insert(Instance { highs, changed: now }).highs)
        }
    }
}

/// Solves the model that an instance holds, with a proof or a polished solution. The instance holds
/// the same model afterwards.
fn solve_loaded(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Result<(ModelStatus, Finding), String> {
    let time_limit = highs_solver::time_limit(options)?;
    let status = highs_solver::run(highs, time_limit, monitor);
    let mut finding = highs_solver::finding(highs, arrays, status);
    proof::add_proof(highs, arrays, options, time_limit, monitor, &mut finding);
    if !arrays.is_lp_as_submitted() && !finding.values.is_empty() {
        polish(arrays, time_limit, monitor, &mut finding);
    }
    if matches!(
        status,
        ModelStatus::Infeasible | ModelStatus::Unbounded | ModelStatus::UnboundedOrInfeasible
    ) {
        // The search for any solution may have dropped the objective.
        highs.set_objective(&arrays.model().objective);
    }
    Ok((status, finding))
}
