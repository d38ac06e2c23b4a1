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
    pub(crate) effective: &'a EffectiveOptions,
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
    pub(crate) unlogged: Vec<log_entry::Kind>,
}

impl SolveMonitor<'_> {
    /// Has a model solved. `try_log` is offered entries for the results log during the solve, and
    /// returns whether it accepted them.
    ///
    /// The solver gets its time limit, and is asked to stop on a cancel. If it does not stop, it
    /// is killed, and the result is the best solution that it reported; a solver that reported
    /// nothing at all counts as hung.
    pub(crate) async fn solve(
        self,
        process: &mut SolverProcess,
        task: SolveTask,
        try_log: impl FnMut(log_entry::Kind) -> bool,
    ) -> SolveObservation {
        let began = Instant::now();
        let mut observation = match self.send(process, task).await {
            Ok(()) => {
                let mut solve = RunningSolve::new(self);
                let ending = tokio::select! {
                    ending = solve.watch(process, try_log) => ending,
                    () = self.kill.cancelled() => {
                        process.kill().await;
                        Ending::KilledForDrain
                    }
                };
                solve.observed(ending)
            }
            Err(ending) => SolveObservation::unread(ending),
        };
        observation.elapsed = began.elapsed();
        observation
    }

    /// Sends a task to the solver process, and waits until that has read it.
    ///
    /// # Errors
    ///
    /// How the solve ended, if the process did not read its task. It is dead then.
    async fn send(self, process: &mut SolverProcess, task: SolveTask) -> Result<(), Ending> {
        let config = self.config;
        let sent = process.send_solve(task, self.payload.rows_and_columns(), config.start_timeout);
        // A process that does not read its task cannot be interrupted over the same pipe.
        let cancelled = async {
            self.cancels.wait_for(self.job).await;
            sleep(config.cancel_grace).await;
        };
        let ending = tokio::select! {
            sent = sent => return sent.map_err(Ending::Died),
            () = cancelled => Ending::KilledForCancel,
            () = self.kill.cancelled() => Ending::KilledForDrain,
        };
        process.kill().await;
        Err(ending)
    }
}

/// A solve whose task the solver process has read.
struct RunningSolve<'a> {
    monitor: SolveMonitor<'a>,
    /// Begins once the task was read, as `watchdog` does: neither the progress intervals nor the
    /// time limit count the time that sending a large model took.
    live: LiveLog,
    watchdog: Watchdog,
    /// Whether nothing was reported yet.
    is_silent: bool,
    cancelled: bool,
    outcome: Option<Outcome>,
}

impl<'a> RunningSolve<'a> {
    /// A solve that begins now.
    fn new(monitor: SolveMonitor<'a>) -> Self {
        let (now, limit) = (Instant::now(), monitor.effective.time_limit);
        let timeout = limit.saturating_add(monitor.config.overrun.of(limit));
        Self {
            monitor,
            live: LiveLog::new(now, monitor.config, &monitor.effective.options),
            watchdog: Watchdog::new(now, timeout),
            is_silent: true,
            cancelled: false,
            outcome: None,
        }
    }

    /// Reads reports until the solve ends or times out.
    async fn watch(
        &mut self,
        process: &mut SolverProcess,
        mut try_log: impl FnMut(log_entry::Kind) -> bool,
    ) -> Ending {
        let SolveMonitor { config, cancels, job, payload, .. } = self.monitor;
        let mut cancel = std::pin::pin!(cancels.wait_for(job));
        loop {
            let wake_at = self.watchdog.before_wait(Instant::now()).min(self.live.due());
            tokio::select! {
                biased;
                // Reports first: one that is ready when the timeout expires still counts.
                report = process.next_report() => match report.map(|report| self.record(report)) {
                    Ok(Ok(None)) => {}
                    Ok(Ok(Some(ending))) => return ending,
                    Ok(Err(violation)) => {
                        process.kill().await;
                        return Ending::Died(Death::ProtocolError(violation.to_owned()));
                    }
                    Err(death) => return Ending::Died(death),
                },
                () = &mut cancel, if !self.cancelled => {
                    self.cancelled = true;
                    process.interrupt().await;
                    self.watchdog.shorten(Instant::now(), config.cancel_grace);
                }
                () = sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            self.watchdog.after_wait(now);
            if self.watchdog.has_expired(now) {
                process.kill().await;
                return self.ending_of_timeout();
            }
            self.live.log_due(now, &payload.model, &mut try_log);
        }
    }

    /// Records a report. Returns the ending if it is the outcome.
    ///
    /// # Errors
    ///
    /// How it violates the protocol.
    fn record(&mut self, report: Kind) -> Result<Option<Ending>, &'static str> {
        let (now, model) = (Instant::now(), &self.monitor.payload.model);
        match report {
            Kind::Progress(progress) => self.live.record_progress(progress),
            Kind::Incumbent(incumbent) => self.live.record_incumbent(now, model, incumbent),
            Kind::Log(text) => self.live.record_text(now, &text),
            Kind::Outcome(outcome) => {
                let ending = reported(&outcome, self.live.has_incumbent())
                    .ok_or("it reported an outcome without a termination")?;
                self.outcome = Some(outcome);
                return Ok(Some(ending));
            }
            Kind::Ready(_) | Kind::Scenarios(_) | Kind::ScenariosDone(_) => {
                return Err("it sent a report that does not belong to its task");
            }
        }
        self.is_silent = false;
        Ok(None)
    }

    /// The ending of a solve whose process was killed because its timeout expired.
    fn ending_of_timeout(&self) -> Ending {
        match (self.cancelled, self.is_silent) {
            (true, _) => Ending::KilledForCancel,
            (false, true) => Ending::Died(Death::Silent),
            (false, false) => Ending::Overran,
        }
    }

    /// What was observed, now that the solve has ended.
    fn observed(mut self, ending: Ending) -> SolveObservation {
        let unlogged = self.live.take_rest(Instant::now(), &self.monitor.payload.model);
        let (bound, incumbent) = self.live.into_best();
        let Self { outcome, cancelled, .. } = self;
        SolveObservation {
            ending,
            outcome,
            incumbent,
            bound,
            cancelled,
            elapsed: Duration::ZERO,
            unlogged,
        }
    }
}

impl SolveObservation {
    /// Of a solver process that died or was killed before it had read its task.
    fn unread(ending: Ending) -> Self {
        Self {
            cancelled: ending == Ending::KilledForCancel,
            ending,
            outcome: None,
            incumbent: None,
            bound: None,
            elapsed: Duration::ZERO,
            unlogged: Vec::new(),
        }
    }
}

/// The ending that an outcome reports; `None` if it contains no termination.
fn reported(outcome: &Outcome, incumbent: bool) -> Option<Ending> {
    let termination = outcome.result.as_ref()?.termination.as_ref()?;
    Some(Ending::Reported {
        reason: termination.reason(),
        solution: incumbent || !outcome.values.is_empty(),
        detail: termination.detail.clone(),
    })
}
