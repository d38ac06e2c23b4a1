//! Tests of the worker over an in-memory mesh, with real and scripted solver processes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod blocked;
mod confinement;
mod end_to_end;
mod faults;
mod harness;
mod life;
mod redelivery;
mod runs;
mod sweeps;
