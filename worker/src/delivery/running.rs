//! The registry of the jobs that this worker has accepted and not settled yet.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

/// The jobs that this worker has accepted and not settled yet. Duplicates of these are recognised
/// without a lookup, so also while the log accepts no entries, which gateways could look up.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunningJobs(Arc<Mutex<HashMap<String, usize>>>);

impl RunningJobs {
    /// Counts a job as running as long as the guard lives.
    pub(crate) fn begin(&self, job: &str) -> RunningJob {
        // Counted, because two slots may have shares of one sweep, which are the same job: the
        // first to finish must not remove the entry of the other.
        *self.0.lock().entry(job.to_owned()).or_default() += 1;
        RunningJob { registry: self.clone(), job: job.to_owned() }
    }

    /// Whether a job is running on this worker.
    pub(crate) fn contains(&self, job: &str) -> bool {
        self.0.lock().contains_key(job)
    }
}

/// Guard of [`RunningJobs::begin`]: the job counts as running until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningJob {
    registry: RunningJobs,
    job: String,
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        let mut jobs = self.registry.0.lock();
        match jobs.get_mut(&self.job) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(jobs.remove(&self.job)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_runs_until_its_last_guard_is_dropped() {
        let running = RunningJobs::default();
        let (one, two) = (running.begin("a"), running.begin("a"));
        assert!(running.contains("a") && !running.contains("b"));
        drop(one);
        assert!(running.contains("a"));
        drop(two);
        assert!(!running.contains("a"));
    }
}
