use std::time::Duration;

/// Exponential backoff with jitter: the delay before a retry doubles up to a maximum, and is
/// randomised so that processes which lost the same broker do not reconnect all at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// The number of failures since the last success.
    failures: u32,
}

impl Backoff {
    /// Delays from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Delays for a broker that does not answer: 100 ms to 5 s.
    pub(crate) fn of_broker() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// Resets the delay after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The delay before the next retry, after one more failure: between half and all of the
    /// exponential one.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.delay(fastrand::f64());
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// The delay for a random number in [0, 1).
    fn delay(&self, random: f64) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        whole / 2 + (whole / 2).mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_maximum_and_are_randomised() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(first, longest);
        assert_eq!((backoff.delay(0.0), backoff.delay(1.0)), (first / 2, first));
        for most in [first, first * 2, longest, longest] {
            let delay = backoff.next_delay();
            assert!(delay >= most / 2 && delay <= most, "{delay:?} of {most:?}");
        }
        backoff.failures = u32::MAX;
        assert_eq!(backoff.delay(1.0), longest);
        backoff.reset();
        assert_eq!(backoff.delay(1.0), first);
    }
}
