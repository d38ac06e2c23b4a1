//! Quotas of keys and tenants, and what they have used.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use prost::Message as _;
use solvemesh::v1::{DayUsage, GetUsageResponse, JobDescription, LiveUsage};

use super::Jobs;
use crate::{
    access::{Caller, QuotaScope, Quotas, Role},
    clock,
    refusal::Refusal,
    table::{Day, Load, Owner, SECONDS_PER_DAY, Usage, day_of},
};

/// Maximum size of the days in a response, in bytes. Responses are limited to 1 MiB.
const MAX_DAY_BYTES: usize = 800 << 10;

/// How soon a retry may succeed after a quota of live jobs was used up.
const RETRY_LIVE: Duration = Duration::from_secs(2);

/// The jobs that were admitted and may not be in the table yet. Without them, submissions at the
/// same time would all find the same room.
#[derive(Debug, Default)]
pub(super) struct Reservations(Mutex<HashMap<Arc<Owner>, Load>>);

/// A reservation, until it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    all: Arc<Reservations>,
    owner: Arc<Owner>,
    load: Load,
    /// The number of queued and running jobs of the tenant, with this one.
    pub(super) live_jobs: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some(total) = all.get_mut(&self.owner) {
            *total = total.minus(self.load);
            if *total == Load::default() {
                all.remove(&self.owner);
            }
        }
    }
}

impl Jobs {
    /// Admits a job within the quotas of its caller; `None` if callers are not recognised. With
    /// quotas, the reservation must be kept until the job is in the table.
    ///
    /// Another gateway may admit jobs at the same time: together they exceed a quota by at most
    /// what is in flight at the others.
    ///
    /// # Errors
    ///
    /// [`Refusal::QuotaExceeded`].
    pub(super) fn reserve(
        &self,
        caller: &Caller,
        job: &JobDescription,
    ) -> Result<Option<Reservation>, Refusal> {
        if caller.tenant.is_empty() {
            return Ok(None);
        }
        let scopes =
            [(QuotaScope::Key, &caller.key_quotas), (QuotaScope::Tenant, &caller.tenant_quotas)];
        let (owner, load) = (Owner::of(job), Load::of(job));
        let now = clock::now();
        let mut reserved = self.reservations.0.lock();
        let live_jobs = self.table.read(|fold| {
            let mut live = Load::default();
            // That of the tenant comes last, and is what remains.
            for (scope, quotas) in scopes {
                let counts = |other: &Owner| {
                    other.tenant == owner.tenant
                        && (scope == QuotaScope::Tenant || other.key == owner.key)
                };
                let in_flight = reserved.iter().filter(|(owner, _)| counts(owner));
                let in_flight = in_flight.fold(Load::default(), |sum, (_, load)| sum.plus(*load));
                live = fold.usage().live_of(counts).plus(in_flight);
                check_live(quotas, scope, live, load)?;
                let spent = fold.usage().solver_time(day_of(now), counts);
                check_day(quotas, scope, spent, now)?;
            }
            Ok::<_, Refusal>(live.jobs.saturating_add(1))
        })?;
        let total = reserved.entry(owner.clone()).or_default();
        *total = total.plus(load);
        Ok(Some(Reservation { all: self.reservations.clone(), owner, load, live_jobs }))
    }

    /// What the caller's tenant has in the mesh and has used; for an admin, all tenants.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`] if the log can't be read to its end in time.
    pub(crate) async fn usage(&self, caller: &Caller) -> Result<GetUsageResponse, Refusal> {
        self.catch_up().await?;
        let counts = |owner: &Owner| caller.role == Role::Admin || owner.tenant == caller.tenant;
        Ok(self.table.read(|fold| report(fold.usage(), counts)))
    }
}

/// Checks the quotas of live jobs.
fn check_live(quotas: &Quotas, scope: QuotaScope, used: Load, new: Load) -> Result<(), Refusal> {
    for (quota, limit, used, new) in [
        ("max_live_jobs", quotas.max_live_jobs, used.jobs, new.jobs),
        ("max_live_bytes", quotas.max_live_bytes, used.bytes, new.bytes),
        ("max_live_scenarios", quotas.max_live_scenarios, used.scenarios, new.scenarios),
    ] {
        let Some(limit) = limit.filter(|limit| new > 0 && used.saturating_add(new) > *limit) else {
            continue;
        };
        let retry = (new <= limit).then_some(RETRY_LIVE);
        return Err(Refusal::QuotaExceeded { quota, scope, limit, retry });
    }
    Ok(())
}

