//! Throttles a solver's progress reports to entries of the results log.

use std::time::Duration;

use solvemesh::{solver::v1::Incumbent, v1::Progress};
use solvemesh_model::{finite, relative_gap};
use tokio::time::Instant;

/// Throttle: passes the latest progress at most once per interval, and at least once per
/// heartbeat.
#[derive(Debug)]
pub(crate) struct ProgressThrottle {
    began: Instant,
    /// When progress was last passed on.
    logged_at: Instant,
    latest: Progress,
    /// Whether `latest` has not been passed on yet.
    is_unlogged: bool,
    interval: Duration,
    heartbeat: Duration,
}

impl ProgressThrottle {
    /// For a solve that starts now. Nothing is passed on in the first interval.
    pub(crate) fn new(now: Instant, interval: Duration, heartbeat: Duration) -> Self {
        let heartbeat = heartbeat.max(interval);
        Self {
            began: now,
            logged_at: now,
            latest: Progress::default(),
            is_unlogged: false,
            interval,
            heartbeat,
        }
    }

    /// Records a progress report.
    pub(crate) fn record(&mut self, progress: Progress) {
        // A phase of the solver reports only its own numbers: keep those of earlier phases.
        let before = self.latest;
        self.latest = Progress {
            objective: progress.objective.or(before.objective),
            objective_bound: progress.objective_bound.or(before.objective_bound),
            node_count: progress.node_count.max(before.node_count),
            iteration_count: progress.iteration_count.max(before.iteration_count),
            ..progress
        };
        // An empty report only shows that the solver is alive.
        self.is_unlogged |= progress != Progress::default();
    }

    /// Takes over the numbers of a better solution. No progress entry becomes due: the solution is
    /// logged as an incumbent.
    pub(crate) fn record_incumbent(&mut self, incumbent: &Incumbent) {
        self.latest.objective = finite(incumbent.objective);
        self.latest.objective_bound =
            incumbent.bound.and_then(finite).or(self.latest.objective_bound);
    }

    /// When the next progress is due, if no more reports are received.
    pub(crate) fn due(&self) -> Instant {
        self.logged_at + if self.is_unlogged { self.interval } else { self.heartbeat }
    }

