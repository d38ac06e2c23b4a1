//! The pause of optional lookups after one that had no answer.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// After a lookup without an answer, the optional lookups of possible duplicates are skipped for
/// this time, so that jobs do not wait for the lookup timeout one after another.
const LOOKUP_BACKOFF: Duration = Duration::from_secs(10);

/// When a lookup last had no answer.
#[derive(Debug, Default)]
pub(crate) struct LookupBackoff(Mutex<Option<Instant>>);

impl LookupBackoff {
    /// Records that a lookup had no answer.
    pub(crate) fn record_failure(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// Whether optional lookups are to be skipped.
    pub(crate) fn is_active(&self) -> bool {
        self.0.lock().is_some_and(|failure| failure.elapsed() < LOOKUP_BACKOFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn optional_lookups_are_skipped_for_a_while_after_a_failure() {
        let backoff = LookupBackoff::default();
        assert!(!backoff.is_active());
        backoff.record_failure();
        assert!(backoff.is_active());
        *backoff.0.lock() = Instant::now().checked_sub(LOOKUP_BACKOFF);
        assert!(!backoff.is_active());
    }
}
