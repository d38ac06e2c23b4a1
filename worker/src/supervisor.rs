//! A worker as a whole: its tasks, their start and their end.

use std::{sync::Arc, time::Duration};

use solvemesh_broker::Mesh;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{config::WorkerConfig, context::Context, log::writer::Journal, slot::Slot};

/// How long a drain waits for slots whose solvers it has killed.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// The pause before a slot is started again that ended by a fault of its own.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// A running worker: slots that take jobs from their lanes, each with a solver
/// process. Dropped without [`Worker::drain`], it hands back what it has in hand.
///
/// Its tasks: one for each slot, one for each job that is being settled, one that
/// writes into the log, one that hears of cancels, one that makes it present.
#[derive(Debug)]
pub struct Worker {
    context: Arc<Context>,
    slots: TaskTracker,
    journal: JoinHandle<()>,
    cancels: JoinHandle<()>,
    presence: JoinHandle<()>,
    /// Ends what serves the slots.
    end: CancellationToken,
    _kill_on_drop: DropGuard,
    _stop_on_drop: DropGuard,
    _end_on_drop: DropGuard,
}

impl Worker {
    /// Starts a worker on this mesh. Must be called within a Tokio runtime.
    pub fn start(mesh: Arc<dyn Mesh>, config: WorkerConfig) -> Self {
        let [stop, kill, end] = std::array::from_fn(|_| CancellationToken::new());
        let (journal, keep_journal) = Journal::open(Arc::clone(&mesh), end.clone());
        let journal_task = tokio::spawn(keep_journal);
        let context = Arc::new(Context::new(mesh, config, journal, stop.clone(), kill.clone()));
        tracing::info!(
            worker = context.config.name,
            slots = context.config.slots.total(),
            solver = %context.config.solver.program.display(),
            "the worker takes jobs"
        );
        let cancels = tokio::spawn({
            let (context, end) = (Arc::clone(&context), end.clone());
            async move { context.cancels.follow(context.mesh.as_ref(), &end).await }
        });
        let presence = tokio::spawn({
            let context = Arc::clone(&context);
            async move {
                if let Err(error) = context.mesh.be_present(&context.id).await {
                    tracing::warn!(cause = %error, "other workers can't see that this one lives");
                }
            }
        });
        let slots = TaskTracker::new();
        for (lane, count) in context.config.slots.iter() {
            for index in 0..count {
                let slot = Slot { context: Arc::clone(&context), lane: lane.clone(), index };
                slots.spawn(keep(slot));
            }
        }
        slots.close();
        Self {
            context,
            slots,
            journal: journal_task,
            cancels,
            presence,
            _stop_on_drop: stop.drop_guard(),
            _kill_on_drop: kill.drop_guard(),
            _end_on_drop: end.clone().drop_guard(),
            end,
        }
    }

    /// Stops: takes no more jobs, finishes those that run, and hands back all that
    /// wait. Solves that take longer than `grace` are killed and their jobs handed
    /// back too. Returns when every task has ended.
    pub async fn drain(self, grace: Duration) {
        tracing::info!(worker = self.context.config.name, "draining");
        self.context.stop.cancel();
        if timeout(grace, self.slots.wait()).await.is_err() {
            tracing::warn!(cause = "the grace is over", "stopping the solves under way");
        }
        self.context.kill.cancel();
        let killed = timeout(KILL_GRACE, self.slots.wait()).await.is_ok();
        let settle = timeout(self.context.config.settle_grace, self.context.settled());
        if !killed || settle.await.is_err() {
            tracing::warn!(cause = "the log does not confirm", "leaving jobs to other workers");
        }
        self.end.cancel();
        let Self { mut journal, mut cancels, mut presence, .. } = self;
        for task in [&mut journal, &mut cancels, &mut presence] {
            if timeout(KILL_GRACE, &mut *task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// Runs a slot, and again where it panicked: a worker keeps the slots it was given.
async fn keep(slot: Slot) {
    let (lane, index) = (slot.lane.clone(), slot.index);
    loop {
        let Err(fault) = tokio::spawn(slot.clone().run()).await else { return };
        tracing::error!(%lane, slot = index, cause = %fault, "a slot ended by a fault of its own");
        if !slot.context.pause(FAULT_PAUSE).await {
            return;
        }
    }
}
