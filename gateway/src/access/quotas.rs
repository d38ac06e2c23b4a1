//! Quotas: limits of one key, or of all callers of a tenant together.

use std::{fmt, time::Duration};

use solvemesh::seconds;

/// Whose quota it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum QuotaScope {
    Key,
    Tenant,
}

impl fmt::Display for QuotaScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Tenant => "tenant",
        })
    }
}

/// The limits of a key or a tenant; `None` for no limit other than those of the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quotas {
    /// Maximum number of queued and running jobs.
    pub(crate) max_live_jobs: Option<u64>,
    /// Maximum memory of queued and running jobs, approximately, in bytes.
    pub(crate) max_live_bytes: Option<u64>,
    /// Maximum number of scenarios of queued and running sweeps.
    pub(crate) max_live_scenarios: Option<u64>,
    /// Maximum time that workers spend on jobs that finish in one day (UTC), in seconds.
    pub(crate) solver_seconds_per_day: Option<u64>,
    /// Maximum number of requests a second.
    pub(crate) requests_per_second: Option<u32>,
    /// Maximum time limit of a job.
    pub(crate) max_time_limit: Option<Duration>,
}

impl Quotas {
    /// Whether any of them can refuse a job.
    pub(crate) fn limit_jobs(&self) -> bool {
        let Self {
            max_live_jobs,
            max_live_bytes,
            max_live_scenarios,
            solver_seconds_per_day,
            requests_per_second: _,
            max_time_limit: _,
        } = self;
        [max_live_jobs, max_live_bytes, max_live_scenarios, solver_seconds_per_day]
            .iter()
            .any(|quota| quota.is_some())
    }

    /// Sets the quota with a name of the key file. `None` if there is no quota of this name.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let outcome = match name {
            "max_live_jobs" => whole(value).map(|it| self.max_live_jobs = Some(it)),
            "max_live_bytes" => whole(value).map(|it| self.max_live_bytes = Some(it)),
            "max_live_scenarios" => whole(value).map(|it| self.max_live_scenarios = Some(it)),
            "solver_seconds_per_day" => {
                whole(value).map(|it| self.solver_seconds_per_day = Some(it))
            }
            "requests_per_second" => match value.parse() {
                Ok(0) | Err(_) => Err("must be a whole number of at least 1".to_owned()),
                Ok(rate) => {
                    self.requests_per_second = Some(rate);
                    Ok(())
                }
            },
            "max_time_limit" => seconds(value).map(|it| self.max_time_limit = Some(it)),
            _ => return None,
        };
        Some(outcome)
    }
}

fn whole(value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| "must be a whole number".to_owned())
}
