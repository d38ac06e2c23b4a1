//! Scenarios of a sweep, one after another, in one warm HiGHS.
//!
//! Where the basis of a neighbour is proven to be optimal for a scenario too, that proof
//! ([`vertex`]) is its solve. The others go to HiGHS, which begins where it ended the last
//! time: an LP from its basis, a MIP from its solution.

mod session;
#[cfg(test)]
mod tests;
mod vertex;

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use solvemesh::solver::v1::{
    ScenarioOutcome, ScenarioOutcomes, ScenariosDone, SweepTask, solver_report::Kind,
};

use super::report::Reports;
use session::Session;

/// The longest time that an outcome is held back for those that follow.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

/// About the most bytes of the outcomes that travel together, but for a larger one alone.
const BATCH_BYTES: usize = 256 << 10;

/// Sweeps, kept warm from task to task.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    session: Option<Session>,
}

impl Sweeps {
    /// Solves a task's scenarios, and sends all reports.
    ///
    /// # Errors
    ///
    /// When the worker no longer reads. Whatever is wrong with a scenario is in its outcome.
    pub(super) fn solve(
        &mut self,
        reports: &Reports,
        mut task: SweepTask,
        interrupt: &AtomicBool,
    ) -> io::Result<()> {
        if let Some(model) = task.model.take() {
            let sweep = task.sweep.take().unwrap_or_default();
            let options = task.options.take().unwrap_or_default();
            self.session = Session::new(model, sweep, options);
        }
        let mut batch = Batch::new(reports, task.task);
        if let Some(session) = &mut self.session {
            for scenario in session.order(&task.scenarios) {
                if interrupt.load(Ordering::Relaxed) {
                    break;
                }
                let outcome = session.solve(scenario, reports, task.task, interrupt);
                // One that was cut short by the interrupt is no answer.
                if interrupt.load(Ordering::Relaxed) && outcome.values.is_empty() {
                    break;
                }
                batch.add(outcome)?;
            }
        }
        batch.send()?;
        reports.send(task.task, Kind::ScenariosDone(ScenariosDone {}))
    }

    /// Forgets the last sweep.
    pub(super) fn rest(&mut self) {
        self.session = None;
    }
}

/// Outcomes that are sent together.
struct Batch<'a> {
    reports: &'a Reports,
    task: u64,
    outcomes: Vec<ScenarioOutcome>,
    bytes: usize,
    since: Instant,
}

impl<'a> Batch<'a> {
    fn new(reports: &'a Reports, task: u64) -> Self {
        Self { reports, task, outcomes: Vec::new(), bytes: 0, since: Instant::now() }
    }

    fn add(&mut self, outcome: ScenarioOutcome) -> io::Result<()> {
        self.bytes += 32 + 8 * (outcome.values.len() + outcome.duals.len()) + outcome.detail.len();
        self.outcomes.push(outcome);
        if self.bytes >= BATCH_BYTES || self.since.elapsed() >= BATCH_INTERVAL {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        (self.bytes, self.since) = (0, Instant::now());
        if self.outcomes.is_empty() {
            return Ok(());
        }
        let outcomes = std::mem::take(&mut self.outcomes);
        self.reports.send(self.task, Kind::Scenarios(ScenarioOutcomes { outcomes }))
    }
}
