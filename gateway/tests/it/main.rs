//! Tests of the gateway over a mesh in memory.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod access;
mod callers;
mod harness;
mod hostile;
mod mesh_state;
mod retention;
mod revocation;
mod service;
mod sweeps;
mod tokens;
