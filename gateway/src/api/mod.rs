//! The gRPC service: everything that depends on tonic.

mod admission;
mod deadline;
pub(crate) mod health;
pub(crate) mod server;
mod service;
mod status;
mod transport_errors;
