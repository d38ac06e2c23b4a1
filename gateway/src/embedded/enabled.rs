//! A mesh within this process: jobs exist in its memory only, and are lost when it ends.

use std::{sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use solvemesh_broker::{MemoryConfig, MemoryMesh, Mesh};
use solvemesh_gateway::Args;
use solvemesh_worker::{OWN_LANES, SolverCommandLine, Worker, WorkerConfig};
use tracing::warn;

/// How long running solves may continue at shutdown. Short, because their jobs are lost with this
/// process anyway.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

#[global_allocator]
static ALLOCATOR: solvemesh_solver::Allocator = solvemesh_solver::Allocator;

/// The worker slots of this process.
pub(crate) struct EmbeddedWorker(Worker);

impl EmbeddedWorker {
    /// Stops the slots.
    pub(crate) async fn stop(self) {
        self.0.drain(DRAIN_GRACE).await;
    }
}

/// Starts the mesh and its slots.
///
/// # Errors
///
/// If `--slots` is malformed, names a lane that is not in `--lanes`, or leaves a lane of
/// `--lanes` without a slot.
pub(crate) fn start(
    args: &Args,
    metrics: &mut Registry,
) -> anyhow::Result<(Arc<dyn Mesh>, EmbeddedWorker)> {
    warn!("no --amqp: jobs are solved in this process and lost when it ends");
    let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(MemoryConfig::default()));
    let mut config = WorkerConfig {
        name: "embedded".to_owned(),
        solver: SolverCommandLine::this_program(["solver"]),
        ..WorkerConfig::default()
    };
    if let Some(slots) = &args.slots {
        config.slots = slots.parse()?;
    }
    for (lane, _) in config.slots.iter() {
        let exists = args.lanes.contains(lane) || OWN_LANES.contains(&lane.as_str());
        anyhow::ensure!(exists, "--slots: lane {lane} is not in --lanes");
    }
    for lane in &args.lanes {
        let served = config.slots.iter().any(|(slots, count)| slots == lane && count > 0);
        anyhow::ensure!(served, "--slots: lane {lane} of --lanes needs a slot");
    }
    config.metrics.register(metrics);
    let worker = Worker::start(mesh.clone(), config);
    Ok((mesh, EmbeddedWorker(worker)))
}

/// Runs this process as a solver process: tasks on standard input, reports on standard output.
///
/// # Errors
///
/// If a pipe fails.
pub(crate) fn run_solver() -> anyhow::Result<()> {
    Ok(solvemesh_solver::run()?)
}
