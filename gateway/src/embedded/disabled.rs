//! Replaces the embedded mesh in a build without solvers.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use solvemesh_broker::Mesh;
use solvemesh_gateway::Args;

/// The worker slots of this process, of which there are none: a type without values.
pub(crate) enum EmbeddedWorker {}

impl EmbeddedWorker {
    /// Never called: there is no value of this type.
    pub(crate) async fn stop(self) {
        match self {}
    }
}

/// Always fails: this build requires a broker.
///
/// # Errors
///
/// Always.
pub(crate) fn start(_: &Args, _: &mut Registry) -> anyhow::Result<(Arc<dyn Mesh>, EmbeddedWorker)> {
    anyhow::bail!("--amqp is required: this gateway was built without solvers")
}

/// Always fails: this build has no solver.
///
/// # Errors
///
/// Always.
pub(crate) fn run_solver() -> anyhow::Result<()> {
    anyhow::bail!("this gateway was built without solvers")
}