    /// Takes the progress to log now, if it is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Progress> {
        (now >= self.due()).then(|| self.take(now))
    }

    /// Takes the progress to log at the end, if it has not been logged.
    pub(crate) fn take_last(&mut self, now: Instant) -> Option<Progress> {
        self.is_unlogged.then(|| self.take(now))
    }

    fn take(&mut self, now: Instant) -> Progress {
        self.logged_at = now;
        self.is_unlogged = false;
        let mut progress = self.latest;
        progress.objective = progress.objective.and_then(finite);
        progress.objective_bound = progress.objective_bound.and_then(finite);
        progress.relative_gap = relative_gap(progress.objective, progress.objective_bound);
        progress.elapsed = prost_types::Duration::try_from(now - self.began).ok();
        progress
    }

    /// The latest bound that the solver has reported.
    pub(crate) fn bound(&self) -> Option<f64> {
        self.latest.objective_bound.and_then(finite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(500);
    const HEARTBEAT: Duration = Duration::from_secs(10);

    fn at(nodes: i64) -> Progress {
        Progress { node_count: Some(nodes), ..Default::default() }
    }

    #[test]
    fn the_latest_report_is_logged_once_per_interval() {
        let start = Instant::now();
        let mut throttle = ProgressThrottle::new(start, INTERVAL, HEARTBEAT);
        let mut logged = Vec::new();
        for step in 0..2000 {
            throttle.record(at(step));
            let now = start + Duration::from_millis(step as u64);
            logged.extend(throttle.take_due(now).map(|progress| progress.node_count));
        }
        assert_eq!(logged, [500, 1000, 1500].map(Some));
    }

    #[test]
    fn a_single_report_is_logged_after_the_interval() {
        let start = Instant::now();
        let mut throttle = ProgressThrottle::new(start, INTERVAL, HEARTBEAT);
        throttle.record(at(7));
        assert_eq!(throttle.due(), start + INTERVAL);
        assert_eq!(
            throttle.take_due(start + INTERVAL).map(|progress| progress.node_count),
            Some(Some(7))
        );
        assert_eq!(throttle.take_due(start + 2 * INTERVAL), None);
    }

    #[test]
    fn at_the_end_the_last_report_is_logged_once_before_it_is_due() {
        let start = Instant::now();
        let mut throttle = ProgressThrottle::new(start, INTERVAL, HEARTBEAT);
        assert_eq!(throttle.take_last(start), None);
        throttle.record(at(7));
        assert_eq!(throttle.take_last(start).map(|progress| progress.node_count), Some(Some(7)));
        assert_eq!(throttle.take_last(start), None);
    }

    #[test]
    fn an_empty_report_is_not_logged() {
        let mut throttle = ProgressThrottle::new(Instant::now(), INTERVAL, HEARTBEAT);
        throttle.record(Progress::default());
        assert_eq!(throttle.take_last(Instant::now()), None);
    }

    #[test]
    fn the_numbers_of_earlier_phases_are_kept() {
        let start = Instant::now();
        let mut throttle = ProgressThrottle::new(start, INTERVAL, HEARTBEAT);
        throttle.record(Progress { objective: Some(4.0), objective_bound: Some(2.0), ..at(9) });
        throttle.record(Progress { iteration_count: Some(100), ..at(0) });
        let logged = throttle.take_last(start).unwrap_or_default();
        assert_eq!(
            (logged.objective, logged.objective_bound, logged.relative_gap),
            (Some(4.0), Some(2.0), Some(0.5))
        );
        assert_eq!((logged.node_count, logged.iteration_count), (Some(9), Some(100)));
    }

    #[test]
    fn a_heartbeat_is_logged_without_reports() {
        let start = Instant::now();
        let mut throttle = ProgressThrottle::new(start, INTERVAL, HEARTBEAT);
        assert_eq!(throttle.due(), start + HEARTBEAT);
        let beat = throttle.take_due(start + HEARTBEAT);
        assert_eq!(beat.and_then(|p| p.elapsed).map(|elapsed| elapsed.seconds), Some(10));
    }

    #[test]
    fn entries_are_at_most_a_second_apart_at_any_report_rate() {
        let config = crate::config::WorkerConfig::default();
        for every in [1, 250, 499, 501, 890, 899, 901, 1_100, 5_000, u64::MAX] {
            let start = Instant::now();
            let mut throttle =
                ProgressThrottle::new(start, config.progress_interval, config.heartbeat);
            let mut last = Duration::ZERO;
            for millis in 1..20_000 {
                if millis % every == 0 {
                    throttle.record(at(1));
                }
                let passed = Duration::from_millis(millis);
                if throttle.take_due(start + passed).is_some() {
                    let since = passed - last;
                    assert!(since >= config.progress_interval, "{every}: {since:?}");
                    last = passed;
                }
                assert!(passed - last < Duration::from_secs(1), "{every}: none since {last:?}");
            }
        }
    }

    #[test]
    fn an_incumbent_updates_objective_bound_and_gap() {
        let start = Instant::now();
        let mut throttle = ProgressThrottle::new(start, INTERVAL, HEARTBEAT);
        throttle.record(Progress {
            objective_bound: Some(12.0),
            node_count: Some(3),
            ..Default::default()
        });
        throttle.record_incumbent(&Incumbent { objective: 10.0, bound: None, values: Vec::new() });
        let progress = throttle.take_due(start + INTERVAL).unwrap_or_default();
        assert_eq!(
            (progress.objective, progress.objective_bound, progress.relative_gap),
            (Some(10.0), Some(12.0), Some(0.2))
        );
        assert_eq!(progress.node_count, Some(3));
    }
}
