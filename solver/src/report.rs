//! Reports of a running solve: progress, better solutions and the log, throttled.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use solvemesh::{
    frame,
    solver::v1::{Incumbent, LogText, Outcome, SolverReport, solver_report::Kind},
    v1::{Progress, SolveStatistics},
};

use solvemesh_model::{finite, relative_gap};

use super::highs::{CallbackEvent, MipProgress};

/// Minimum time between two progress reports. A shorter solve sends none.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Minimum time between two incumbents of a model with many variables.
const INCUMBENT_INTERVAL: Duration = Duration::from_millis(100);

/// Number of variables from which incumbents are large enough to be throttled.
const MANY_VARIABLES: usize = 10_000;

/// Maximum size of the log that a solve sends, in bytes: some three thousand lines.
const MAX_LOG_BYTES: usize = 256 << 10;

/// The pipe to the worker. A full pipe blocks the sender, so reports don't pile up in memory.
pub(super) struct Reports(Mutex<Box<dyn Write + Send>>);

impl Reports {
    /// Creates a sender of reports into `pipe`.
    pub(super) fn new(pipe: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(pipe)))
    }

    /// Sends a report about a task; 0 stands for no task.
    ///
    /// # Errors
    ///
    /// When the worker no longer reads.
    pub(super) fn send(&self, task: u64, kind: Kind) -> io::Result<()> {
        frame::write(&mut *self.0.lock(), &SolverReport { task, kind: Some(kind) })
    }
}

/// Monitors one solve: sends the solver's events to the worker, throttled, and stops the solver on
/// an interrupt.
pub(super) struct Monitor<'a> {
    reports: &'a Reports,
    task: u64,
    interrupt: &'a AtomicBool,
    started: Instant,
    state: Mutex<State>,
}

/// The part of a [`Monitor`] that changes. The solver may call it from several threads.
struct State {
    progress: Throttle,
    incumbents: Throttle,
    /// The latest incumbent, until it is sent.
    incumbent: Option<Incumbent>,
    /// Number of bytes of the log that may still be sent.
    log_bytes_left: usize,
    /// Number of lines of the log that were not sent.
    log_omitted: i64,
    /// The first error of sending, kept for [`Monitor::finish`].
    error: Option<io::Error>,
}

impl<'a> Monitor<'a> {
    /// Monitors the solve of `task`, whose clock starts now. `variables` is the size of its model.
    pub(super) fn new(
        reports: &'a Reports,
        task: u64,
        variables: usize,
        interrupt: &'a AtomicBool,
    ) -> Self {
        let many = variables >= MANY_VARIABLES;
        // An incumbent of a large model is a large message, and a MIP may find many in a second.
        let interval = if many { INCUMBENT_INTERVAL } else { Duration::ZERO };
        let state = Mutex::new(State {
            progress: Throttle { interval: PROGRESS_INTERVAL, next: PROGRESS_INTERVAL },
            incumbents: Throttle { interval, next: Duration::ZERO },
            incumbent: None,
            log_bytes_left: MAX_LOG_BYTES,
            log_omitted: 0,
            error: None,
        });
        Self { reports, task, interrupt, started: Instant::now(), state }
    }

    /// Monitors the solve of one scenario of `task`, whose clock starts now. It sends progress as a
    /// sign of life, but no incumbents.
    pub(super) fn of_scenario(reports: &'a Reports, task: u64, interrupt: &'a AtomicBool) -> Self {
        let monitor = Self::new(reports, task, 0, interrupt);
        // Never due.
        monitor.state.lock().incumbents.next = Duration::MAX;
        monitor
    }

    /// Monitors the solve of another model that answers the same task, with the same clock. Its
    /// incumbents are none of the task's model, so they are not sent.
    pub(super) fn without_incumbents(&self) -> Self {
        let monitor = Self::of_scenario(self.reports, self.task, self.interrupt);
        Self { started: self.started, ..monitor }
    }

