//! Which jobs are to be stopped.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use solvemesh_broker::{CancelNews, Health, Mesh, MeshError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// The most cancelled jobs that are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 1 << 16;
/// How long a connected worker that hears nothing waits to have heard all cancels: an
/// alarm of the broker holds up the sign for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The jobs that were cancelled lately, wherever they wait or run.
#[derive(Debug)]
pub(crate) struct Cancels {
    jobs: Mutex<Jobs>,
    /// Changes with every cancel that is heard.
    heard: watch::Sender<()>,
    /// Whether all that were announced have been heard, as far as can be waited for.
    caught_up: watch::Sender<bool>,
    remembered: usize,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Jobs {
    set: HashSet<String>,
    by_age: VecDeque<String>,
}

impl Default for Cancels {
    fn default() -> Self {
        Self {
            jobs: Mutex::default(),
            heard: watch::Sender::new(()),
            caught_up: watch::Sender::new(false),
            remembered: REMEMBERED,
            patience: PATIENCE,
        }
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

    /// Waits until all that were announced have been heard: what a worker missed while
    /// it was away included. Ends, at the latest, when nothing was heard for a while.
    pub(crate) async fn caught_up(&self) {
        let mut caught_up = self.caught_up.subscribe();
        // Its sender lives as long as `self`.
        let _ = caught_up.wait_for(|caught_up| *caught_up).await;
    }

    /// Tells whoever waits for it whether all that were announced have been heard.
    pub(crate) fn set_caught_up(&self, caught_up: bool) {
        self.caught_up.send_replace(caught_up);
    }

    /// Hears what the mesh announces, until `end` or until the mesh is closed.
    pub(crate) async fn follow(&self, mesh: &dyn Mesh, end: &CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let listen = async {
            loop {
                match mesh.follow_cancels().await {
                    Ok(mut news) => {
                        self.listen(&mut news, &mesh.health()).await;
                        backoff.reset();
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

    /// Ends when the mesh is closed, or when the cancels go on elsewhere: their stream
    /// may have been deleted and made again.
    async fn listen(
        &self,
        news: &mut mpsc::Receiver<CancelNews>,
        health: &watch::Receiver<Health>,
    ) {
        loop {
            let behind = !*self.caught_up.borrow();
            tokio::select! {
                heard = news.recv() => match heard {
                    Some(CancelNews::Cancel(job)) => {
                        tracing::debug!(job, "cancelled");
                        self.hear(job);
                    }
                    Some(CancelNews::CaughtUp) => self.set_caught_up(true),
                    Some(CancelNews::Behind) => self.set_caught_up(false),
                    None => return,
                },
                () = connected_for(health.clone(), self.patience), if behind => {
                    tracing::warn!("jobs are taken though some of their cancels may be unheard");
                    self.set_caught_up(true);
                    if *health.borrow() == Health::Ready {
                        return;
                    }
                }
            }
        }
    }
}

/// Waits until the broker has been connected for a while without a break.
async fn connected_for(mut health: watch::Receiver<Health>, time: Duration) {
    let away = |health: &Health| matches!(health, Health::Disconnected { .. });
    // A mesh that tells no more is closed.
    while health.wait_for(|health| !away(health)).await.is_ok()
        && tokio::time::timeout(time, health.wait_for(away)).await.is_ok()
    {}
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

    #[tokio::test]
    async fn jobs_wait_for_the_cancels_that_were_missed_but_not_for_ever() {
        let patience = Duration::from_millis(200);
        let cancels = Cancels { patience, ..Cancels::default() };
        let (tell, mut news) = mpsc::channel(8);
        let (health, healths) = watch::channel(Health::Ready);
        let tell = async |told| tell.send(told).await.expect("a listener");
        let waits = async |time| tokio::time::timeout(time, cancels.caught_up()).await.is_err();
        let lapse = async {
            tell(CancelNews::Cancel("a".to_owned())).await;
            tell(CancelNews::CaughtUp).await;
            cancels.caught_up().await;
            assert!(cancels.has("a"));

            // While the broker is away there are no jobs that could wait.
            health.send_replace(Health::Disconnected { error: String::new() });
            tell(CancelNews::Behind).await;
            cancels.caught_up.subscribe().wait_for(|up| !up).await.expect("it goes on");
            assert!(waits(patience * 3).await);
            let back = tokio::time::Instant::now();
            health.send_replace(Health::Blocked { reason: String::new() });
            cancels.caught_up().await;
            assert!(back.elapsed() >= patience);
        };
        tokio::select! {
            () = cancels.listen(&mut news, &healths) => panic!("they go on"),
            () = lapse => {}
        }
    }

    #[tokio::test]
    async fn cancels_that_go_on_elsewhere_are_followed_anew() {
        let cancels = Cancels { patience: Duration::from_millis(10), ..Cancels::default() };
        let (_tell, mut news) = mpsc::channel(8);
        let (_health, healths) = watch::channel(Health::Ready);
        cancels.listen(&mut news, &healths).await;
        cancels.caught_up().await;
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
