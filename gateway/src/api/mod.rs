//! The gRPC service: everything that knows tonic.

pub mod admission;
mod deadline;
pub mod server;
pub mod service;
pub mod status;
