//! What the end-to-end tests are made of: real processes, a real broker, real
//! models, and the clients that people use.
//!
//! Everything here panics when it fails: a test has nothing better to do, and a
//! panicking test shows the logs of its processes.

use std::time::Duration;

pub mod checker;
pub mod clients;
pub mod fleet;
pub mod grpcurl;
pub mod history;
pub mod instances;
pub mod jobs;
pub mod mesh;
pub mod models;
pub mod payload;
pub mod processes;
pub mod rawlog;
pub mod stray;
pub mod trial;
pub mod web;

pub use solvemesh_testkit::{certificates, proxy, rabbit};

/// What a future brings, if it brings it in time.
///
/// # Panics
///
/// When it does not.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {limit:?} for {what}"),
    }
}
