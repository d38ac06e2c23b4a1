//! What a solve reports while it runs: how far it has come, and better solutions.

use std::{
    io::{self, Write},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use solvemesh::{
    solver::v1::{Incumbent, LogText, Outcome, SolverReport, solver_report::Kind},
    v1::Progress,
};

use super::{
    highs::{MipSight, Sight},
    termination::{gap, known},
};
use crate::frame;

/// The shortest time between two reports of progress. A solve that is over sooner
/// makes none.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// The shortest time between two incumbents of a model with many variables.
const INCUMBENT_INTERVAL: Duration = Duration::from_millis(100);

/// From so many variables on, incumbents are large enough to be held back.
const MANY_VARIABLES: usize = 10_000;

/// How much of its log a solve tells, in bytes: some three thousand lines.
const LOG_BYTES: usize = 256 << 10;

/// The way to the worker. A full pipe blocks whoever reports, so nothing piles up.
pub(super) struct Reports(Mutex<Box<dyn Write + Send>>);

impl Reports {
    /// Reports go into `pipe`.
    pub(super) fn new(pipe: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(pipe)))
    }

    /// Sends a report about a task; 0 is none.
    ///
    /// # Errors
    ///
    /// When the worker no longer reads.
    pub(super) fn send(&self, task: u64, kind: Kind) -> io::Result<()> {
        frame::write(&mut *locked(&self.0), &SolverReport { task, kind: Some(kind) })
    }
}

/// One solve as its worker sees it: passes on what the solver tells, as often as is
/// good, and tells the solver when to stop.
pub(super) struct Monitor<'a> {
    reports: &'a Reports,
    task: u64,
    interrupt: &'a AtomicBool,
    started: Instant,
    held_back: Mutex<HeldBack>,
}

struct HeldBack {
    progress: Pace,
    incumbents: Pace,
    incumbent: Option<Incumbent>,
    /// How many bytes of the log may still be told.
    log_left: usize,
    /// How many lines of it were not.
    log_omitted: i64,
    error: Option<io::Error>,
}

impl<'a> Monitor<'a> {
    /// Watches the solve of `task`, which has begun and has so many variables.
    pub(super) fn new(
        reports: &'a Reports,
        task: u64,
        variables: usize,
        interrupt: &'a AtomicBool,
    ) -> Self {
        let many = variables >= MANY_VARIABLES;
        let interval = if many { INCUMBENT_INTERVAL } else { Duration::ZERO };
        let held_back = Mutex::new(HeldBack {
            progress: Pace { interval: PROGRESS_INTERVAL, next: PROGRESS_INTERVAL },
            incumbents: Pace { interval, next: Duration::ZERO },
            incumbent: None,
            log_left: LOG_BYTES,
            log_omitted: 0,
            error: None,
        });
        Self { reports, task, interrupt, started: Instant::now(), held_back }
    }

    /// Watches the solve of one scenario of `task`, which has begun. Of it only signs of life
    /// are passed on.
    pub(super) fn of_scenario(reports: &'a Reports, task: u64, interrupt: &'a AtomicBool) -> Self {
        let monitor = Self::new(reports, task, 0, interrupt);
        locked(&monitor.held_back).incumbents.next = Duration::MAX;
        monitor
    }

    /// How long the solve has taken so far.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether the solve is to stop.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Takes in what the solver tells, and says whether it is to go on.
    pub(super) fn observe(&self, sight: Sight<'_>) -> bool {
        let elapsed = self.elapsed();
        let mut held_back = locked(&self.held_back);
        if let Sight::Log(text) = sight {
            let sent = self.send_log(&mut held_back, &text);
            held_back.error = held_back.error.take().or(sent.err());
            return held_back.error.is_none() && !self.interrupted();
        }
        if let Sight::Improved(mip, values) = &sight {
            held_back.incumbent = Some(Incumbent {
                objective: mip.objective,
                bound: known(Some(mip.bound)),
                values: values.to_vec(),
            });
        }
        let mut sent = Ok(());
        if held_back.incumbent.is_some() && held_back.incumbents.due(elapsed) {
            sent = self.send_incumbent(&mut held_back);
        }
        if sent.is_ok() && held_back.progress.due(elapsed) {
            sent = self.reports.send(self.task, Kind::Progress(progress(&sight, elapsed)));
        }
        // Without a worker there is no one to solve for.
        held_back.error = held_back.error.take().or(sent.err());
        held_back.error.is_none() && !self.interrupted()
    }

    /// Sends what was held back, and the last progress of a solve that took its time.
    ///
    /// # Errors
    ///
    /// When the worker no longer reads, or did not before.
    pub(super) fn finish(self, outcome: &Outcome) -> io::Result<()> {
        let elapsed = self.elapsed();
        let mut held_back = locked(&self.held_back);
        if let Some(error) = held_back.error.take() {
            return Err(error);
        }
        self.send_incumbent(&mut held_back)?;
        if held_back.log_omitted > 0 {
            let text = LogText { text: String::new(), omitted: held_back.log_omitted };
            self.reports.send(self.task, Kind::Log(text))?;
        }
        if elapsed < PROGRESS_INTERVAL {
            return Ok(());
        }
        self.reports.send(self.task, Kind::Progress(last_progress(outcome, elapsed)))
    }

