//! The gRPC service: everything that depends on tonic.

pub mod admission;
mod deadline;
pub mod server;
pub mod service;
pub mod status;
