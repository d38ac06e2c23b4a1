//! Which of a solver's reports become progress entries of the log.

use std::time::Duration;

use solvemesh::{solver::v1::Incumbent, v1::Progress};
use tokio::time::Instant;

/// Lets progress through at most once an interval, the latest each time, and at
/// least once a heartbeat.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    told: Instant,
    latest: Progress,
    /// Whether the latest has not been told.
    fresh: bool,
    interval: Duration,
    heartbeat: Duration,
}

impl Pace {
    /// The pace of a solve that begins now. Nothing is told in its first interval.
    pub(crate) fn new(now: Instant, interval: Duration, heartbeat: Duration) -> Self {
        let heartbeat = heartbeat.max(interval);
        Self {
            began: now,
            told: now,
            latest: Progress::default(),
            fresh: false,
            interval,
            heartbeat,
        }
    }

    /// The solver told how far it is.
    pub(crate) fn report(&mut self, progress: Progress) {
        // One phase does not know what another one found; what was known stays so.
        let before = self.latest;
        self.latest = Progress {
            objective: progress.objective.or(before.objective),
            bound: progress.bound.or(before.bound),
            nodes: progress.nodes.max(before.nodes),
            iterations: progress.iterations.max(before.iterations),
            ..progress
        };
        // A bare sign of life is nothing to tell.
        self.fresh |= progress != Progress::default();
    }

    /// The solver found a better solution, which is told in another way.
    pub(crate) fn improve(&mut self, incumbent: &Incumbent) {
        self.latest.objective = known(incumbent.objective);
        self.latest.bound = incumbent.bound.and_then(known).or(self.latest.bound);
    }

    /// When there will be something to tell, if nothing else happens.
    pub(crate) fn due(&self) -> Instant {
        self.told + if self.fresh { self.interval } else { self.heartbeat }
    }

    /// The progress to be told now, if it is due.
    pub(crate) fn tell(&mut self, now: Instant) -> Option<Progress> {
        (now >= self.due()).then(|| self.told(now))
    }

    /// The progress to be told at the end, if it was not yet.
    pub(crate) fn last(&mut self, now: Instant) -> Option<Progress> {
        self.fresh.then(|| self.told(now))
    }

    fn told(&mut self, now: Instant) -> Progress {
        self.told = now;
        self.fresh = false;
        let mut progress = self.latest;
        progress.objective = progress.objective.and_then(known);
        progress.bound = progress.bound.and_then(known);
        progress.gap = gap(progress.objective, progress.bound);
        progress.elapsed = prost_types::Duration::try_from(now - self.began).ok();
        progress
    }

    /// The best bound that the solver has told.
    pub(crate) fn bound(&self) -> Option<f64> {
        self.latest.bound.and_then(known)
    }
}

