//! Expires jobs that are still queued at their queue deadline, whether there are workers or not.

use std::time::Duration;

use solvemesh::broker::v1::{QueueTimePassed, log_entry};
use solvemesh_broker::{MeshError, entry};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::info;

use crate::{clock::now, jobs::Jobs};

/// How often to check for overdue jobs.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Maximum number of jobs that one check expires.
const MAX_PER_CHECK: usize = 1000;

/// Appends an entry to the log for each overdue job, until the mesh is closed. The order of the
/// log decides: the entry has no effect if a worker's start is before it. Every gateway runs this;
/// a second entry changes nothing.
pub async fn run(jobs: Jobs) {
    let mut ticks = interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let overdue = jobs.table().read(|fold| fold.overdue(now(), MAX_PER_CHECK));
        for job in &overdue {
            info!(%job, "queue deadline passed");
            let expired = log_entry::Kind::QueueTimePassed(QueueTimePassed {});
            match timeout(jobs.broker_timeout(), jobs.mesh().append(entry(&**job, expired))).await {
                Ok(Err(MeshError::Closed)) => return,
                Ok(Ok(())) => {}
                // The broker is not available: the next check tries again.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        if !overdue.is_empty() {
            // Read the entries back before the next check, which would find the same jobs
            // again. If that fails, duplicate entries do no harm.
            let _ = jobs.catch_up().await;
        }
    }
}
