//! State that all slots of a worker share.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use solvemesh_broker::{MAX_JOBS_IN_MESSAGE, Mesh};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    busy_slots::BusySlots,
    config::WorkerConfig,
    delivery::{cancels::Cancels, lookup_backoff::LookupBackoff, running::RunningJobs},
    log::writer::LogWriter,
};

/// Maximum number of jobs that are parked at once. Each may keep a broker channel open, and the
/// broker allows about 2,000 channels per connection.
const MAX_PARKED: usize = 256;

/// State that all slots of a worker share.
pub(crate) struct Context {
    /// Random id under which this worker is registered at the broker as connected.
    pub(crate) id: String,
    pub(crate) mesh: Arc<dyn Mesh>,
    pub(crate) config: WorkerConfig,
    pub(crate) log_writer: LogWriter,
    pub(crate) cancels: Cancels,
    pub(crate) running: RunningJobs,
    pub(crate) busy_slots: BusySlots,
    pub(crate) lookup_backoff: LookupBackoff,
    /// Cancelled when the worker must accept no more jobs.
    pub(crate) stop: CancellationToken,
    /// Cancelled when running solves must be killed and their jobs requeued.
    pub(crate) kill: CancellationToken,
    /// Tasks that continue after their slot is free: settling and parking.
    tasks: TaskTracker,
    settle_permits: Arc<Semaphore>,
    park_permits: Arc<Semaphore>,
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
        log_writer: LogWriter,
        stop: CancellationToken,
        kill: CancellationToken,
    ) -> Self {
        // One permit for each job that this worker may hold unsettled: several share a message.
        let max_unsettled = config
            .slots
            .iter()
            .map(|(lane, slots)| slots * usize::from(config.prefetch(lane)) * MAX_JOBS_IN_MESSAGE);
        let settle_permits = Arc::new(Semaphore::new(max_unsettled.sum()));
        let tasks = TaskTracker::new();
        for (lane, count) in config.slots.iter() {
            config.metrics.add_slots(lane, count);
        }
        let busy_slots = BusySlots::new(config.metrics.clone());
        Self {
            id: Uuid::new_v4().to_string(),
            mesh,
            config,
            log_writer,
            cancels: Cancels::default(),
            running: RunningJobs::default(),
            busy_slots,
            lookup_backoff: LookupBackoff::default(),
            stop,
            kill,
            tasks,
            settle_permits,
            park_permits: Arc::new(Semaphore::new(MAX_PARKED)),
        }
    }

    /// Spawns the settling of a job, so that its slot is free for the next one. Waits for a permit
    /// while too many jobs are being settled.
    pub(crate) fn settle(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> {
        self.spawn(&self.settle_permits, Box::pin(work))
    }

    /// Spawns work on a parked job, which may take long but has to end once the worker stops. It
    /// has permits of its own, so that parked jobs never delay settling. Waits for a permit while
    /// too many jobs are parked.
    pub(crate) fn park(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> {
        self.spawn(&self.park_permits, Box::pin(work))
    }

    /// The work is boxed, because it has kilobytes and is moved several times on its way.
    async fn spawn(&self, permits: &Arc<Semaphore>, work: BoxFuture<'static, ()>) {
        // `acquire_owned` fails only on a closed semaphore, and these are never closed.
        let permit = Arc::clone(permits).acquire_owned().await.ok();
        self.tasks.spawn(async move {
            work.await;
            drop(permit);
        });
    }

    /// Waits until all spawned tasks have finished. No more may be spawned after this call.
    pub(crate) async fn settled(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Sleeps for `pause`. Returns early, with `false`, when the worker stops.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}
