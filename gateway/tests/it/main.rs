//! Tests of the gateway over a mesh in memory.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod access;
mod harness;
mod mesh_state;
mod retention;
mod service;
mod sweeps;
