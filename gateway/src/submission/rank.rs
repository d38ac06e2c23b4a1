//! The rank of a job in its lane: fairness between tenants, and priorities within one.

use solvemesh::v1::{JobDescription, Priority};
use solvemesh_broker::Rank;

/// The number of queued and running jobs up to which a tenant's jobs, this one included, have the
/// first rank.
const FEW_JOBS: u64 = 4;
/// The number up to which they have the normal rank. Above it, they wait behind those of tenants
/// with fewer.
const SOME_JOBS: u64 = 64;

/// The rank of a job. `live_jobs` are the queued and running jobs of its tenant, this one included;
/// `None` if callers are not recognised: then all jobs are as those of one tenant with some jobs.
///
/// A priority changes it by one rank, so it decides among jobs of the same tenant, and a tenant
/// with many jobs does not pass one with few by giving all of them a high priority. A sweep is one
/// rank later than a single job, because it is much work, for which nobody waits.
pub(crate) fn rank(job: &JobDescription, live_jobs: Option<u64>) -> Rank {
    let by_load = match live_jobs {
        Some(..=FEW_JOBS) => 0,
        Some(..=SOME_JOBS) | None => 1,
        Some(_) => 2,
    };
    let by_priority = match job.priority() {
        Priority::High => -1,
        Priority::Normal | Priority::Unspecified => 0,
        Priority::Low => 1,
    };
    let by_kind = i32::from(job.sweep.is_some());
    match by_load + by_priority + by_kind {
        ..=0 => Rank::First,
        1 => Rank::Normal,
        _ => Rank::Later,
    }
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::SweepDescription;

    use super::*;

    fn job(priority: Priority) -> JobDescription {
        JobDescription { priority: priority.into(), ..JobDescription::default() }
    }

    #[test]
    fn the_more_jobs_a_tenant_has_the_later_is_the_next() {
        let rank = |live| rank(&job(Priority::Normal), live);
        assert_eq!([rank(Some(1)), rank(Some(4))], [Rank::First; 2]);
        assert_eq!([rank(Some(5)), rank(Some(64)), rank(None)], [Rank::Normal; 3]);
        assert_eq!([rank(Some(65)), rank(Some(u64::MAX))], [Rank::Later; 2]);
    }

    #[test]
    fn a_priority_changes_the_rank_by_one() {
        let ranks =
            |live| [Priority::High, Priority::Normal, Priority::Low].map(|it| rank(&job(it), live));
        assert_eq!(ranks(None), [Rank::First, Rank::Normal, Rank::Later]);
        assert_eq!(ranks(Some(1)), [Rank::First, Rank::First, Rank::Normal]);
        // A tenant with many jobs stays behind others.
        assert_eq!(ranks(Some(1000)), [Rank::Normal, Rank::Later, Rank::Later]);
    }

    #[test]
    fn a_sweep_is_later_than_a_single_job() {
        let sweep =
            JobDescription { sweep: Some(SweepDescription::default()), ..job(Priority::High) };
        assert_eq!(rank(&sweep, None), Rank::Normal);
        assert_eq!(rank(&sweep, Some(1)), Rank::First);
    }
}
