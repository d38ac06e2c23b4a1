//! A mesh within the gateway's own process, without a broker: an in-memory [`Mesh`], worker
//! slots beside the server, and this binary again as the solver process. A gateway that was
//! built without the feature `embedded` refuses to start without a broker.
//!
//! [`Mesh`]: solvemesh_broker::Mesh

#[cfg(not(feature = "embedded"))]
mod disabled;
#[cfg(feature = "embedded")]
mod enabled;

#[cfg(not(feature = "embedded"))]
pub(crate) use disabled::{EmbeddedWorker, run_solver, start};
#[cfg(feature = "embedded")]
pub(crate) use enabled::{EmbeddedWorker, run_solver, start};
