//! Sends the heartbeats of this gateway, and follows those of all processes of the mesh.

use std::time::Duration;

use solvemesh::broker::v1::Heartbeat;
use solvemesh_broker::{HEARTBEAT_INTERVAL, MeshError};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::debug;

use crate::jobs::Jobs;

/// How long the last heartbeat may take. Without it, other gateways list this one until it has
/// missed two.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs until the gateway shuts down, or the mesh is closed.
///
/// # Errors
///
/// [`MeshError::Closed`] if the mesh was closed before.
pub async fn run(jobs: Jobs) -> Result<(), MeshError> {
    let heartbeats = jobs.mesh().follow_heartbeats().await?;
    tokio::select! {
        () = follow(&jobs, heartbeats) => {}
        () = send_regularly(&jobs) => {}
        () = jobs.stopping() => {
            // Whether it arrives or not, the gateway stops.
            let _ = timeout(LAST_TIMEOUT, jobs.mesh().send_heartbeat(jobs.heartbeat(true))).await;
        }
    }
    Ok(())
}

async fn follow(jobs: &Jobs, mut heartbeats: mpsc::Receiver<Heartbeat>) {
    while let Some(heartbeat) = heartbeats.recv().await {
        jobs.hear(heartbeat);
    }
}

async fn send_regularly(jobs: &Jobs) {
    let mut ticks = interval(HEARTBEAT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = jobs.mesh().send_heartbeat(jobs.heartbeat(false)).await {
            debug!(cause = %error, "heartbeat not sent");
        }
    }
}
