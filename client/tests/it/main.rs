//! The client library against a scripted gateway.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod client;
mod mesh;