/// Checks the quota of a day, at `now` (seconds since 1970).
fn check_day(quotas: &Quotas, scope: QuotaScope, spent: Duration, now: i64) -> Result<(), Refusal> {
    match quotas.solver_seconds_per_day {
        Some(limit) if spent >= Duration::from_secs(limit) => {
            let left = u64::try_from((day_of(now) + 1) * SECONDS_PER_DAY - now).unwrap_or(1);
            let (quota, retry) = ("solver_seconds_per_day", Some(Duration::from_secs(left)));
            Err(Refusal::QuotaExceeded { quota, scope, limit, retry })
        }
        _ => Ok(()),
    }
}

/// What some owners have and have used, as the API shows it.
fn report(usage: &Usage, counts: impl Fn(&Owner) -> bool) -> GetUsageResponse {
    let live = usage.live().filter(|(owner, _)| counts(owner));
    let live = live.map(|(Owner { tenant, key }, load)| LiveUsage {
        tenant: tenant.clone(),
        submitter: key.clone(),
        job_count: signed(load.jobs),
        bytes: signed(load.bytes),
        scenario_count: signed(load.scenarios),
    });
    let all_days = usage.days().filter(|(_, owner, _)| counts(owner));
    let mut bytes = 0;
    let days = all_days.map(|(day, Owner { tenant, key }, spent)| DayUsage {
        day: date(day),
        tenant: tenant.clone(),
        submitter: key.clone(),
        job_count: signed(spent.jobs),
        solver_seconds: spent.solver_time.as_secs_f64(),
    });
    let days = days.take_while(|day| {
        // The field's tag and length take up to 8 bytes more.
        bytes += day.encoded_len() + 8;
        bytes <= MAX_DAY_BYTES
    });
    GetUsageResponse { live: live.take(2_000).collect(), days: days.collect() }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A day as text: YYYY-MM-DD.
fn date(day: Day) -> String {
    let time = prost_types::Timestamp { seconds: day.saturating_mul(SECONDS_PER_DAY), nanos: 0 };
    let text = time.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_the_date_of_utc() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(day_of(1_798_761_600)), "2027-01-01");
    }

    #[test]
    fn a_quota_is_reached_and_not_passed() {
        let quotas = Quotas { max_live_jobs: Some(2), ..Quotas::default() };
        let one = Load { jobs: 1, ..Load::default() };
        let check = |used| {
            let used = Load { jobs: used, ..Load::default() };
            check_live(&quotas, QuotaScope::Key, used, one)
        };
        assert_eq!(check(1), Ok(()));
        let (quota, scope) = ("max_live_jobs", QuotaScope::Key);
        let retry = Some(RETRY_LIVE);
        assert_eq!(check(2), Err(Refusal::QuotaExceeded { quota, scope, limit: 2, retry }));
    }

    #[test]
    fn what_is_larger_than_a_quota_is_not_worth_a_retry() {
        let quotas = Quotas { max_live_scenarios: Some(5), ..Quotas::default() };
        let sweep = Load { jobs: 1, bytes: 0, scenarios: 6 };
        let refused = check_live(&quotas, QuotaScope::Tenant, Load::default(), sweep);
        assert!(matches!(refused, Err(Refusal::QuotaExceeded { retry: None, .. })));
        // A job without scenarios passes even if others have used up their quota.
        let (used, job) = (Load { scenarios: 9, ..sweep }, Load { scenarios: 0, ..sweep });
        assert_eq!(check_live(&quotas, QuotaScope::Tenant, used, job), Ok(()));
    }

    #[test]
    fn solver_time_is_available_again_on_the_next_day() {
        let quotas = Quotas { solver_seconds_per_day: Some(10), ..Quotas::default() };
        let check =
            |seconds, now| check_day(&quotas, QuotaScope::Key, Duration::from_secs(seconds), now);
        assert_eq!(check(9, 100), Ok(()));
        match check(10, 86_400 * 3 - 60) {
            Err(Refusal::QuotaExceeded { retry, .. }) => {
                assert_eq!(retry, Some(Duration::from_secs(60)));
            }
            other => panic!("{other:?}"),
        }
    }
}
