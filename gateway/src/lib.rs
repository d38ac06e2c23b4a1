//! The gateway: gRPC and gRPC-Web in front, the mesh behind.
//!
//! A request is decided about without I/O (`submission`), carried out (`jobs`,
//! `watch`, `listing`) over the job table (`table`, a fold over the results log), and
//! translated from and to the wire in one place (`service`). Nothing here knows a
//! solver, and nothing but the composition in `main.rs` knows RabbitMQ.

pub mod api;
mod clock;
pub mod config;
pub mod jobs;
pub mod policy;
pub mod refusal;
pub mod submission;
pub mod table;
pub mod tasks;
