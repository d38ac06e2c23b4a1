//! The gateway: gRPC and gRPC-Web in front, the mesh behind.
//!
//! A request is decided about without I/O (`submission`), carried out (`jobs`,
//! `watch`, `listing`) over the job table (`table`, a fold over the results log), and
//! translated from and to the wire in one place (`service`). Nothing here knows a
//! solver, and nothing but the composition in `main.rs` knows RabbitMQ.

pub mod admission;
mod clock;
pub mod config;
pub mod dead_letters;
pub mod expiry;
pub mod jobs;
pub mod listing;
pub mod lookups;
pub mod policy;
mod recall;
pub mod refusal;
pub mod server;
pub mod service;
pub mod submission;
pub mod table;
pub mod watch;
