//! Limits the rate of requests, by key and by tenant.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{Caller, QuotaScope};

/// The requests of one burst: those of this time at the limit.
const BURST: Duration = Duration::from_secs(1);

/// For each key and tenant with a limit, the time at which its next request would be due at an
/// even rate: the generic cell rate algorithm (ITU-T I.371).
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<(QuotaScope, String), Instant>>);

/// A rate is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooFast {
    pub(crate) scope: QuotaScope,
    /// Requests a second.
    pub(crate) limit: u32,
    /// When the next request is permitted.
    pub(crate) retry: Duration,
}

impl Rates {
    /// Counts a request of a caller, unless it comes too soon.
    pub(crate) fn count(&self, caller: &Caller, now: Instant) -> Result<(), TooFast> {
        for (scope, name, quotas) in [
            (QuotaScope::Key, &caller.key, &caller.key_quotas),
            (QuotaScope::Tenant, &caller.tenant, &caller.tenant_quotas),
        ] {
            let Some(limit) = quotas.requests_per_second else { continue };
            let mut due = self.0.lock();
            let due = due.entry((scope, name.clone())).or_insert(now);
            let next = (*due).max(now) + Duration::from_secs(1) / limit;
            let wait = next.saturating_duration_since(now + BURST);
            if !wait.is_zero() {
                return Err(TooFast { scope, limit, retry: wait });
            }
            *due = next;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Quotas;

    #[test]
    fn a_second_of_requests_passes_at_once_and_then_an_even_rate() {
        let quotas = Quotas { requests_per_second: Some(10), ..Quotas::default() };
        let caller = Caller { key_quotas: quotas, ..(*Caller::anyone()).clone() };
        let (rates, start) = (Rates::default(), Instant::now());
        let passed = (0..50).filter(|_| rates.count(&caller, start).is_ok()).count();
        assert_eq!(passed, 10);
        let refused = rates.count(&caller, start).map_err(|it| it.retry);
        assert_eq!(refused, Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(500);
        assert_eq!((0..50).filter(|_| rates.count(&caller, later).is_ok()).count(), 5);
    }
}