    /// Time since the solve started.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether the solve should stop.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Handles an event of the solver; false asks the solver to stop.
    pub(super) fn observe(&self, event: CallbackEvent<'_>) -> bool {
        let elapsed = self.elapsed();
        let mut state = self.state.lock();
        if let CallbackEvent::Log(text) = event {
            let sent = self.send_log(&mut state, &text);
            state.error = state.error.take().or(sent.err());
            return state.error.is_none() && !self.interrupted();
        }
        if let CallbackEvent::Incumbent(mip, values) = &event {
            // Replaces one that was not sent yet: only the latest is worth sending.
            state.incumbent = Some(Incumbent {
                objective: mip.objective,
                bound: finite(mip.bound),
                values: values.to_vec(),
            });
        }
        let mut sent = Ok(());
        if state.incumbent.is_some() && state.incumbents.due(elapsed) {
            sent = self.send_incumbent(&mut state);
        }
        if sent.is_ok() && state.progress.due(elapsed) {
            sent = self.reports.send(self.task, Kind::Progress(progress(&event, elapsed)));
        }
        // If the worker no longer reads, nobody needs the result: stop the solve. The first error
        // is kept, because later ones only follow from it.
        state.error = state.error.take().or(sent.err());
        state.error.is_none() && !self.interrupted()
    }

    /// Sends the incumbent that was held back, the number of omitted log lines, and, after a solve
    /// that was long enough for it, the last progress.
    ///
    /// # Errors
    ///
    /// When the worker no longer reads, now or in an earlier report.
    pub(super) fn finish(self, outcome: &Outcome) -> io::Result<()> {
        let elapsed = self.elapsed();
        let mut state = self.state.lock();
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        self.send_incumbent(&mut state)?;
        if state.log_omitted > 0 {
            let text = LogText { text: String::new(), omitted: state.log_omitted };
            self.reports.send(self.task, Kind::Log(text))?;
        }
        if elapsed < PROGRESS_INTERVAL {
            return Ok(());
        }
        self.reports.send(self.task, Kind::Progress(last_progress(outcome, elapsed)))
    }

    /// Sends a piece of the log. After the first piece that exceeds the limit, nothing more is
    /// sent, so that lines are missing only at the end.
    fn send_log(&self, state: &mut State, text: &str) -> io::Result<()> {
        if text.len() > state.log_bytes_left {
            state.log_bytes_left = 0;
            let lines = text.bytes().filter(|byte| *byte == b'\n').count();
            state.log_omitted += i64::try_from(lines).unwrap_or(i64::MAX);
            return Ok(());
        }
        state.log_bytes_left -= text.len();
        let text = LogText { text: text.to_owned(), omitted: 0 };
        self.reports.send(self.task, Kind::Log(text))
    }

    /// Sends the incumbent that was held back, if there is one.
    fn send_incumbent(&self, state: &mut State) -> io::Result<()> {
        let Some(incumbent) = state.incumbent.take() else { return Ok(()) };
        self.reports.send(self.task, Kind::Incumbent(incumbent))
    }
}

/// Allows an event at most once in an interval. Times count from the start of the solve.
#[derive(Debug)]
struct Throttle {
    interval: Duration,
    next: Duration,
}

impl Throttle {
    /// Whether the event is allowed now. If so, it counts as having happened.
    fn due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.interval;
        }
        due
    }
}

/// The progress that an event of the solver shows.
fn progress(event: &CallbackEvent<'_>, elapsed: Duration) -> Progress {
    let elapsed = duration(elapsed);
    match event {
        CallbackEvent::Log(_) => Progress { elapsed, ..Progress::default() },
        &CallbackEvent::Lp { iterations } => {
            Progress { iteration_count: Some(iterations), elapsed, ..Progress::default() }
        }
        CallbackEvent::Mip(mip) | CallbackEvent::Incumbent(mip, _) => {
            let MipProgress { objective, bound, nodes, iterations } = *mip;
            let (objective, bound) = (finite(objective), finite(bound));
            Progress {
                objective,
                objective_bound: bound,
                relative_gap: relative_gap(objective, bound),
                node_count: Some(nodes),
                iteration_count: Some(iterations),
                elapsed,
            }
        }
    }
}

/// The progress at the end of a solve.
fn last_progress(outcome: &Outcome, elapsed: Duration) -> Progress {
    let result = outcome.result.clone().unwrap_or_default();
    let termination = result.termination.unwrap_or_default();
    let statistics = result.statistics.unwrap_or_default();
    Progress {
        objective: termination.objective,
        objective_bound: termination.objective_bound,
        relative_gap: termination.relative_gap,
        node_count: statistics.node_count,
        iteration_count: iteration_count(&statistics),
        elapsed: duration(elapsed),
    }
}

