//! The jobs that were cancelled, followed from the mesh's stream of cancels.

use std::time::Duration;

use parking_lot::Mutex;
use solvemesh_broker::{Backoff, BoundedSet, CancelEvent, Health, Mesh, MeshError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Maximum number of cancelled jobs to keep; the oldest are evicted first.
const MAX_REMEMBERED: usize = 1 << 16;
/// Maximum time that a connected worker waits to catch up with the cancels. The marker that shows
/// that it has is published, and a blocked broker accepts none for as long as its alarm lasts.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// The jobs that were cancelled recently, anywhere in the mesh.
#[derive(Debug)]
pub(crate) struct Cancels {
    jobs: Mutex<BoundedSet<String>>,
    /// Notified of every new cancel.
    changes: watch::Sender<()>,
    /// Whether all announced cancels have been read, or the wait for them has timed out.
    caught_up: watch::Sender<bool>,
    catch_up_timeout: Duration,
}

impl Default for Cancels {
    fn default() -> Self {
        Self {
            jobs: Mutex::new(BoundedSet::new(MAX_REMEMBERED)),
            changes: watch::Sender::new(()),
            caught_up: watch::Sender::new(false),
            catch_up_timeout: CATCH_UP_TIMEOUT,
        }
    }
}

impl Cancels {
    /// Records a cancel and wakes those that wait for it.
    pub(crate) fn record(&self, job: String) {
        let is_new = self.jobs.lock().insert(job);
        if is_new {
            self.changes.send_replace(());
        }
    }

    /// Whether a job was cancelled.
    pub(crate) fn contains(&self, job: &str) -> bool {
        self.jobs.lock().contains(job)
    }

    /// Waits until a job is cancelled.
    pub(crate) async fn wait_for(&self, job: &str) {
        let mut changes = self.changes.subscribe();
        // `changed` fails only if the sender is dropped, which lives as long as `self`.
        while !self.contains(job) && changes.changed().await.is_ok() {}
    }

    /// Waits until all announced cancels have been read, including those that this worker missed
    /// while it was disconnected; for [`CATCH_UP_TIMEOUT`] of uninterrupted connection at most.
    pub(crate) async fn caught_up(&self) {
        let mut caught_up = self.caught_up.subscribe();
        // Fails only if the sender is dropped, which lives as long as `self`.
        let _ = caught_up.wait_for(|caught_up| *caught_up).await;
    }

    /// Sets whether all announced cancels have been read.
    pub(crate) fn set_caught_up(&self, caught_up: bool) {
        self.caught_up.send_replace(caught_up);
    }

    /// Follows the cancels that the mesh announces, until `end` or until the mesh is closed.
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
                        tracing::warn!(cause = %error, "cannot follow cancels, retrying");
                    }
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        };
        tokio::select! {
            () = end.cancelled() => {}
            () = listen => {}
        }
    }

    /// Reads cancels until the receiver is closed, or until catching up times out although the
    /// broker is ready: the stream may have been deleted and re-created, so that it has to be
    /// followed again.
    async fn listen(
        &self,
        news: &mut mpsc::Receiver<CancelEvent>,
        health: &watch::Receiver<Health>,
    ) {
        loop {
            let behind = !*self.caught_up.borrow();
            tokio::select! {
                received = news.recv() => match received {
                    Some(CancelEvent::Cancel(job)) => {
                        tracing::debug!(job, "cancelled");
                        self.record(job);
                    }
                    Some(CancelEvent::CaughtUp) => self.set_caught_up(true),
                    Some(CancelEvent::ConnectionLost) => self.set_caught_up(false),
                    None => return,
                },
                () = connected_for(health.clone(), self.catch_up_timeout), if behind => {
                    tracing::warn!("catching up with cancels timed out, accepting jobs anyway");
                    self.set_caught_up(true);
                    // A blocked broker explains the timeout: this receiver is still good.
                    if *health.borrow() == Health::Ready {
                        return;
                    }
                }
            }
        }
    }
}

