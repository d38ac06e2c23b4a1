//! A gateway without solvers.

use std::sync::Arc;

use solvemesh_broker::Mesh;
use solvemesh_gateway::config::Args;

/// The worker slots of this process: there are none.
pub(crate) enum EmbeddedWorker {}

impl EmbeddedWorker {
    /// Never called: there is no value of this type.
    pub(crate) async fn stop(self) {
        match self {}
    }
}

/// Always fails.
///
/// # Errors
///
/// A broker is required.
pub(crate) fn start(_: &Args) -> anyhow::Result<(Arc<dyn Mesh>, EmbeddedWorker)> {
    anyhow::bail!("--amqp is required: this gateway was built without solvers")
}

/// Always fails.
///
/// # Errors
///
/// There is no solver.
pub(crate) fn run_solver() -> anyhow::Result<()> {
    anyhow::bail!("this gateway was built without solvers")
}