/// A number that is one.
pub(crate) fn known(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// |bound - objective| / |objective|; 0 when both are 0, absent when the objective
/// alone is 0 or either is not known.
pub(crate) fn gap(objective: Option<f64>, bound: Option<f64>) -> Option<f64> {
    let (objective, bound) = (objective?, bound?);
    if objective == bound {
        return Some(0.0);
    }
    known((bound - objective).abs() / objective.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(500);
    const HEARTBEAT: Duration = Duration::from_secs(10);

    fn at(nodes: i64) -> Progress {
        Progress { nodes, ..Default::default() }
    }

    #[test]
    fn of_many_reports_the_latest_is_told_once_an_interval() {
        let start = Instant::now();
        let mut pace = Pace::new(start, INTERVAL, HEARTBEAT);
        let mut told = Vec::new();
        for step in 0..2000 {
            pace.report(at(step));
            let now = start + Duration::from_millis(step as u64);
            told.extend(pace.tell(now).map(|progress| progress.nodes));
        }
        assert_eq!(told, [500, 1000, 1500]);
    }

    #[test]
    fn the_last_report_is_told_even_when_no_other_follows() {
        let start = Instant::now();
        let mut pace = Pace::new(start, INTERVAL, HEARTBEAT);
        pace.report(at(7));
        assert_eq!(pace.due(), start + INTERVAL);
        assert_eq!(pace.tell(start + INTERVAL).map(|progress| progress.nodes), Some(7));
        assert_eq!(pace.tell(start + 2 * INTERVAL), None);
    }

    #[test]
    fn at_the_end_the_last_report_is_told_once_before_it_is_due() {
        let start = Instant::now();
        let mut pace = Pace::new(start, INTERVAL, HEARTBEAT);
        assert_eq!(pace.last(start), None);
        pace.report(at(7));
        assert_eq!(pace.last(start).map(|progress| progress.nodes), Some(7));
        assert_eq!(pace.last(start), None);
    }

    #[test]
    fn a_bare_sign_of_life_is_nothing_to_tell() {
        let mut pace = Pace::new(Instant::now(), INTERVAL, HEARTBEAT);
        pace.report(Progress::default());
        assert_eq!(pace.last(Instant::now()), None);
    }

    #[test]
    fn what_one_phase_found_stays_known_in_the_next() {
        let start = Instant::now();
        let mut pace = Pace::new(start, INTERVAL, HEARTBEAT);
        pace.report(Progress { objective: Some(4.0), bound: Some(2.0), ..at(9) });
        pace.report(Progress { iterations: 100, ..at(0) });
        let told = pace.last(start).unwrap_or_default();
        assert_eq!((told.objective, told.bound, told.gap), (Some(4.0), Some(2.0), Some(0.5)));
        assert_eq!((told.nodes, told.iterations), (9, 100));
    }

    #[test]
    fn a_silent_solver_still_has_a_heartbeat() {
        let start = Instant::now();
        let mut pace = Pace::new(start, INTERVAL, HEARTBEAT);
        assert_eq!(pace.due(), start + HEARTBEAT);
        let beat = pace.tell(start + HEARTBEAT);
        assert_eq!(beat.and_then(|p| p.elapsed).map(|elapsed| elapsed.seconds), Some(10));
    }

    #[test]
    fn no_more_than_a_second_passes_between_two_however_often_the_solver_reports() {
        let config = crate::config::WorkerConfig::default();
        for every in [1, 250, 499, 501, 890, 899, 901, 1_100, 5_000, u64::MAX] {
            let start = Instant::now();
            let mut pace = Pace::new(start, config.progress_interval, config.heartbeat);
            let mut last = Duration::ZERO;
            for millis in 1..20_000 {
                if millis % every == 0 {
                    pace.report(at(1));
                }
                let passed = Duration::from_millis(millis);
                if pace.tell(start + passed).is_some() {
                    let since = passed - last;
                    assert!(since >= config.progress_interval, "{every}: {since:?}");
                    last = passed;
                }
                assert!(passed - last < Duration::from_secs(1), "{every}: none since {last:?}");
            }
        }
    }

    #[test]
    fn an_incumbent_moves_objective_bound_and_gap() {
        let start = Instant::now();
        let mut pace = Pace::new(start, INTERVAL, HEARTBEAT);
        pace.report(Progress { bound: Some(12.0), nodes: 3, ..Default::default() });
        pace.improve(&Incumbent { objective: 10.0, bound: None, values: Vec::new() });
        let progress = pace.tell(start + INTERVAL).unwrap_or_default();
        assert_eq!(
            (progress.objective, progress.bound, progress.gap),
            (Some(10.0), Some(12.0), Some(0.2))
        );
        assert_eq!(progress.nodes, 3);
    }

    #[test]
    fn a_gap_that_is_no_number_is_absent() {
        assert_eq!(gap(Some(0.0), Some(0.0)), Some(0.0));
        assert_eq!(gap(Some(0.0), Some(1.0)), None);
        assert_eq!(gap(Some(-4.0), Some(-5.0)), Some(0.25));
        assert_eq!(gap(Some(1.0), Some(f64::INFINITY)), None);
        assert_eq!(gap(Some(1.0), None), None);
    }
}