/// The number of iterations of both methods that solve LPs; `None` if neither ran.
pub(super) fn iteration_count(statistics: &SolveStatistics) -> Option<i64> {
    let SolveStatistics { simplex_iteration_count, barrier_iteration_count, .. } = statistics;
    add_counts(*simplex_iteration_count, *barrier_iteration_count)
}

/// The sum of two counts; `None` if neither is known.
pub(super) fn add_counts(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or(0) + other.unwrap_or(0)),
    }
}

/// Converts a duration to its protobuf message; `None` if that can't hold it.
pub(super) fn duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::samples::Pipe;

    const MIP: MipProgress =
        MipProgress { objective: 3.0, bound: f64::NEG_INFINITY, nodes: 1, iterations: 2 };

    fn incumbents(variables: usize) -> Vec<f64> {
        let pipe = Pipe::default();
        let reports = Reports::new(pipe.clone());
        let interrupt = AtomicBool::new(false);
        let monitor = Monitor::new(&reports, 1, variables, &interrupt);
        for objective in [5.0, 4.0, 3.0] {
            assert!(
                monitor.observe(CallbackEvent::Incumbent(MipProgress { objective, ..MIP }, &[0.0]))
            );
        }
        monitor.finish(&Outcome::default()).unwrap();
        let objective = |report: SolverReport| match report.kind {
            Some(Kind::Incumbent(incumbent)) => Some(incumbent.objective),
            _ => None,
        };
        pipe.reports().into_iter().filter_map(objective).collect()
    }

    #[test]
    fn incumbents_of_a_small_model_are_sent_at_once() {
        assert_eq!(incumbents(1), [5.0, 4.0, 3.0]);
    }

    #[test]
    fn incumbents_of_a_large_model_are_throttled_to_the_first_and_the_last() {
        assert_eq!(incumbents(MANY_VARIABLES), [5.0, 3.0]);
    }

    #[test]
    fn throttle_allows_one_event_per_interval() {
        let interval = Duration::from_millis(10);
        let mut throttle = Throttle { interval, next: Duration::ZERO };
        let due = [0, 1, 9, 10, 11, 25, 30, 35].map(|ms| throttle.due(Duration::from_millis(ms)));
        assert_eq!(due, [true, false, false, true, false, true, false, true]);
    }

    #[test]
    fn unknown_bound_is_absent() {
        let progress = progress(&CallbackEvent::Mip(MIP), Duration::ZERO);
        assert_eq!(
            (progress.objective, progress.objective_bound, progress.relative_gap),
            (Some(3.0), None, None)
        );
    }

    #[test]
    fn log_is_sent_up_to_its_limit_and_then_counted() {
        let pipe = Pipe::default();
        let reports = Reports::new(pipe.clone());
        let interrupt = AtomicBool::new(false);
        let monitor = Monitor::new(&reports, 1, 1, &interrupt);
        let line = format!("{}\n", "x".repeat(MAX_LOG_BYTES / 4));
        for _ in 0..5 {
            assert!(monitor.observe(CallbackEvent::Log(line.as_str().into())));
        }
        assert!(monitor.observe(CallbackEvent::Log("short\n".into())));
        monitor.finish(&Outcome::default()).unwrap();
        let logs = pipe.reports().into_iter().filter_map(|report| match report.kind {
            Some(Kind::Log(log)) => Some((log.text.len(), log.omitted)),
            _ => None,
        });
        let sent = (line.len(), 0);
        assert_eq!(logs.collect::<Vec<_>>(), [sent, sent, sent, (0, 3)]);
    }

    #[test]
    fn interrupt_stops_the_solver() {
        let reports = Reports::new(Pipe::default());
        let interrupt = AtomicBool::new(false);
        let monitor = Monitor::new(&reports, 1, 1, &interrupt);
        assert!(monitor.observe(CallbackEvent::Mip(MIP)));
        interrupt.store(true, Ordering::Relaxed);
        assert!(!monitor.observe(CallbackEvent::Mip(MIP)));
    }
}
