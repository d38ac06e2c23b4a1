//! Wakes the tasks that wait for new events of a job: watch streams, `Solve`, submissions.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The listeners of each job, to be woken when it has new events.
#[derive(Debug, Default)]
pub(super) struct JobListeners {
    by_job: Mutex<HashMap<Arc<str>, Vec<Arc<Notify>>>>,
}

impl JobListeners {
    /// Registers a listener for some jobs, which need not be in the table yet.
    pub(super) fn listen(self: &Arc<Self>, jobs: &[Arc<str>]) -> Listener {
        let wake = Arc::new(Notify::new());
        let mut by_job = self.by_job.lock();
        for job in jobs {
            by_job.entry(job.clone()).or_default().push(wake.clone());
        }
        drop(by_job);
        Listener { registry: self.clone(), jobs: jobs.to_vec(), wake }
    }

    /// Wakes the listeners of some jobs.
    pub(super) fn wake(&self, jobs: &[Arc<str>]) {
        let by_job = self.by_job.lock();
        if by_job.is_empty() {
            return;
        }
        for job in jobs {
            for wake in by_job.get(job).into_iter().flatten() {
                // `notify_one` stores a permit: a listener that is not waiting yet misses nothing.
                wake.notify_one();
            }
        }
    }
}

/// Waits for changes of some jobs. Unregisters itself when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    registry: Arc<JobListeners>,
    jobs: Vec<Arc<str>>,
    wake: Arc<Notify>,
}

impl Listener {
    /// Returns once one of the jobs has new events since the last call, or since the listener was
    /// registered.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut by_job = self.registry.by_job.lock();
        for job in &self.jobs {
            if let Some(wakes) = by_job.get_mut(job) {
                wakes.retain(|wake| !Arc::ptr_eq(wake, &self.wake));
                if wakes.is_empty() {
                    by_job.remove(job);
                }
            }
        }
    }
}
