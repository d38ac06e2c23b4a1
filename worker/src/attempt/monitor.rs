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
        disposition::Ending, incumbent_events::IncumbentEvents, options::EffectiveOptions,
        payload::Payload, watchdog::Watchdog,
    },
    config::WorkerConfig,
    context::Context,
    delivery::{cancels::Cancels, held_job::HeldJob},
    log::live::LiveLog,
    process::{Death, SolverProcess},
};

/// A solve that takes longer than this has an entry in the log for its start, and so is seen to run;
/// a shorter one has one entry for start and end.
const LOG_START_AFTER: Duration = Duration::from_millis(20);

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

/// Tasks that the solver process has read and solves after the current one. They are withdrawn when
/// that takes long, so that other workers can have their jobs.
#[derive(Debug)]
pub(crate) struct WaitingTasks<'a> {
    /// When they are withdrawn.
    pub(crate) until: Instant,
    /// Withdraws them at once when it is cancelled.
    pub(crate) stop: &'a CancellationToken,
    /// Cancelled when they are withdrawn.
    pub(crate) withdrawn: &'a CancellationToken,
}

impl<'a> SolveMonitor<'a> {
    /// The monitor of a job with this payload and these options.
    pub(crate) fn of(
        context: &'a Context,
        job: &'a str,
        payload: &'a Payload,
        effective: &'a EffectiveOptions,
    ) -> Self {
        let Context { config, cancels, kill, .. } = context;
        Self { config, cancels, kill, job, payload, effective }
    }

    /// Has a model solved, and logs what the solver reports meanwhile.
    ///
    /// The solver gets its time limit, and is asked to stop on a cancel. If it does not stop, it
    /// is killed, and the result is the best solution that it reported; a solver that reported
    /// nothing at all counts as hung.
    pub(crate) async fn solve(
        self,
        process: &mut SolverProcess,
        task: SolveTask,
        held: &mut HeldJob,
    ) -> SolveObservation {
        let began = Instant::now();
        let mut observation = match self.send(process, task).await {
            Ok(()) => self.watch(process, held, None).await,
            Err(ending) => SolveObservation::unread(ending),
        };
        observation.elapsed = began.elapsed();
        observation
    }

    /// As [`solve`](Self::solve), for the current task of the process, which was sent to it before.
    pub(crate) async fn watch(
        self,
        process: &mut SolverProcess,
        held: &mut HeldJob,
        waiting: Option<WaitingTasks<'a>>,
    ) -> SolveObservation {
        let began = Instant::now();
        let mut solve = RunningSolve::new(self, waiting);
        let ending = tokio::select! {
            ending = solve.watch(process, held) => ending,
            () = self.kill.cancelled() => {
                process.kill().await;
                Ending::KilledForDrain
            }
        };
        let mut observation = solve.observed(ending);
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
    events: IncumbentEvents,
    watchdog: Watchdog,
    /// Whether nothing was reported yet.
    is_silent: bool,
    cancelled: bool,
    outcome: Option<Outcome>,
    /// When to log the start of the attempt, unless the solve has ended by then.
    log_start_at: Option<Instant>,
    /// `None` if there are none, or they were withdrawn.
    waiting: Option<WaitingTasks<'a>>,
}

impl<'a> RunningSolve<'a> {
    /// A solve that begins now.
    fn new(monitor: SolveMonitor<'a>, waiting: Option<WaitingTasks<'a>>) -> Self {
        let (now, limit) = (Instant::now(), monitor.effective.time_limit);
        let timeout = limit.saturating_add(monitor.config.overrun.of(limit));
        Self {
            monitor,
            live: LiveLog::new(now, monitor.config, &monitor.effective.options),
            events: IncumbentEvents::of_current_span(),
            watchdog: Watchdog::new(now, timeout),
            is_silent: true,
            cancelled: false,
            outcome: None,
            log_start_at: Some(now + LOG_START_AFTER),
            waiting,
        }
    }

    /// Reads reports until the solve ends or times out.
    async fn watch(&mut self, process: &mut SolverProcess, held: &mut HeldJob) -> Ending {
        let SolveMonitor { config, cancels, job, payload, .. } = self.monitor;
        let mut cancel = std::pin::pin!(cancels.wait_for(job));
        loop {
            let wake_at = self.wake_at();
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
                () = stopped(self.waiting.as_ref()) => self.withdraw_waiting(process).await,
                () = sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            self.watchdog.after_wait(now);
            if self.watchdog.has_expired(now) {
                process.kill().await;
                return self.ending_of_timeout();
            }
            if self.waiting.as_ref().is_some_and(|waiting| waiting.until <= now) {
                self.withdraw_waiting(process).await;
            }
            if self.log_start_at.is_some_and(|due| due <= now) {
                self.log_start_at = (!held.try_log_start()).then_some(now + LOG_START_AFTER);
            }
            self.live.log_due(now, &payload.model, &mut |kind| held.try_log(kind));
        }
    }

    /// When there is something to do, if no report arrives.
    fn wake_at(&mut self) -> Instant {
        let others = [self.log_start_at, self.waiting.as_ref().map(|waiting| waiting.until)];
        let due = self.watchdog.before_wait(Instant::now()).min(self.live.due());
        others.into_iter().flatten().fold(due, Instant::min)
    }

    /// Withdraws the waiting tasks from the solver process.
    async fn withdraw_waiting(&mut self, process: &mut SolverProcess) {
        if let Some(waiting) = self.waiting.take() {
            process.withdraw_rest().await;
            waiting.withdrawn.cancel();
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
            Kind::Incumbent(incumbent) => {
                self.events.record(&incumbent);
                self.live.record_incumbent(now, model, incumbent);
            }
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
        let Self { outcome, cancelled, events, .. } = self;
        events.finish();
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
    /// Of a solver process that died before it had read its task.
    pub(crate) fn died(death: Death) -> Self {
        Self::unread(Ending::Died(death))
    }

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

/// Waits until the waiting tasks have to be withdrawn at once; for ever if there are none.
async fn stopped(waiting: Option<&WaitingTasks<'_>>) {
    match waiting {
        Some(waiting) => waiting.stop.cancelled().await,
        None => std::future::pending().await,
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
