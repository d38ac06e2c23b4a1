//! When the log last had an entry about each running job: how a worker that gets a job a second
//! time judges whether the first attempt is alive.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use solvemesh::v1::JobState;

use crate::table::Fold;

/// The times at which the latest entries about running jobs were read, by this process's clock.
/// Not part of the fold, because two gateways may differ in them.
#[derive(Debug, Default)]
pub(super) struct LastEntries(Mutex<HashMap<Arc<str>, Instant>>);

impl LastEntries {
    /// Updates the times of jobs with new events. Has one only for each job that is running in
    /// `fold`, so it never has more entries than the table.
    pub(super) fn update(&self, fold: &Fold, jobs: &[Arc<str>]) {
        let now = Instant::now();
        let mut times = self.0.lock();
        for id in jobs {
            if fold.job(id).is_some_and(|job| job.state() == JobState::Running) {
                times.insert(id.clone(), now);
            } else {
                times.remove(id);
            }
        }
    }

    /// Time since the latest entry about a running job; `None` if the job is not running.
    pub(super) fn elapsed(&self, job: &str) -> Option<Duration> {
        self.0.lock().get(job).map(Instant::elapsed)
    }

    /// Removes all jobs.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
