use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Who wants to hear that a job moved.
#[derive(Debug, Default)]
pub(super) struct Hub {
    listeners: Mutex<HashMap<Arc<str>, Vec<Arc<Notify>>>>,
}

impl Hub {
    /// Begins to listen for some jobs, known or not.
    pub(super) fn listen(self: &Arc<Self>, jobs: &[Arc<str>]) -> Listener {
        let wake = Arc::new(Notify::new());
        let mut listeners = self.lock();
        for job in jobs {
            listeners.entry(job.clone()).or_default().push(wake.clone());
        }
        drop(listeners);
        Listener { hub: self.clone(), jobs: jobs.to_vec(), wake }
    }

    /// Wakes those who listen for a job.
    pub(super) fn wake(&self, jobs: &[Arc<str>]) {
        let listeners = self.lock();
        if listeners.is_empty() {
            return;
        }
        for job in jobs {
            for wake in listeners.get(job).into_iter().flatten() {
                // Stores a permit: a listener that is not waiting yet misses nothing.
                wake.notify_one();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Arc<Notify>>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears that one of its jobs moved.
#[derive(Debug)]
pub struct Listener {
    hub: Arc<Hub>,
    jobs: Vec<Arc<str>>,
    wake: Arc<Notify>,
}

impl Listener {
    /// Returns once a job moved since the last call, or since the listener was made.
    pub async fn moved(&self) {
        self.wake.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.hub.lock();
        for job in &self.jobs {
            if let Some(those) = listeners.get_mut(job) {
                those.retain(|wake| !Arc::ptr_eq(wake, &self.wake));
                if those.is_empty() {
                    listeners.remove(job);
                }
            }
        }
    }
}
