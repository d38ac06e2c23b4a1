//! When a refused connection is logged. Strangers decide how many there are, so not each one is.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two log lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Counts refused connections between two log lines.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    count: u64,
    logged: Option<Instant>,
}

impl Refusals {
    /// Counts a refusal. Returns the number since the last log line if there is to be one now.
    pub(super) fn add(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.logged.is_some_and(|logged| now < logged + INTERVAL) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_once_per_interval_with_its_number() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        assert_eq!(refusals.add(start), Some(1));
        for _ in 0..1000 {
            assert_eq!(refusals.add(start + Duration::from_secs(1)), None);
        }
        assert_eq!(refusals.add(start + INTERVAL), Some(1001));
        assert_eq!(refusals.add(start + INTERVAL), None);
    }
}
