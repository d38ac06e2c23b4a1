//! Supervises one solve in a solver process: time limit, cancellation, reports, kill.

use std::time::Duration;

use solvemesh::{
    broker::v1::log_entry,
    solver::v1::{Incumbent, Outcome, SolveTask, solver_report::Kind},
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    attempt::{
        disposition::Ending, options::EffectiveOptions, payload::Payload, watchdog::Watchdog,
    },
    config::WorkerConfig,
    delivery::cancels::Cancels,
    log::live::LiveLog,
    process::{Death, SolverProcess},
};

/// What a solve is supervised with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SolveMonitor<'a> {
    pub(crate) config: &'a WorkerConfig,
    pub(crate) cancels: &'a Cancels,
    /// Cancelled when the drain grace has expired and solves must be killed.
    pub(crate) kill: &'a CancellationToken,
    pub(crate) job: &'a str,
    pub(crate) payload: &'a Payload,
    pub(crate) terms: &'a EffectiveOptions,
}

/// What was observed of a solve.
#[derive(Debug)]
pub(crate) struct SolveObservation {
    /// How it ended.
    pub(crate) ending: Ending,
    /// The outcome that the solver reported. With one, the process can be sent another task;
    /// without, it is dead.
    pub(crate) outcome: Option<Outcome>,
    /// The best incumbent that it reported.
    pub(crate) incumbent: Option<Incumbent>,
    /// The best bound that it reported.
    pub(crate) bound: Option<f64>,
    /// Whether the job was cancelled during the solve.
    pub(crate) cancelled: bool,
    /// Duration of the solve, sending the task included.
    pub(crate) elapsed: Duration,
    /// Entries still to be logged, before the one that ends the attempt.
    pub(crate) last: Vec<log_entry::Kind>,
}

impl SolveMonitor<'_> {
    /// Has a model solved. `tell` is offered entries for the results log during the solve, and
    /// returns whether it accepted them.
    ///
    /// The solver gets its time limit, and is asked to stop on a cancel. If it does not stop, it
    /// is killed, and the result is the best solution that it reported; a solver that reported
    /// nothing at all counts as hung.
    pub(crate) async fn solve(
        self,
        process: &mut SolverProcess,
        task: SolveTask,
        tell: impl FnMut(log_entry::Kind) -> bool,
    ) -> SolveObservation {
        let began = Instant::now();
        let mut seen = SolveObservation {
            ending: Ending::KilledForDrain,
            outcome: None,
            incumbent: None,
            bound: None,
            cancelled: false,
            elapsed: Duration::ZERO,
            last: Vec::new(),
        };
        let mut live = LiveLog::new(began, self.config, &self.terms.options);
        tokio::select! {
            ending = self.watch(process, task, tell, &mut live, &mut seen) => {
                seen.ending = ending;
            }
            // `seen.ending` is `KilledForDrain` already.
            () = self.kill.cancelled() => process.kill().await,
        }
        seen.elapsed = began.elapsed();
        seen.last = live.rest(Instant::now(), &self.payload.model);
        (seen.bound, seen.incumbent) = live.into_best();
        seen
    }

    async fn watch(
        self,
        process: &mut SolverProcess,
        task: SolveTask,
        mut tell: impl FnMut(log_entry::Kind) -> bool,
        live: &mut LiveLog,
        seen: &mut SolveObservation,
    ) -> Ending {
        let config = self.config;
        let give = process.send_solve(task, self.payload.rows_and_columns(), config.start_timeout);
        let cancelled = async {
            self.cancels.wait(self.job).await;
            sleep(config.cancel_grace).await;
        };
        tokio::select! {
            given = give => if let Err(death) = given {
                return Ending::Died(death);
            },
            () = cancelled => {
                seen.cancelled = true;
                process.kill().await;
                return Ending::KilledForCancel;
            }
        }
        // The solver has read its task: neither the time limit nor the progress intervals count
        // the time that sending a large model took.
        let began = Instant::now();
        *live = LiveLog::new(began, config, &self.terms.options);
        let limit = self.terms.time_limit;
        let mut watchdog = Watchdog::new(began, limit.saturating_add(config.overrun.of(limit)));
        let mut cancel = std::pin::pin!(self.cancels.wait(self.job));
        let mut silent = true;
        loop {
            let wake_at = watchdog.wait(Instant::now()).min(live.due());
            tokio::select! {
                biased;
                // Reports first: one that is ready when the timeout expires still counts.
                report = process.report() => match report {
                    Ok(Kind::Progress(progress)) => {
                        silent = false;
                        live.report(progress);
                    }
                    Ok(Kind::Incumbent(incumbent)) => {
                        silent = false;
                        live.improve(Instant::now(), &self.payload.model, incumbent);
                    }
                    Ok(Kind::Log(text)) => {
                        silent = false;
                        live.write(Instant::now(), &text);
                    }
                    Ok(Kind::Outcome(outcome)) => {
                        let Some(ending) = reported(&outcome, live.has_incumbent()) else {
                            process.kill().await;
                            let cause = "it reported an outcome without a termination".to_owned();
                            return Ending::Died(Death::ProtocolError(cause));
                        };
                        seen.outcome = Some(outcome);
                        return ending;
                    }
                    Ok(Kind::Ready(_) | Kind::Scenarios(_) | Kind::ScenariosDone(_)) => {
                        process.kill().await;
                        let cause = "it sent a report that does not belong to its task".to_owned();
                        return Ending::Died(Death::ProtocolError(cause));
                    }
                    Err(death) => return Ending::Died(death),
                },
                () = &mut cancel, if !seen.cancelled => {
                    seen.cancelled = true;
                    process.interrupt().await;
                    watchdog.shorten(Instant::now(), config.cancel_grace);
                }
                () = sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            watchdog.look(now);
            if watchdog.is_over(now) {
                process.kill().await;
                return match (seen.cancelled, silent) {
                    (true, _) => Ending::KilledForCancel,
                    (false, true) => Ending::Died(Death::Silent),
                    (false, false) => Ending::Overran,
                };
            }
            live.tell(now, &self.payload.model, &mut tell);
        }
    }
}

/// The ending that an outcome reports; `None` if it contains no termination.
fn reported(outcome: &Outcome, incumbent: bool) -> Option<Ending> {
    let termination = outcome.result.as_ref()?.termination.as_ref()?;
    Some(Ending::Told {
        reason: termination.reason(),
        solution: incumbent || !outcome.values.is_empty(),
        detail: termination.detail.clone(),
    })
}
