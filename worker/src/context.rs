//! What all slots of a worker share.

use std::{sync::Arc, time::Duration};

use solvemesh_broker::Mesh;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    config::WorkerConfig,
    delivery::{
        cancels::Cancels,
        redelivery::{Running, Unanswered},
    },
    log::writer::Journal,
};

/// The most jobs that are parked at once. Each may keep a channel of the broker open,
/// which allows some 2,000 to a connection.
const PARKED: usize = 256;

/// What all slots of a worker share.
pub(crate) struct Context {
    /// This worker is present at the broker under this random id.
    pub(crate) id: String,
    pub(crate) mesh: Arc<dyn Mesh>,
    pub(crate) config: WorkerConfig,
    pub(crate) journal: Journal,
    pub(crate) cancels: Cancels,
    pub(crate) running: Running,
    pub(crate) unanswered: Unanswered,
    /// Take no more jobs.
    pub(crate) stop: CancellationToken,
    /// Solve no further: hand back what is in hand.
    pub(crate) kill: CancellationToken,
    /// What goes on after a slot has let go of a job.
    settling: TaskTracker,
    settling_places: Arc<Semaphore>,
    parking_places: Arc<Semaphore>,
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
        let settling_places = Arc::new(Semaphore::new(unsettled.sum()));
        let settling = TaskTracker::new();
        Self {
            id: Uuid::new_v4().to_string(),
            mesh,
            config,
            journal,
            cancels: Cancels::default(),
            running: Running::default(),
            unanswered: Unanswered::default(),
            stop,
            kill,
            settling,
            settling_places,
            parking_places: Arc::new(Semaphore::new(PARKED)),
        }
    }

    /// Lets something go on by itself, while its slot takes the next job. Waits while
    /// too much does.
    pub(crate) async fn settle(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.go_on(&self.settling_places, work).await;
    }

    /// Lets something go on by itself that takes long, and ends once the worker stops:
    /// it takes no place from what is settled. Waits while too much does.
    pub(crate) async fn park(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.go_on(&self.parking_places, work).await;
    }

    async fn go_on(
        &self,
        places: &Arc<Semaphore>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        // The semaphores are never closed.
        let place = Arc::clone(places).acquire_owned().await.ok();
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
