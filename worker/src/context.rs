//! What all slots of a worker share.

use std::{sync::Arc, time::Duration};

use solvemesh_broker::Mesh;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{cancels::Cancels, config::WorkerConfig, journal::Journal};

/// What all slots of a worker share.
pub(crate) struct Context {
    pub(crate) mesh: Arc<dyn Mesh>,
    pub(crate) config: WorkerConfig,
    pub(crate) journal: Journal,
    pub(crate) cancels: Cancels,
    /// Take no more jobs.
    pub(crate) stop: CancellationToken,
    /// Solve no further: hand back what is in hand.
    pub(crate) kill: CancellationToken,
    /// What goes on after a slot has let go of a job.
    settling: TaskTracker,
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(
        mesh: Arc<dyn Mesh>,
        config: WorkerConfig,
        journal: Journal,
        stop: CancellationToken,
        kill: CancellationToken,
    ) -> Self {
        // As many as there may be unsettled jobs.
        let unsettled =
            config.slots.iter().map(|(lane, slots)| slots * usize::from(config.prefetch(lane)));
        let places = Arc::new(Semaphore::new(unsettled.sum()));
        let settling = TaskTracker::new();
        Self { mesh, config, journal, cancels: Cancels::default(), stop, kill, settling, places }
    }

    /// Lets something go on by itself, while its slot takes the next job. Waits while
    /// too much does.
    pub(crate) async fn settle(&self, work: impl Future<Output = ()> + Send + 'static) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        self.settling.spawn(async move {
            work.await;
            drop(place);
        });
    }

    /// Waits until nothing goes on any more; nothing must be let go on afterwards.
    pub(crate) async fn settled(&self) {
        self.settling.close();
        self.settling.wait().await;
    }

    /// Waits a while; tells whether there is still reason to go on.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}
