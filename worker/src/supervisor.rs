//! The worker as a whole: starts its tasks, restarts panicked slots, drains.

use std::{sync::Arc, time::Duration};

use solvemesh_broker::Mesh;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    config::WorkerConfig, context::Context, heartbeat, log::writer::LogWriter, slot::Slot,
};

/// How long a drain waits for slots whose solvers it has killed, and for each of the last tasks.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// Pause before a panicked slot is restarted.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A running worker: slots that consume jobs from their lanes, each with a solver process. If it
/// is dropped without [`Worker::drain`], solves are killed and their jobs requeued.
///
/// Its tasks: one per slot, one per job that is being settled or parked, one that writes to the
/// results log, one that follows cancels, one that registers the worker as connected, one that sends
/// heartbeats.
#[derive(Debug)]
pub struct Worker {
    context: Arc<Context>,
    slots: TaskTracker,
    log_writer: JoinHandle<()>,
    cancels: JoinHandle<()>,
    presence: JoinHandle<()>,
    heartbeats: JoinHandle<()>,
    /// Cancelled to end the tasks that must outlive the slots: log writer, cancels, heartbeats.
    end: CancellationToken,
    _kill_on_drop: DropGuard,
    _stop_on_drop: DropGuard,
    _end_on_drop: DropGuard,
}

impl Worker {
    /// Starts a worker on this mesh.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(mesh: Arc<dyn Mesh>, config: WorkerConfig) -> Self {
        let [stop, kill, end] = std::array::from_fn(|_| CancellationToken::new());
        let (log_writer, write_log) = LogWriter::open(Arc::clone(&mesh), end.clone());
        let log_task = tokio::spawn(write_log);
        let context = Arc::new(Context::new(mesh, config, log_writer, stop.clone(), kill.clone()));
        tracing::info!(
            worker = context.config.name,
            slots = context.config.slots.total(),
            solver = %context.config.solver.program.display(),
            "worker started"
        );
        let cancels = tokio::spawn({
            let (context, end) = (Arc::clone(&context), end.clone());
            async move { context.cancels.follow(context.mesh.as_ref(), &end).await }
        });
        let presence = tokio::spawn({
            let context = Arc::clone(&context);
            async move {
                if let Err(error) = context.mesh.register_worker(&context.id).await {
                    // Other workers then take this one for dead and may solve its jobs again.
                    tracing::warn!(cause = %error, "cannot register as connected");
                }
            }
        });
        let heartbeats = tokio::spawn({
            let (context, end) = (Arc::clone(&context), end.clone());
            async move { heartbeat::run(&context, &end).await }
        });
        let slots = TaskTracker::new();
        for (lane, count) in context.config.slots.iter() {
            for index in 0..count {
                let slot = Slot { context: Arc::clone(&context), lane: lane.clone(), index };
                slots.spawn(run_restarting(slot));
            }
        }
        slots.close();
        Self {
            context,
            slots,
            log_writer: log_task,
            cancels,
            presence,
            heartbeats,
            _stop_on_drop: stop.drop_guard(),
            _kill_on_drop: kill.drop_guard(),
            _end_on_drop: end.clone().drop_guard(),
            end,
        }
    }

    /// Waits until the worker has taken as many jobs as [`WorkerConfig::job_limit`] allows, and
    /// settled them: forever, without a limit. Call [`Worker::drain`] then, too.
    pub async fn finished(&self) {
        self.slots.wait().await;
        // Returns parked jobs, which would wait for this.
        self.context.stop.cancel();
        self.context.settled().await;
    }

    /// Stops the worker: it accepts no more jobs, finishes those that run, and requeues those that
    /// wait. Solves that take longer than `grace` are killed and their jobs requeued too. Returns
    /// when every task has ended.
    pub async fn drain(self, grace: Duration) {
        tracing::info!(worker = self.context.config.name, "draining");
        self.context.stop.cancel();
        if timeout(grace, self.slots.wait()).await.is_err() {
            tracing::warn!(cause = "drain grace expired", "killing running solves");
        }
        self.context.kill.cancel();
        let killed = timeout(KILL_GRACE, self.slots.wait()).await.is_ok();
        let settle = timeout(self.context.config.settle_grace, self.context.settled());
        if !killed || settle.await.is_err() {
            tracing::warn!(
                cause = "no confirm from the results log",
                "leaving jobs to other workers"
            );
        }
        // Last, because settling needs the log writer.
        self.end.cancel();
        let Self { mut log_writer, mut cancels, mut presence, mut heartbeats, .. } = self;
        for task in [&mut log_writer, &mut cancels, &mut presence, &mut heartbeats] {
            if timeout(KILL_GRACE, &mut *task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// Runs a slot, and restarts it when it panics, so that the worker keeps its number of slots.
async fn run_restarting(slot: Slot) {
    let (lane, index) = (slot.lane.clone(), slot.index);
    loop {
        let Err(panic) = tokio::spawn(slot.clone().run()).await else { return };
        tracing::error!(%lane, slot = index, cause = %panic, "slot task panicked");
        if !slot.context.pause(RESTART_PAUSE).await {
            return;
        }
    }
}
