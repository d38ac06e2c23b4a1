//! The timeout of a solver process, which does not count time in which this process was
//! suspended.

use std::time::Duration;

use tokio::time::Instant;

/// Maximum time between two checks of the clock.
const MAX_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// A wake-up that is later than this is taken as a suspension of this process: even on a busy
/// machine, timers are not that late.
const SUSPENDED_AFTER: Duration = Duration::from_secs(1);

/// A timeout that ignores time in which this process itself was suspended (SIGSTOP, a paused
/// VM). A late wake-up extends it by the lateness plus [`SUSPENDED_AFTER`], so that reports
/// that were buffered meanwhile are read before it expires.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watchdog {
    expires_at: Instant,
    /// When the next check is due. A check that is much later reveals a suspension.
    next_check: Instant,
}

impl Watchdog {
    pub(crate) fn new(now: Instant, timeout: Duration) -> Self {
        Self { expires_at: now + timeout, next_check: now }
    }

    /// Ends the timeout after `timeout` from now, unless it ends earlier already.
    pub(crate) fn shorten(&mut self, now: Instant, timeout: Duration) {
        self.after_wait(now);
        self.expires_at = self.expires_at.min(now + timeout);
    }

    /// Call before every wait: returns when to wake up, at the latest.
    pub(crate) fn before_wait(&mut self, now: Instant) -> Instant {
        self.next_check = self.expires_at.min(now + MAX_CHECK_INTERVAL).max(now);
        self.next_check
    }

    /// Call after every wait, however it ended: extends the timeout after a suspension.
    pub(crate) fn after_wait(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.next_check);
        if late > SUSPENDED_AFTER {
            self.expires_at += late + SUSPENDED_AFTER;
        }
        self.next_check = self.next_check.max(now);
    }

    /// Whether the timeout has expired.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        now >= self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn waiting() -> (Instant, Watchdog) {
        let now = Instant::now();
        (now, Watchdog::new(now, TIMEOUT))
    }

    /// Waits until the timeout expires; each wait ends exactly when it should.
    fn expiry_of(mut watchdog: Watchdog, mut now: Instant) -> Instant {
        while !watchdog.has_expired(now) {
            now = watchdog.before_wait(now);
            watchdog.after_wait(now);
        }
        now
    }

    #[test]
    fn it_expires_on_time_however_often_it_is_checked() {
        let (now, mut watchdog) = waiting();
        assert_eq!(expiry_of(watchdog, now), now + TIMEOUT);
        for tenths in 0..100 {
            let now = now + Duration::from_millis(100 * tenths);
            watchdog.after_wait(now);
            watchdog.before_wait(now);
        }
        assert_eq!(expiry_of(watchdog, now), now + TIMEOUT);
    }

    #[test]
    fn a_suspension_does_not_count_whenever_it_happens() {
        for before in [0, 2, 8, 9] {
            for stop in [2, 5, 100] {
                let (now, mut watchdog) = waiting();
                let stopped = now + Duration::from_secs(before);
                watchdog.before_wait(stopped);
                let again = stopped + Duration::from_secs(stop);
                watchdog.after_wait(again);
                assert!(!watchdog.has_expired(again), "{stop} s after {before} s");
                let end = expiry_of(watchdog, again);
                let due = now + TIMEOUT + Duration::from_secs(stop);
                assert!(end >= due && end <= due + SUSPENDED_AFTER, "{stop} s after {before} s");
            }
        }
    }

    #[test]
    fn a_suspension_just_before_expiry_leaves_time_to_read_reports() {
        let (now, mut watchdog) = waiting();
        let stopped = now + TIMEOUT - Duration::from_millis(1);
        watchdog.before_wait(stopped);
        let again = stopped + Duration::from_secs(3);
        watchdog.after_wait(again);
        assert!(!watchdog.has_expired(again));
        assert!(expiry_of(watchdog, again) >= again + SUSPENDED_AFTER);
    }

    #[test]
    fn it_can_only_be_shortened() {
        let (now, mut watchdog) = waiting();
        watchdog.shorten(now, TIMEOUT * 2);
        assert_eq!(expiry_of(watchdog, now), now + TIMEOUT);
        watchdog.shorten(now, TIMEOUT / 2);
        assert_eq!(expiry_of(watchdog, now), now + TIMEOUT / 2);
    }

    #[test]
    fn a_suspension_before_shortening_does_not_extend_it_afterwards() {
        let (now, mut watchdog) = waiting();
        watchdog.before_wait(now);
        let again = now + TIMEOUT * 2;
        watchdog.shorten(again, SUSPENDED_AFTER);
        watchdog.after_wait(again);
        assert_eq!(expiry_of(watchdog, again), again + SUSPENDED_AFTER);
    }

    #[test]
    fn a_busy_machine_does_not_extend_it() {
        let (mut now, mut watchdog) = waiting();
        let began = now;
        while !watchdog.has_expired(now) {
            now = watchdog.before_wait(now) + SUSPENDED_AFTER / 2;
            watchdog.after_wait(now);
        }
        assert!(now <= began + TIMEOUT + SUSPENDED_AFTER);
    }
}
