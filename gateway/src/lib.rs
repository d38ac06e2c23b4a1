//! The gateway: serves the gRPC and gRPC-Web API over a mesh of workers.
//!
//! `api` converts between wire types and the rest. `submission` validates a request without I/O,
//! and `jobs` carries it out over the job table (`table`, a fold over the results log). `tasks`
//! has the background tasks. Nothing here depends on a solver, and only `main.rs`, which composes
//! the parts, depends on RabbitMQ.

pub mod api;
mod clock;
pub mod config;
pub mod jobs;
pub mod policy;
pub mod refusal;
pub mod submission;
pub mod table;
pub mod tasks;
