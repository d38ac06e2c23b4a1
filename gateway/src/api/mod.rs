//! The server: the gRPC service, which is all that depends on tonic, and the page for browsers.

mod access;
mod admission;
mod any_body;
mod arrival;
pub(crate) mod browser;
mod connections;
mod deadline;
mod ending;
mod front;
pub(crate) mod health;
mod measure;
mod page;
pub(crate) mod server;
mod service;
mod status;
mod transport_errors;
