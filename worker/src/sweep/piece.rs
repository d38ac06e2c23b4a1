//! Supervises a piece of a share: some scenarios in a solver process, with timeout, cancellation
//! and kill.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use solvemesh::solver::v1::{ScenarioOutcome, SweepTask, solver_report::Kind};
use tokio::time::{Instant, sleep_until};

use super::share::ScenarioSet;
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
    terms: &'a EffectiveOptions,
    unanswered: BTreeSet<i32>,
    began: Instant,
    cancelled: bool,
    /// When it expires, the process is killed. Every report of outcomes restarts it.
    watchdog: Watchdog,
}

/// The next event of a piece: outcomes, or its end.
#[derive(Debug)]
pub(super) enum PieceEnd {
    /// Not an end: some scenarios were solved.
    Outcomes(Vec<ScenarioOutcome>),
    /// The solver process has finished the piece.
    Done,
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
        terms: &'a EffectiveOptions,
        scenarios: &ScenarioSet,
    ) -> Self {
        let now = Instant::now();
        Self {
            context,
            job,
            terms,
            unanswered: scenarios.scenarios().collect(),
            began: now,
            cancelled: false,
            watchdog: Watchdog::new(now, report_timeout(context, terms)),
        }
    }

    /// Sends the piece to a solver process, with the `payload` unless the process has it already.
    ///
    /// # Errors
    ///
    /// Why the process died.
    pub(super) async fn send(
        &mut self,
        solver: &mut SolverProcess,
        payload: Option<Bytes>,
        entries: usize,
        scenarios: &ScenarioSet,
    ) -> Result<(), Death> {
        let mut task = SweepTask { scenarios: scenarios.to_wire(), ..SweepTask::default() };
        if let Some(payload) = payload {
            task.payload = payload;
            task.options = Some(self.terms.options.clone());
        }
        let memory_limit = self.terms.options.memory_limit_bytes;
        let send_timeout = self.context.config.start_timeout;
        solver.send_sweep(task, entries, memory_limit, send_timeout).await?;
        // The time that sending took does not count.
        self.began = Instant::now();
        self.watchdog = Watchdog::new(self.began, report_timeout(self.context, self.terms));
        Ok(())
    }

    /// Waits for the next event.
    pub(super) async fn next(&mut self, solver: &mut SolverProcess) -> PieceEnd {
        let context = self.context;
        loop {
            let wake_at = self.watchdog.wait(Instant::now());
            tokio::select! {
                biased;
                () = context.kill.cancelled() => {
                    solver.kill().await;
                    return PieceEnd::KilledForDrain;
                }
                () = context.cancels.wait(self.job), if !self.cancelled => {
                    self.cancelled = true;
                    solver.interrupt().await;
                    self.watchdog.shorten(Instant::now(), context.config.cancel_grace);
                }
                // Before the timeout: a report that is ready when that expires still counts.
                report = solver.report() => match report {
                    Ok(Kind::Scenarios(batch)) => {
                        if !self.cancelled {
                            let timeout = report_timeout(context, self.terms);
                            self.watchdog = Watchdog::new(Instant::now(), timeout);
                        }
                        let mut outcomes = batch.outcomes;
                        // Drop outcomes that were not requested, and repeated ones.
                        outcomes.retain(|outcome| self.unanswered.remove(&outcome.index));
                        return PieceEnd::Outcomes(outcomes);
                    }
                    Ok(Kind::ScenariosDone(_)) => return PieceEnd::Done,
                    Ok(Kind::Progress(_)) => {}
                    Ok(Kind::Incumbent(_) | Kind::Log(_) | Kind::Outcome(_) | Kind::Ready(_)) => {
                        solver.kill().await;
                        let cause = "it sent a report that does not belong to its task".to_owned();
                        return PieceEnd::Died(Death::ProtocolError(cause));
                    }
                    Err(death) => return PieceEnd::Died(death),
                },
                () = sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            self.watchdog.look(now);
            if self.watchdog.is_over(now) {
                solver.kill().await;
                return if self.cancelled {
                    PieceEnd::KilledForCancel
                } else {
                    PieceEnd::Died(Death::Silent)
                };
            }
        }
    }

    /// The scenarios without an outcome.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = i32> {
        self.unanswered.iter().copied()
    }

    /// Whether the job was cancelled during the piece.
    pub(super) fn cancelled(&self) -> bool {
        self.cancelled
    }

    /// Time since the solver process has read the piece.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Maximum time between two reports of outcomes: the time limit of one scenario, its overrun, and
/// the time that the process may buffer an outcome.
fn report_timeout(context: &Context, terms: &EffectiveOptions) -> Duration {
    let limit = terms.time_limit;
    limit.saturating_add(context.config.overrun.of(limit)).saturating_add(MAX_BUFFERED)
}
