//! What stands in for the embedded mesh in a gateway that was built without it.

use std::sync::Arc;

use solvemesh_broker::Mesh;
use solvemesh_gateway::config::Args;

/// There are no slots.
pub(crate) enum Solving {}

impl Solving {
    /// Never called.
    pub(crate) async fn end(self) {
        match self {}
    }
}

/// Refuses.
pub(crate) fn start(_: &Args) -> anyhow::Result<(Arc<dyn Mesh>, Solving)> {
    anyhow::bail!("--amqp is required: this gateway was built without solvers")
}

/// Refuses.
pub(crate) fn be_solver() -> anyhow::Result<()> {
    anyhow::bail!("this gateway was built without solvers")
}
