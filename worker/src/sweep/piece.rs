//! Supervises a piece of a share: some scenarios in a solver process, with timeout, cancellation
//! and kill.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use solvemesh::{
    solver::v1::{ScenarioOutcome, ScenariosDone, SweepTask, solver_report::Kind},
    v1::Basis,
};
use tokio::time::{Instant, sleep_until};

use super::scenario_set::ScenarioSet;
use crate::{
    attempt::{options::EffectiveOptions, watchdog::Watchdog},
    context::Context,
    process::{Death, SolverProcess},
};

/// Maximum time that a solver process buffers an outcome before it reports it, with reserve.
const MAX_BUFFERED: Duration = Duration::from_secs(1);

/// Some scenarios of a share, in a solver process.
pub(super) struct Piece<'a> {
    context: &'a Context,
    job: &'a str,
    effective: &'a EffectiveOptions,
    /// The scenarios without an outcome.
    unsolved: BTreeSet<i32>,
    began: Instant,
    cancelled: bool,
    /// When it expires, the process is killed. Every report of outcomes restarts it.
    watchdog: Watchdog,
}

/// An event of a piece.
#[derive(Debug)]
pub(super) enum PieceEvent {
    /// Some scenarios were solved.
    Outcomes(Vec<ScenarioOutcome>),
    /// The piece has ended.
    Ended(PieceEnd),
}

/// How a piece ended.
#[derive(Debug)]
pub(super) enum PieceEnd {
    /// The solver process has finished the piece, for an LP with this basis.
    Done(Option<Basis>),
    /// The solver process was killed because it did not stop within the cancel grace.
    KilledForCancel,
    /// The solver process was killed because the drain grace of the worker expired.
    KilledForDrain,
    /// The solver process died.
    Died(Death),
}

impl<'a> Piece<'a> {
    pub(super) fn new(
        context: &'a Context,
        job: &'a str,
        effective: &'a EffectiveOptions,
        scenarios: &ScenarioSet,
    ) -> Self {
        let now = Instant::now();
        Self {
            context,
            job,
            effective,
            unsolved: scenarios.indices().collect(),
            began: now,
            cancelled: false,
            watchdog: Watchdog::new(now, report_timeout(context, effective)),
        }
    }

    /// Sends the piece to a solver process, with the `payload` and the basis to start from, unless
    /// the process has them already.
    ///
    /// # Errors
    ///
    /// Why the process died.
    pub(super) async fn send(
        &mut self,
        solver: &mut SolverProcess,
        payload: Option<(Bytes, Option<Basis>)>,
        entries: usize,
        scenarios: &ScenarioSet,
    ) -> Result<(), Death> {
        let mut task = SweepTask { scenarios: scenarios.to_ranges(), ..SweepTask::default() };
        if let Some((payload, basis)) = payload {
            (task.payload, task.basis) = (payload, basis);
            task.options = Some(self.effective.options.clone());
        }
        let memory_limit = self.effective.options.memory_limit_bytes;
        let send_timeout = self.context.config.start_timeout;
        solver.send_sweep(task, entries, memory_limit, send_timeout).await?;
        // The time that sending took does not count.
        self.began = Instant::now();
        self.watchdog = Watchdog::new(self.began, report_timeout(self.context, self.effective));
        Ok(())
    }

    /// Waits for the next event.
    pub(super) async fn next(&mut self, solver: &mut SolverProcess) -> PieceEvent {
        let context = self.context;
        loop {
            let wake_at = self.watchdog.before_wait(Instant::now());
            tokio::select! {
                biased;
                () = context.kill.cancelled() => {
                    solver.kill().await;
                    return PieceEvent::Ended(PieceEnd::KilledForDrain);
                }
                () = context.cancels.wait_for(self.job), if !self.cancelled => {
                    self.cancelled = true;
                    solver.interrupt().await;
                    self.watchdog.shorten(Instant::now(), context.config.cancel_grace);
                }
                // Before the timeout: a report that is ready when that expires still counts.
                report = solver.next_report() => match report.map(|report| self.record(report)) {
                    Ok(Ok(None)) => {}
                    Ok(Ok(Some(event))) => return event,
                    Ok(Err(violation)) => {
                        solver.kill().await;
                        let death = Death::ProtocolError(violation.to_owned());
                        return PieceEvent::Ended(PieceEnd::Died(death));
                    }
                    Err(death) => return PieceEvent::Ended(PieceEnd::Died(death)),
                },
                () = sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            self.watchdog.after_wait(now);
            if self.watchdog.has_expired(now) {
                solver.kill().await;
                return PieceEvent::Ended(if self.cancelled {
                    PieceEnd::KilledForCancel
                } else {
                    PieceEnd::Died(Death::Silent)
                });
            }
        }
    }

    /// Records a report; returns the event that it is, if any.
    ///
    /// # Errors
    ///
    /// How it violates the protocol.
    fn record(&mut self, report: Kind) -> Result<Option<PieceEvent>, &'static str> {
        match report {
            Kind::Scenarios(batch) => {
                // After a cancel, the cancel grace bounds the piece, whatever is reported.
                if !self.cancelled {
                    let timeout = report_timeout(self.context, self.effective);
                    self.watchdog = Watchdog::new(Instant::now(), timeout);
                }
                let mut outcomes = batch.outcomes;
                // Drop outcomes that were not requested, and repeated ones.
                outcomes.retain(|outcome| self.unsolved.remove(&outcome.index));
                Ok(Some(PieceEvent::Outcomes(outcomes)))
            }
            Kind::ScenariosDone(ScenariosDone { basis }) => {
                Ok(Some(PieceEvent::Ended(PieceEnd::Done(basis))))
            }
            Kind::Progress(_) => Ok(None),
            Kind::Incumbent(_) | Kind::Log(_) | Kind::Outcome(_) | Kind::Ready(_) => {
                Err("it sent a report that does not belong to its task")
            }
        }
    }

    /// The scenarios without an outcome.
    pub(super) fn unsolved(&self) -> impl Iterator<Item = i32> {
        self.unsolved.iter().copied()
    }

    /// Whether the job was cancelled during the piece.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Time since the solver process has read the piece.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Maximum time between two reports of outcomes: the time limit of one scenario, its overrun, and
/// the time that the process may buffer an outcome.
fn report_timeout(context: &Context, effective: &EffectiveOptions) -> Duration {
    let limit = effective.time_limit;
    limit.saturating_add(context.config.overrun.of(limit)).saturating_add(MAX_BUFFERED)
}
