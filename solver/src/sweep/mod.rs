//! Solves the scenarios of a sweep one after another, in one warm HiGHS instance.
//!
//! If the last basis is proven to be optimal for the next scenario too ([`basis`]), no solve is
//! needed. Otherwise HiGHS solves the scenario, and starts where it ended the last time: an LP
//! from its basis, a MIP from its solution. The basis of a task also goes back to the worker, so that
//! the process that solves another share of the sweep does not start from nothing.

mod basis;
mod session;
#[cfg(test)]
mod tests;

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use prost::Message as _;
use solvemesh::{
    broker::v1::JobPayload,
    solver::v1::{
        ScenarioOutcome, ScenarioOutcomes, ScenariosDone, SweepTask, solver_report::Kind,
    },
};

use super::report::Reports;
use session::Session;

/// Time from which the outcomes of a batch are no longer held back for those that follow.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

/// Approximate size from which a batch of outcomes is sent, in bytes. A batch becomes one event,
/// which a browser decodes in one piece: about 800 small results take it a quarter of a frame.
const BATCH_BYTES: usize = 32 << 10;

/// Solves sweeps, and keeps the last one warm from task to task.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    session: Option<Session>,
}

impl Sweeps {
    /// Solves a task's scenarios, and sends all reports.
    ///
    /// # Errors
    ///
    /// When the worker no longer reads. Errors of a scenario are part of its outcome.
    pub(super) fn solve(
        &mut self,
        reports: &Reports,
        mut task: SweepTask,
        interrupt: &AtomicBool,
    ) -> io::Result<()> {
        // A task without a model has more scenarios of the sweep of the task before.
        if !task.payload.is_empty() {
            let options = task.options.take().unwrap_or_default();
            let payload = JobPayload::decode(std::mem::take(&mut task.payload));
            let start = task.basis.take();
            self.session = payload.ok().and_then(|payload| Session::new(payload, options, start));
        }
        let mut batch = Batch::new(reports, task.task);
        if let Some(session) = &mut self.session {
            for scenario in session.order(&task.scenarios) {
                if interrupt.load(Ordering::Relaxed) {
                    break;
                }
                let outcome = session.solve(scenario, reports, task.task, interrupt);
                // An interrupted solve without a solution is not an answer to the scenario.
                if interrupt.load(Ordering::Relaxed) && outcome.values.is_empty() {
                    break;
                }
                batch.add(outcome)?;
            }
        }
        batch.send()?;
        let basis = self.session.as_ref().and_then(Session::basis);
        reports.send(task.task, Kind::ScenariosDone(ScenariosDone { basis }))
    }

    /// Drops the last sweep.
    pub(super) fn clear(&mut self) {
        self.session = None;
    }
}

/// Collects outcomes, to send several in one report.
struct Batch<'a> {
    reports: &'a Reports,
    task: u64,
    outcomes: Vec<ScenarioOutcome>,
    /// Their approximate size.
    bytes: usize,
    /// The time of the last send.
    since: Instant,
}

impl<'a> Batch<'a> {
    fn new(reports: &'a Reports, task: u64) -> Self {
        Self { reports, task, outcomes: Vec::new(), bytes: 0, since: Instant::now() }
    }

    fn add(&mut self, outcome: ScenarioOutcome) -> io::Result<()> {
        // Each number has 8 bytes; 32 is an estimate for the other fields.
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
