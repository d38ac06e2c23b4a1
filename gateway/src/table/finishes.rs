//! How the lanes have done lately: how many of their jobs finished, and how long those took.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use prost_types::Timestamp;

use crate::table::{Fold, Record};

/// The window of the finish rate, in seconds.
const WINDOW: i64 = 60;
/// The number of solve times of which the mean is taken. Few, so that it follows a change of the
/// kind of jobs; enough that one long job does not decide.
const MAX_SOLVES: usize = 32;
/// Solve times older than this, in seconds, do not count.
const MAX_SOLVE_AGE: i64 = 60 * 60;

/// The recent finishes of all lanes. Not part of the fold, because a gateway that starts from a
/// snapshot knows only those after it.
#[derive(Debug, Default)]
pub(super) struct RecentFinishes(Mutex<BTreeMap<String, LaneFinishes>>);

/// The recent finishes of a lane. Times are in seconds since 1970, of the log's entries.
#[derive(Clone, Debug, Default, PartialEq)]
struct LaneFinishes {
    /// The number of jobs that finished in a second, for the seconds of the window that have any.
    counts: VecDeque<(i64, u64)>,
    /// When the latest jobs finished, and how long they took to solve.
    solves: VecDeque<(i64, Duration)>,
}

/// How a lane has done lately.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LanePace {
    /// Jobs per second that finished in the last minute.
    pub(crate) finish_rate: f64,
    /// The mean time that the latest jobs took to solve.
    pub(crate) mean_solve: Option<Duration>,
}

impl RecentFinishes {
    /// Adds jobs whose end was read at `now` (seconds since 1970). Those that no worker took do not
    /// count.
    pub(super) fn update(&self, fold: &Fold, finished: &[Arc<str>], now: i64) {
        let mut lanes = self.0.lock();
        for job in finished.iter().filter_map(|id| fold.job(id)) {
            if let Some((finish, solve)) = solve_time(&job) {
                // A clock that is ahead must not push the finishes of others out of the window.
                let finish = finish.min(now);
                lanes.entry(job.description.lane.clone()).or_default().add(finish, solve);
            }
        }
    }

    /// How each lane has done lately, at `now` (seconds since 1970).
    pub(super) fn paces(&self, now: i64) -> BTreeMap<String, LanePace> {
        self.0.lock().iter().map(|(lane, finishes)| (lane.clone(), finishes.pace(now))).collect()
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// When a job finished, and the time since its last attempt started.
pub(super) fn solve_time(job: &Record) -> Option<(i64, Duration)> {
    let start = job.attempts.last()?.start_time?;
    let finish = job.finish_time()?;
    // Negative if the clocks of two workers differ.
    let solve = nanos(finish).saturating_sub(nanos(start));
    Some((finish.seconds, Duration::from_nanos(u64::try_from(solve).unwrap_or(0))))
}

fn nanos(time: Timestamp) -> i128 {
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

impl LaneFinishes {
    fn add(&mut self, finish: i64, solve: Duration) {
        // In order, although the clocks of the workers differ.
        match self.counts.binary_search_by_key(&finish, |(second, _)| *second) {
            Ok(place) => {
                if let Some((_, count)) = self.counts.get_mut(place) {
                    *count += 1;
                }
            }
            Err(place) => self.counts.insert(place, (finish, 1)),
        }
        let latest = self.counts.back().map_or(finish, |(second, _)| *second);
        while self.counts.front().is_some_and(|(second, _)| *second <= latest - WINDOW) {
            self.counts.pop_front();
        }
        self.solves.push_back((finish, solve));
        if self.solves.len() > MAX_SOLVES {
            self.solves.pop_front();
        }
    }

    fn pace(&self, now: i64) -> LanePace {
        let in_window = self.counts.iter().filter(|(second, _)| *second > now - WINDOW);
        let count: u64 = in_window.map(|(_, count)| count).sum();
        let recent = self.solves.iter().filter(|(finish, _)| *finish > now - MAX_SOLVE_AGE);
        let (number, total) = recent
            .fold((0_u32, Duration::ZERO), |(number, total), (_, solve)| {
                (number + 1, total.saturating_add(*solve))
            });
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let finish_rate = count as f64 / WINDOW as f64;
        LanePace { finish_rate, mean_solve: total.checked_div(number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_last_minute_and_the_mean_of_the_last_solves() {
        let mut lane = LaneFinishes::default();
        for second in 0..120 {
            for _ in 0..3 {
                lane.add(1000 + second, Duration::from_secs(2));
            }
        }
        let pace = lane.pace(1119);
        assert_eq!(pace, LanePace { finish_rate: 3.0, mean_solve: Some(Duration::from_secs(2)) });
        assert!(lane.counts.len() <= 60 && lane.solves.len() == MAX_SOLVES);
        assert_eq!(lane.pace(1149).finish_rate, 1.5);
        assert_eq!(lane.pace(1119 + MAX_SOLVE_AGE), LanePace::default());
    }

    #[test]
    fn finishes_by_clocks_that_differ_all_count() {
        let mut lane = LaneFinishes::default();
        for second in [10, 12, 11, 12, 9] {
            lane.add(second, Duration::ZERO);
        }
        assert_eq!(lane.counts, [(9, 1), (10, 1), (11, 1), (12, 2)]);
    }
}
