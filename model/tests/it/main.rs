//! Models through the public functions of the crate.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod instances;
mod long_inputs;
mod nl;
mod packed;
mod properties;
