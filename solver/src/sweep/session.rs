use std::{collections::HashSet, sync::atomic::AtomicBool};

use solvemesh::{
    solver::v1::ScenarioOutcome,
    v1::{
        LinearModel, ScenarioRange, SolveOptions, Sweep, Termination, TerminationReason as Reason,
    },
};
use solvemesh_model::{
    sweep::{Patched, Scenarios, Target},
    verify::is_solution,
};

use super::vertex::Vertex;
use crate::{
    arrays::Arrays,
    direct, doubts,
    highs::{Highs, ModelStatus, Scale},
    polish::polish,
    proof,
    report::{Monitor, Reports},
    task::{Finding, at_sight},
    termination::failed,
};

/// One sweep in one HiGHS.
#[derive(Debug)]
pub(super) struct Session {
    scenarios: Scenarios,
    options: SolveOptions,
    /// The base with the numbers of the scenario at hand.
    patched: Patched,
    /// `None` before the first solve, and after one that left it suspect.
    highs: Option<Highs>,
    /// What HiGHS holds that is not the base's.
    held: HashSet<Target>,
    /// Of an LP: the basis that the last solve ended with.
    vertex: Option<Vertex>,
    /// Of a MIP: the solution that the last solve ended with.
    last: Vec<f64>,
    is_lp: bool,
    /// Whether scenarios change the matrix: a basis of one is then of no use to another
    /// without being factorised again, which HiGHS does.
    matrix_moves: bool,
}

impl Session {
    /// `None` where the sweep is in no normal form.
    pub(super) fn new(model: LinearModel, sweep: Sweep, options: SolveOptions) -> Option<Self> {
        let is_lp = Arrays::of(&model).ok()?.is_lp_as_submitted();
        let scenarios = Scenarios::of(sweep, &model)?;
        let matrix_moves =
            scenarios.targets().iter().any(|target| matches!(target, Target::Coefficient { .. }));
        let patched = Patched::new(model, &scenarios);
        Some(Self {
            scenarios,
            options,
            patched,
            highs: None,
            held: HashSet::new(),
            vertex: None,
            last: Vec::new(),
            is_lp,
            matrix_moves,
        })
    }

    /// The scenarios of some ranges, each after a neighbour.
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
        self.patched.turn_to(&self.scenarios, scenario);
        let index = i32::try_from(scenario).unwrap_or(i32::MAX);
        if let (Some(vertex), Some(highs)) = (&mut self.vertex, &mut self.highs)
            && let Some((values, duals)) = vertex.prove(highs, self.patched.model())
        {
            let reason = Reason::Optimal.into();
            return ScenarioOutcome { index, reason, values, duals, ..ScenarioOutcome::default() };
        }
        self.vertex = None;
        let monitor = Monitor::of_scenario(reports, task, interrupt);
        let found = self.find(&monitor).unwrap_or_else(|detail| {
            // What it holds now is not known.
            self.highs = None;
            failed(detail).into()
        });
        let Finding { termination, values, duals, statistics, .. } = found;
        let Termination { reason, limit, bound, detail, .. } = termination;
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
            iterations: statistics.simplex_iterations + statistics.barrier_iterations,
            detail: if failed { detail } else { String::new() },
            infeasibility_proof: found.infeasibility_proof,
            unbounded_ray: found.unbounded_ray,
        }
    }

    /// Has HiGHS solve the scenario at hand. An error is for people.
    fn find(&mut self, monitor: &Monitor<'_>) -> Result<Finding, String> {
        let arrays = Arrays::of(self.patched.model()).map_err(|misfit| misfit.to_string())?;
        if let Some(finding) = at_sight(&arrays) {
            return Ok(finding);
        }
        let scale = Scale::of(&arrays, &self.options);
        let highs = match &mut self.highs {
            Some(highs) if *highs.scale() == scale => {
                // What differs from the base now, or did when HiGHS was last at work.
                let now: HashSet<Target> = self.patched.changed().collect();
                for target in self.held.union(&now) {
                    highs
                        .take_over(*target, self.patched.model())
                        .map_err(|error| error.to_string())?;
                }
                self.held = now;
                highs
            }
            other => {
                let highs = other.insert(Highs::new());
                direct::configure(highs, &arrays, &self.options, &scale)?;
                highs.pass(&arrays, scale).map_err(|error| error.to_string())?;
                self.held = self.patched.changed().collect();
                highs
            }
        };
        // HiGHS would spend time on mending others.
        if !self.is_lp && is_solution(arrays.model(), &self.last) {
            highs.begin_at(&self.last);
        }
        let time_limit = direct::time_limit(&self.options)?;
        let status = direct::run(highs, time_limit, monitor);
        let mut finding = direct::finding(highs, &arrays, status);
        proof::explain(highs, &arrays, &self.options, time_limit, monitor, &mut finding);
        if !self.is_lp && !finding.values.is_empty() {
            polish(&arrays, time_limit, monitor, &mut finding);
        }
        if matches!(
            status,
            ModelStatus::Infeasible | ModelStatus::Unbounded | ModelStatus::UnboundedOrInfeasible
        ) {
            // It may have been asked whether there is any solution at all.
            highs.set_objective(&self.patched.model().objective);
        }
        let mut holds = true;
        let finding = doubts::settled(finding, &arrays, &self.options, monitor, |options| {
            holds = false;
            direct::from_nothing(&arrays, options, monitor)
        });
        if direct::is_suspect(status) || !holds {
            self.highs = None;
            return Ok(finding);
        }
        if !self.is_lp && !finding.values.is_empty() {
            self.last.clone_from(&finding.values);
        }
        if self.is_lp && !self.matrix_moves && status == ModelStatus::Optimal {
            self.vertex = Vertex::of(highs, arrays.model(), self.scenarios.targets());
        }
        Ok(finding)
    }
}
