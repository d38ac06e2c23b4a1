use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// The listeners of each job, to be woken when it has new events.
#[derive(Debug, Default)]
pub(super) struct JobListeners {
    listeners: Mutex<HashMap<Arc<str>, Vec<Arc<Notify>>>>,
}

impl JobListeners {
    /// Registers a listener for some jobs, which need not be in the table yet.
    pub(super) fn listen(self: &Arc<Self>, jobs: &[Arc<str>]) -> Listener {
        let wake = Arc::new(Notify::new());
        let mut listeners = self.lock();
        for job in jobs {
            listeners.entry(job.clone()).or_default().push(wake.clone());
        }
        drop(listeners);
        Listener { hub: self.clone(), jobs: jobs.to_vec(), wake }
    }

    /// Wakes the listeners of some jobs.
    pub(super) fn wake(&self, jobs: &[Arc<str>]) {
        let listeners = self.lock();
        if listeners.is_empty() {
            return;
        }
        for job in jobs {
            for wake in listeners.get(job).into_iter().flatten() {
                // `notify_one` stores a permit: a listener that is not waiting yet misses nothing.
                wake.notify_one();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Arc<Notify>>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for changes of some jobs. Unregisters itself when it is dropped.
#[derive(Debug)]
pub struct Listener {
    hub: Arc<JobListeners>,
    jobs: Vec<Arc<str>>,
    wake: Arc<Notify>,
}

impl Listener {
    /// Returns once one of the jobs has new events since the last call, or since the listener was
    /// registered.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.hub.lock();
        for job in &self.jobs {
            if let Some(wakes) = listeners.get_mut(job) {
                wakes.retain(|wake| !Arc::ptr_eq(wake, &self.wake));
                if wakes.is_empty() {
                    listeners.remove(job);
                }
            }
        }
    }
}