    /// Sends a piece of the log. From the first that is too much on, nothing more is sent.
    fn send_log(&self, held_back: &mut HeldBack, text: &str) -> io::Result<()> {
        if text.len() > held_back.log_left {
            held_back.log_left = 0;
            let lines = text.bytes().filter(|byte| *byte == b'\n').count();
            held_back.log_omitted += i64::try_from(lines).unwrap_or(i64::MAX);
            return Ok(());
        }
        held_back.log_left -= text.len();
        let text = LogText { text: text.to_owned(), omitted: 0 };
        self.reports.send(self.task, Kind::Log(text))
    }

    fn send_incumbent(&self, held_back: &mut HeldBack) -> io::Result<()> {
        let Some(incumbent) = held_back.incumbent.take() else { return Ok(()) };
        self.reports.send(self.task, Kind::Incumbent(incumbent))
    }
}

/// Lets something happen at most once in an interval.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    next: Duration,
}

impl Pace {
    /// Whether it may happen now; if so, it does.
    fn due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.interval;
        }
        due
    }
}

fn progress(sight: &Sight<'_>, elapsed: Duration) -> Progress {
    let elapsed = duration(elapsed);
    match sight {
        Sight::Log(_) => Progress { elapsed, ..Progress::default() },
        &Sight::Lp { iterations } => Progress { iterations, elapsed, ..Progress::default() },
        Sight::Mip(mip) | Sight::Improved(mip, _) => {
            let MipSight { objective, bound, nodes, iterations } = *mip;
            let (objective, bound) = (known(Some(objective)), known(Some(bound)));
            let gap = gap(objective, bound);
            Progress { objective, bound, gap, nodes, iterations, elapsed }
        }
    }
}

fn last_progress(outcome: &Outcome, elapsed: Duration) -> Progress {
    let result = outcome.result.clone().unwrap_or_default();
    let termination = result.termination.unwrap_or_default();
    let statistics = result.statistics.unwrap_or_default();
    Progress {
        objective: termination.objective,
        bound: termination.bound,
        gap: termination.gap,
        nodes: statistics.nodes,
        iterations: statistics.simplex_iterations + statistics.barrier_iterations,
        elapsed: duration(elapsed),
    }
}

/// A span of time for the wire.
pub(super) fn duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::samples::Pipe;

    const MIP: MipSight =
        MipSight { objective: 3.0, bound: f64::NEG_INFINITY, nodes: 1, iterations: 2 };

    fn incumbents(variables: usize) -> Vec<f64> {
        let pipe = Pipe::default();
        let reports = Reports::new(pipe.clone());
        let interrupt = AtomicBool::new(false);
        let monitor = Monitor::new(&reports, 1, variables, &interrupt);
        for objective in [5.0, 4.0, 3.0] {
            assert!(monitor.observe(Sight::Improved(MipSight { objective, ..MIP }, &[0.0])));
        }
        monitor.finish(&Outcome::default()).unwrap();
        let objective = |report: SolverReport| match report.kind {
            Some(Kind::Incumbent(incumbent)) => Some(incumbent.objective),
            _ => None,
        };
        pipe.reports().into_iter().filter_map(objective).collect()
    }

    #[test]
    fn every_incumbent_of_a_small_model_is_sent_at_once() {
        assert_eq!(incumbents(1), [5.0, 4.0, 3.0]);
    }

    #[test]
    fn of_the_incumbents_of_a_large_model_the_first_and_the_last_are_sent() {
        assert_eq!(incumbents(MANY_VARIABLES), [5.0, 3.0]);
    }

    #[test]
    fn a_pace_lets_one_through_in_an_interval() {
        let interval = Duration::from_millis(10);
        let mut pace = Pace { interval, next: Duration::ZERO };
        let due = [0, 1, 9, 10, 11, 25, 30, 35].map(|ms| pace.due(Duration::from_millis(ms)));
        assert_eq!(due, [true, false, false, true, false, true, false, true]);
    }

    #[test]
    fn a_bound_that_is_not_known_is_absent() {
        let progress = progress(&Sight::Mip(MIP), Duration::ZERO);
        assert_eq!((progress.objective, progress.bound, progress.gap), (Some(3.0), None, None));
    }

    #[test]
    fn the_log_is_sent_up_to_its_limit_and_then_counted() {
        let pipe = Pipe::default();
        let reports = Reports::new(pipe.clone());
        let interrupt = AtomicBool::new(false);
        let monitor = Monitor::new(&reports, 1, 1, &interrupt);
        let line = format!("{}\n", "x".repeat(LOG_BYTES / 4));
        for _ in 0..5 {
            assert!(monitor.observe(Sight::Log(line.as_str().into())));
        }
        assert!(monitor.observe(Sight::Log("short\n".into())));
        monitor.finish(&Outcome::default()).unwrap();
        let told = pipe.reports().into_iter().filter_map(|report| match report.kind {
            Some(Kind::Log(log)) => Some((log.text.len(), log.omitted)),
            _ => None,
        });
        let sent = (line.len(), 0);
        assert_eq!(told.collect::<Vec<_>>(), [sent, sent, sent, (0, 3)]);
    }

    #[test]
    fn an_interrupt_stops_the_solver() {
        let reports = Reports::new(Pipe::default());
        let interrupt = AtomicBool::new(false);
        let monitor = Monitor::new(&reports, 1, 1, &interrupt);
        assert!(monitor.observe(Sight::Mip(MIP)));
        interrupt.store(true, Ordering::Relaxed);
        assert!(!monitor.observe(Sight::Mip(MIP)));
    }
}
