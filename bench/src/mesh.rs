//! A mesh to measure: a gateway and two workers on the broker.

use solvemesh_tests::{
    clients::Doors,
    mesh::{Gateway, worker},
    processes::Process,
};

use crate::load;

/// The number of workers, and of the processes of every peer.
pub(crate) const WORKERS: usize = 2;

/// A gateway with workers.
pub(crate) struct BenchMesh {
    pub(crate) gateway: Gateway,
    pub(crate) workers: Vec<Process>,
    pub(crate) doors: Doors,
}

impl BenchMesh {
    /// Starts a mesh on an empty virtual host, and lets its workers start their solver processes.
    pub(crate) async fn start(url: &str, gateway_flags: &[&str]) -> anyhow::Result<Self> {
        let gateway = Gateway::on(url, gateway_flags).await;
        let workers = (0..WORKERS).map(|_| worker(url)).collect();
        let doors = load::connections(&[gateway.address]);
        load::solve(&doors, 16 * WORKERS, 16 * WORKERS).await?;
        Ok(Self { gateway, workers, doors })
    }

    /// The process ids of the workers.
    pub(crate) fn worker_processes(&self) -> Vec<u32> {
        self.workers.iter().map(Process::id).collect()
    }

    /// The process ids of the solver processes.
    pub(crate) fn solver_processes(&self) -> Vec<u32> {
        self.workers.iter().flat_map(Process::children).collect()
    }
}
