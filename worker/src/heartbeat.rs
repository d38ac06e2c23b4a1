//! The heartbeats by which gateways know this worker and what it does.

use std::{
    pin::pin,
    time::{Duration, SystemTime},
};

use solvemesh::broker::v1::{Heartbeat, LaneSlots, WorkerHeartbeat, heartbeat::Process};
use solvemesh_broker::{FORMAT_VERSION, HEARTBEAT_INTERVAL, LANE_VERSION};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// Minimum time between two heartbeats. A slot that begins or ends a job, or a drain, causes one
/// before its time, so that people see what happens; but on small jobs that would be thousands per
/// second.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last heartbeat may take. Without it, gateways list this worker until it has missed
/// two.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends heartbeats until `end`, and then one that says so.
pub(crate) async fn run(context: &Context, end: &CancellationToken) {
    let start_time = SystemTime::now();
    let send = async |is_last| {
        let heartbeat = current(context, start_time, is_last);
        if let Err(error) = context.mesh.send_heartbeat(heartbeat).await {
            tracing::debug!(cause = %error, "heartbeat not sent");
        }
    };
    let regularly = async {
        loop {
            let draining = context.stop.is_cancelled();
            send(false).await;
            let mut due = pin!(sleep(HEARTBEAT_INTERVAL));
            tokio::select! {
                () = &mut due => continue,
                () = sleep(MIN_INTERVAL) => {}
            }
            tokio::select! {
                () = due => {}
                () = context.busy_slots.changed() => {}
                () = context.stop.cancelled(), if !draining => {}
            }
        }
    };
    if end.run_until_cancelled(regularly).await.is_none() {
        // Whether it arrives or not, the worker ends.
        let _ = timeout(LAST_TIMEOUT, send(true)).await;
    }
}

/// The heartbeat of this moment.
fn current(context: &Context, start_time: SystemTime, is_last: bool) -> Heartbeat {
    let slots = context.config.slots.iter().map(|(lane, count)| LaneSlots {
        lane: lane.to_string(),
        slot_count: u32::try_from(count).unwrap_or(u32::MAX),
    });
    let worker = WorkerHeartbeat {
        lanes: slots.collect(),
        busy_slots: context.busy_slots.current(),
        draining: context.stop.is_cancelled(),
        lane_version: LANE_VERSION,
    };
    Heartbeat {
        version: FORMAT_VERSION,
        process_id: context.id.clone(),
        name: context.config.name.clone(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        start_time: Some(start_time.into()),
        interval: HEARTBEAT_INTERVAL.try_into().ok(),
        is_last,
        process: Some(Process::Worker(worker)),
        send_time: Some(SystemTime::now().into()),
    }
}
