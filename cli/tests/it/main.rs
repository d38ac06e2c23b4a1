//! The command line, as a process, against a scripted gateway.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod ampl;
mod cli;
mod mesh;
mod program;
mod sweep;
