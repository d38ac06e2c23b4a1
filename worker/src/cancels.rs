//! Which jobs are to be stopped.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use solvemesh_broker::{Mesh, MeshError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// The most cancelled jobs that are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 1 << 16;

/// The jobs that were cancelled lately, wherever they wait or run.
#[derive(Debug)]
pub(crate) struct Cancels {
    jobs: Mutex<Jobs>,
    /// Changes with every cancel that is heard.
    heard: watch::Sender<()>,
    remembered: usize,
}

#[derive(Debug, Default)]
struct Jobs {
    set: HashSet<String>,
    by_age: VecDeque<String>,
}

impl Default for Cancels {
    fn default() -> Self {
        Self { jobs: Mutex::default(), heard: watch::Sender::new(()), remembered: REMEMBERED }
    }
}

impl Cancels {
    /// Remembers a cancel, and tells whoever waits for it.
    pub(crate) fn hear(&self, job: String) {
        {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            if !jobs.set.insert(job.clone()) {
                return;
            }
            jobs.by_age.push_back(job);
            if jobs.by_age.len() > self.remembered
                && let Some(oldest) = jobs.by_age.pop_front()
            {
                jobs.set.remove(&oldest);
            }
        }
        self.heard.send_replace(());
    }

    /// Whether a job was cancelled.
    pub(crate) fn has(&self, job: &str) -> bool {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).set.contains(job)
    }

    /// Waits until a job is cancelled.
    pub(crate) async fn wait(&self, job: &str) {
        let mut heard = self.heard.subscribe();
        // `heard` lives as long as `self`, so a change is all that can come.
        while !self.has(job) && heard.changed().await.is_ok() {}
    }

    /// Hears what the mesh announces, until `end` or until the mesh is closed.
    pub(crate) async fn follow(&self, mesh: &dyn Mesh, end: &CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let listen = async {
            loop {
                match mesh.follow_cancels().await {
                    Ok(mut jobs) => {
                        while let Some(job) = jobs.recv().await {
                            backoff.reset();
                            tracing::debug!(job, "cancelled");
                            self.hear(job);
                        }
                    }
                    Err(MeshError::Closed) => return,
                    Err(error) => {
                        tracing::warn!(cause = %error, "cancels can't be heard; trying again");
                    }
                }
                tokio::time::sleep(backoff.pause()).await;
            }
        };
        tokio::select! {
            () = end.cancelled() => {}
            () = listen => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_job_hears_of_its_cancel_alone() {
        let cancels = Cancels::default();
        let mut wait = std::pin::pin!(cancels.wait("mine"));
        assert!(poll!(&mut wait).is_pending());
        cancels.hear("other".to_owned());
        assert!(poll!(&mut wait).is_pending());
        cancels.hear("mine".to_owned());
        assert!(poll!(&mut wait).is_ready());
        assert!(poll!(std::pin::pin!(cancels.wait("mine"))).is_ready());
    }

    #[test]
    fn the_oldest_cancels_are_forgotten_first() {
        let cancels = Cancels { remembered: 2, ..Cancels::default() };
        for job in ["a", "b", "a", "c"] {
            cancels.hear(job.to_owned());
        }
        assert_eq!(["a", "b", "c"].map(|job| cancels.has(job)), [false, true, true]);
    }
}