/// Waits until the broker has been connected for `time` without interruption. Also returns when
/// the mesh is closed.
async fn connected_for(mut health: watch::Receiver<Health>, time: Duration) {
    let is_disconnected = |health: &Health| matches!(health, Health::Disconnected { .. });
    // `wait_for` fails once the mesh is closed.
    while health.wait_for(|health| !is_disconnected(health)).await.is_ok()
        && tokio::time::timeout(time, health.wait_for(is_disconnected)).await.is_ok()
    {}
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn waiting_for_a_job_ends_with_its_own_cancel_only() {
        let cancels = Cancels::default();
        let mut wait = std::pin::pin!(cancels.wait_for("mine"));
        assert!(poll!(&mut wait).is_pending());
        cancels.record("other".to_owned());
        assert!(poll!(&mut wait).is_pending());
        cancels.record("mine".to_owned());
        assert!(poll!(&mut wait).is_ready());
        assert!(poll!(std::pin::pin!(cancels.wait_for("mine"))).is_ready());
    }

    #[tokio::test]
    async fn jobs_wait_for_missed_cancels_until_the_timeout() {
        let catch_up_timeout = Duration::from_millis(200);
        let cancels = Cancels { catch_up_timeout, ..Cancels::default() };
        let (sender, mut news) = mpsc::channel(8);
        let (health, healths) = watch::channel(Health::Ready);
        let announce = async |news| sender.send(news).await.expect("a listener");
        let waits = async |time| tokio::time::timeout(time, cancels.caught_up()).await.is_err();
        let outage = async {
            announce(CancelEvent::Cancel("a".to_owned())).await;
            announce(CancelEvent::CaughtUp).await;
            cancels.caught_up().await;
            assert!(cancels.contains("a"));

            // While the broker is disconnected there are no jobs that could wait.
            health.send_replace(Health::Disconnected { error: String::new() });
            announce(CancelEvent::ConnectionLost).await;
            cancels.caught_up.subscribe().wait_for(|up| !up).await.expect("not caught up");
            assert!(waits(catch_up_timeout * 3).await);
            let reconnected = tokio::time::Instant::now();
            health.send_replace(Health::Blocked { reason: String::new() });
            cancels.caught_up().await;
            assert!(reconnected.elapsed() >= catch_up_timeout);
        };
        tokio::select! {
            () = cancels.listen(&mut news, &healths) => panic!("listening ended"),
            () = outage => {}
        }
    }

    #[tokio::test]
    async fn a_stream_that_never_catches_up_is_followed_again() {
        let catch_up_timeout = Duration::from_millis(10);
        let cancels = Cancels { catch_up_timeout, ..Cancels::default() };
        // The stream stays open, and announces a cancel: it ends for the timeout alone.
        let (sender, mut news) = mpsc::channel(8);
        sender.send(CancelEvent::Cancel("a".to_owned())).await.expect("a listener");
        let (_health, healths) = watch::channel(Health::Ready);
        let began = tokio::time::Instant::now();
        let listening = cancels.listen(&mut news, &healths);
        tokio::time::timeout(Duration::from_secs(60), listening).await.expect("it is given up");
        assert!(began.elapsed() >= catch_up_timeout);
        assert!(!sender.is_closed() && cancels.contains("a"));
        // Jobs do not wait for the next stream.
        assert!(poll!(std::pin::pin!(cancels.caught_up())).is_ready());
    }

    #[test]
    fn the_oldest_cancels_are_evicted_first() {
        let cancels = Cancels { jobs: Mutex::new(BoundedSet::new(2)), ..Cancels::default() };
        for job in ["a", "b", "a", "c"] {
            cancels.record(job.to_owned());
        }
        assert_eq!(["a", "b", "c"].map(|job| cancels.contains(job)), [false, true, true]);
    }
}
