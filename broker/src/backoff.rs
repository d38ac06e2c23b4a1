use std::time::Duration;

/// Exponential backoff with jitter: the delay before a retry doubles up to a maximum, and is
/// randomised so that processes which lost the same broker do not reconnect all at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    /// The number of failures since the last success.
    failures: u32,
}

impl Backoff {
    /// Delays that start at `initial` and double up to `max`.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, failures: 0 }
    }

    /// Delays for a broker that does not answer: 100 ms to 5 s.
    pub(crate) fn for_broker() -> Self {
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
        let exponential = self.initial.saturating_mul(1 << self.failures.min(16)).min(self.max);
        exponential / 2 + (exponential / 2).mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_maximum_and_are_randomised() {
        let (initial, max) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(initial, max);
        assert_eq!((backoff.delay(0.0), backoff.delay(1.0)), (initial / 2, initial));
        for bound in [initial, initial * 2, max, max] {
            let delay = backoff.next_delay();
            assert!(delay >= bound / 2 && delay <= bound, "{delay:?} of {bound:?}");
        }
        backoff.failures = u32::MAX;
        assert_eq!(backoff.delay(1.0), max);
        backoff.reset();
        assert_eq!(backoff.delay(1.0), initial);
    }
}
