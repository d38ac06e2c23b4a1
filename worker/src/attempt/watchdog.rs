//! How long a solver process is waited for.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time between two looks at the clock.
const LOOK: Duration = Duration::from_millis(500);
/// No timer is so late, however busy the machine: this process itself was stopped.
const LATE: Duration = Duration::from_secs(1);

/// How long a solver process is waited for. A time in which this process itself was
/// stopped does not count, and what the solver told meanwhile is to be heard after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    ends_at: Instant,
    /// When the clock is looked at again, at the latest.
    look_at: Instant,
}

impl Patience {
    pub(crate) fn new(now: Instant, patience: Duration) -> Self {
        Self { ends_at: now + patience, look_at: now }
    }

    /// It ends so soon from now on, if it does not before.
    pub(crate) fn shorten(&mut self, now: Instant, patience: Duration) {
        self.look(now);
        self.ends_at = self.ends_at.min(now + patience);
    }

    /// Begins to wait; tells when to look at the clock again.
    pub(crate) fn wait(&mut self, now: Instant) -> Instant {
        self.look_at = self.ends_at.min(now + LOOK).max(now);
        self.look_at
    }

    /// Looks at the clock after a wait, however that ended.
    pub(crate) fn look(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.look_at);
        if late > LATE {
            self.ends_at += late + LATE;
        }
        self.look_at = self.look_at.max(now);
    }

    /// Whether it is at its end.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.ends_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn waiting() -> (Instant, Patience) {
        let now = Instant::now();
        (now, Patience::new(now, PATIENCE))
    }

    /// Waits as often as it takes, each time as long as it says.
    fn end_of(mut patience: Patience, mut now: Instant) -> Instant {
        while !patience.is_over(now) {
            now = patience.wait(now);
            patience.look(now);
        }
        now
    }

    #[test]
    fn it_ends_on_time_however_often_it_is_looked_at() {
        let (now, mut patience) = waiting();
        assert_eq!(end_of(patience, now), now + PATIENCE);
        for tenths in 0..100 {
            let now = now + Duration::from_millis(100 * tenths);
            patience.look(now);
            patience.wait(now);
        }
        assert_eq!(end_of(patience, now), now + PATIENCE);
    }

    #[test]
    fn a_stop_does_not_count_wherever_it_falls() {
        for before in [0, 2, 8, 9] {
            for stop in [2, 5, 100] {
                let (now, mut patience) = waiting();
                let stopped = now + Duration::from_secs(before);
                patience.wait(stopped);
                let again = stopped + Duration::from_secs(stop);
                patience.look(again);
                assert!(!patience.is_over(again), "{stop} s after {before} s");
                let end = end_of(patience, again);
                let due = now + PATIENCE + Duration::from_secs(stop);
                assert!(end >= due && end <= due + LATE, "{stop} s after {before} s");
            }
        }
    }

    #[test]
    fn a_stop_just_before_the_end_leaves_time_to_hear_what_was_told() {
        let (now, mut patience) = waiting();
        let stopped = now + PATIENCE - Duration::from_millis(1);
        patience.wait(stopped);
        let again = stopped + Duration::from_secs(3);
        patience.look(again);
        assert!(!patience.is_over(again));
        assert!(end_of(patience, again) >= again + LATE);
    }

    #[test]
    fn it_can_only_be_shortened() {
        let (now, mut patience) = waiting();
        patience.shorten(now, PATIENCE * 2);
        assert_eq!(end_of(patience, now), now + PATIENCE);
        patience.shorten(now, PATIENCE / 2);
        assert_eq!(end_of(patience, now), now + PATIENCE / 2);
    }

    #[test]
    fn what_it_was_shortened_to_after_a_stop_is_all_of_it() {
        let (now, mut patience) = waiting();
        patience.wait(now);
        let again = now + PATIENCE * 2;
        patience.shorten(again, LATE);
        patience.look(again);
        assert_eq!(end_of(patience, again), again + LATE);
    }

    #[test]
    fn a_busy_machine_does_not_prolong_it() {
        let (mut now, mut patience) = waiting();
        let began = now;
        while !patience.is_over(now) {
            now = patience.wait(now) + LATE / 2;
            patience.look(now);
        }
        assert!(now <= began + PATIENCE + LATE);
    }
}
