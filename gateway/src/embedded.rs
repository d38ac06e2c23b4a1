//! A whole mesh in this process: its memory for a broker, worker slots beside the
//! server, and this binary again as the solver process.

use std::{sync::Arc, time::Duration};

use solvemesh_broker::{MemoryConfig, MemoryMesh, Mesh};
use solvemesh_gateway::config::Args;
use solvemesh_worker::{SolverCommandLine, Worker, WorkerConfig, solver};
use tracing::warn;

/// How long running solves have at the end: their jobs end with this process anyway.
const DRAIN: Duration = Duration::from_secs(1);

/// The worker slots of this process.
pub(crate) struct Solving(Worker);

impl Solving {
    /// Stops the slots.
    pub(crate) async fn end(self) {
        self.0.drain(DRAIN).await;
    }
}

/// Starts the mesh and its slots.
pub(crate) fn start(args: &Args) -> anyhow::Result<(Arc<dyn Mesh>, Solving)> {
    warn!("no --amqp: jobs are solved in this process and end with it");
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
        let known = args.lanes.contains(lane) || solver::OWN_LANES.contains(&lane.as_str());
        anyhow::ensure!(known, "--slots: there is no lane {lane} in --lanes");
    }
    for lane in &args.lanes {
        let served = config.slots.iter().any(|(slots, count)| slots == lane && count > 0);
        anyhow::ensure!(served, "--slots: nobody would solve the jobs of lane {lane}");
    }
    let worker = Worker::start(mesh.clone(), config);
    Ok((mesh, Solving(worker)))
}

/// Is a solver process: tasks on standard input, reports on standard output.
pub(crate) fn be_solver() -> anyhow::Result<()> {
    Ok(solvemesh_worker::solver::run()?)
}
