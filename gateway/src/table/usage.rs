//! What each tenant and key has in the mesh, and what it has used, by day. Part of the fold, so
//! that every gateway knows it.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use prost::Message as _;
use solvemesh::v1::JobDescription;

use crate::table::record::FIXED_BYTES;

/// Maximum number of entries of past days. The oldest are forgotten first.
const MAX_DAY_ENTRIES: usize = 50_000;

pub(crate) const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Who a job is counted for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Owner {
    pub(crate) tenant: String,
    /// The id of the key that it was submitted with.
    pub(crate) key: String,
}

impl Owner {
    /// The owner of a job.
    pub(crate) fn of(job: &JobDescription) -> Arc<Self> {
        if job.tenant.is_empty() && job.submitter.is_empty() {
            return Self::nobody();
        }
        Arc::new(Self { tenant: job.tenant.clone(), key: job.submitter.clone() })
    }

    /// The owner where callers are not recognised. Shared, as all jobs have it there.
    pub(crate) fn nobody() -> Arc<Self> {
        static NOBODY: LazyLock<Arc<Owner>> = LazyLock::new(Arc::default);
        NOBODY.clone()
    }
}

/// What queued and running jobs amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) jobs: u64,
    /// About how many bytes of memory they take.
    pub(crate) bytes: u64,
    /// The scenarios of sweeps.
    pub(crate) scenarios: u64,
}

impl Load {
    /// The load of a job by its description, before anything is known of its solve.
    pub(crate) fn of(job: &JobDescription) -> Self {
        let scenarios = job.sweep.as_ref().map_or(0, |sweep| sweep.scenario_count);
        Self {
            jobs: 1,
            bytes: (job.encoded_len() + FIXED_BYTES) as u64,
            scenarios: u64::try_from(scenarios).unwrap_or(0),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        self.combined(other, u64::saturating_add)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        self.combined(other, u64::saturating_sub)
    }

    fn combined(self, other: Self, combine: fn(u64, u64) -> u64) -> Self {
        Self {
            jobs: combine(self.jobs, other.jobs),
            bytes: combine(self.bytes, other.bytes),
            scenarios: combine(self.scenarios, other.scenarios),
        }
    }
}

/// What finished on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) jobs: u64,
    /// The time from the start of each job's last attempt to its end.
    pub(crate) solver_time: Duration,
}

/// A day: the number of days since 1970-01-01, in UTC.
pub(crate) type Day = i64;

/// The day of a time in seconds since 1970.
pub(crate) fn day_of(seconds: i64) -> Day {
    seconds.div_euclid(SECONDS_PER_DAY)
}

/// What all owners have and have used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    live: BTreeMap<Arc<Owner>, Load>,
    days: BTreeMap<(Day, Arc<Owner>), Spent>,
}

impl Usage {
    /// Adds queued or running jobs.
    pub(super) fn add(&mut self, owner: &Arc<Owner>, load: Load) {
        let total = self.live.entry(owner.clone()).or_default();
        *total = total.plus(load);
    }

    /// Removes queued or running jobs.
    pub(super) fn remove(&mut self, owner: &Arc<Owner>, load: Load) {
        if let Some(total) = self.live.get_mut(owner) {
            *total = total.minus(load);
            if *total == Load::default() {
                self.live.remove(owner);
            }
        }
    }

    /// Adds what was spent on a day.
    pub(super) fn spend(&mut self, day: Day, owner: &Arc<Owner>, spent: Spent) {
        let total = self.days.entry((day, owner.clone())).or_default();
        total.jobs = total.jobs.saturating_add(spent.jobs);
        total.solver_time = total.solver_time.saturating_add(spent.solver_time);
        if self.days.len() > MAX_DAY_ENTRIES {
            self.days.pop_first();
        }
    }

    /// What each owner has in the mesh.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&Owner, Load)> {
        self.live.iter().map(|(owner, load)| (owner.as_ref(), *load))
    }

    /// What was spent, the latest day first.
    pub(crate) fn days(&self) -> impl Iterator<Item = (Day, &Owner, Spent)> {
        self.days.iter().rev().map(|((day, owner), spent)| (*day, owner.as_ref(), *spent))
    }

    /// What some owners have in the mesh.
    pub(crate) fn live_of(&self, counts: impl Fn(&Owner) -> bool) -> Load {
        self.live()
            .filter(|(owner, _)| counts(owner))
            .fold(Load::default(), |sum, (_, load)| sum.plus(load))
    }

    /// The solver time that some owners have spent on a day.
    pub(crate) fn solver_time(&self, day: Day, counts: impl Fn(&Owner) -> bool) -> Duration {
        self.days
            .range((day, Owner::nobody())..)
            .take_while(|((other, _), _)| *other == day)
            .filter(|((_, owner), _)| counts(owner))
            .map(|(_, spent)| spent.solver_time)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(tenant: &str, key: &str) -> Arc<Owner> {
        Arc::new(Owner { tenant: tenant.into(), key: key.into() })
    }

    #[test]
    fn loads_are_summed_by_owner_and_removed_again() {
        let mut usage = Usage::default();
        let load = Load { jobs: 1, bytes: 10, scenarios: 5 };
        for owner in [owner("a", "1"), owner("a", "2"), owner("b", "1")] {
            usage.add(&owner, load);
        }
        usage.add(&owner("a", "1"), load);
        assert_eq!(usage.live_of(|owner| owner.tenant == "a").jobs, 3);
        assert_eq!(usage.live_of(|owner| owner.key == "1").bytes, 30);
        usage.remove(&owner("b", "1"), load);
        assert_eq!(usage.live().count(), 2);
    }

    #[test]
    fn solver_time_is_that_of_the_day() {
        let mut usage = Usage::default();
        let spent = Spent { jobs: 1, solver_time: Duration::from_secs(3) };
        for (day, tenant) in [(1, "a"), (2, "a"), (2, "a"), (2, "b"), (3, "a")] {
            usage.spend(day, &owner(tenant, "k"), spent);
        }
        let of_a = |owner: &Owner| owner.tenant == "a";
        assert_eq!(usage.solver_time(2, of_a), Duration::from_secs(6));
        assert_eq!(usage.solver_time(4, of_a), Duration::ZERO);
        let days: Vec<Day> = usage.days().map(|(day, ..)| day).collect();
        assert_eq!(days, [3, 2, 2, 1]);
    }

    #[test]
    fn days_are_those_of_utc() {
        assert_eq!(day_of(0), 0);
        assert_eq!(day_of(86_399), 0);
        assert_eq!(day_of(86_400), 1);
        assert_eq!(day_of(-1), -1);
    }
}
