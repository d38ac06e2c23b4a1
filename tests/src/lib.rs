//! Support for the end-to-end tests: real processes, a real broker, real models, and the
//! clients that people use.
//!
//! Everything here panics on failure, because a panicking test prints the logs of its
//! processes (see [`processes::Process`]).

use std::time::Duration;

pub mod checker;
pub mod clients;
pub mod collector;
pub mod fleet;
pub mod grpcurl;
pub mod history;
pub mod instances;
pub mod jobs;
pub mod keys;
pub mod mesh;
pub mod metrics;
pub mod models;
pub mod old_version;
pub mod payload;
pub mod processes;
pub mod rawlog;
pub mod stray;
pub mod tls;
pub mod tools;
pub mod trial;
pub mod web;

pub use solvemesh_testkit::{certificates, files, proxy, rabbit, tokens};

/// Awaits a future with a timeout. `what` names in the panic message what was awaited.
///
/// # Panics
///
/// After `limit`.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {limit:?} for {what}"),
    }
}
