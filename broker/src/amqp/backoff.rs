use std::time::Duration;

use uuid::Uuid;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// How long to wait before trying again: doubling, up to a bound, and spread so that
/// processes which lost the same broker don't come back all at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next failure is the first.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed once more.
    pub(super) fn next(&mut self) -> Duration {
        let delay = delay(self.failures, Uuid::new_v4().as_bytes()[0]);
        self.failures = self.failures.saturating_add(1);
        delay
    }
}

/// Between half and all of the doubled delay.
fn delay(failures: u32, random: u8) -> Duration {
    let whole = FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST);
    whole / 2 + whole / 2 * u32::from(random) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound_and_are_spread() {
        assert_eq!(delay(0, 255), FIRST);
        assert_eq!(delay(0, 0), FIRST / 2);
        assert_eq!(delay(1, 255), FIRST * 2);
        assert_eq!(delay(u32::MAX, 255), LONGEST);
    }
}
