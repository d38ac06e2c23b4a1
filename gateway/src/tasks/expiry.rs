//! Ends jobs whose time in the queue is over, whether there are workers or not.

use std::time::{Duration, SystemTime};

use solvemesh::broker::v1::{LogEntry, QueueTimePassed, log_entry};
use solvemesh_broker::MeshError;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::info;

use crate::{clock::now, jobs::Jobs};

/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The most jobs that are ended in one look.
const AT_ONCE: usize = 1000;

/// Looks for overdue jobs and says so in the log, which decides: a job that a worker
/// took before goes on. Every gateway does; a second entry changes nothing. Ends with
/// the mesh.
pub async fn run(jobs: Jobs) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let overdue = jobs.table.read(|fold| fold.overdue(now(), AT_ONCE));
        for job in &overdue {
            info!(%job, "its time in the queue is over");
            let entry = LogEntry {
                time: Some(SystemTime::now().into()),
                job_id: job.to_string(),
                kind: Some(log_entry::Kind::QueueTimePassed(QueueTimePassed {})),
                ..LogEntry::default()
            };
            match timeout(jobs.patience(), jobs.mesh.append(entry)).await {
                Ok(Err(MeshError::Closed)) => return,
                Ok(Ok(())) => {}
                // The broker is away: the next look tries again.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        if !overdue.is_empty() {
            // What was just said has to be read before it is looked for again; if it
            // can't be, it is said twice.
            let _ = jobs.table.catch_up(jobs.patience()).await;
        }
    }
}
