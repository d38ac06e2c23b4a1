//! Settles deliveries without an attempt: acknowledge, requeue, reject, park.

use std::{sync::Arc, time::Duration};

use solvemesh_broker::{Lease, LeaseLost};

use crate::{
    context::Context,
    delivery::lookup::{Decision, look_up_decision},
};

/// Interval of the lookups of a parked job.
const PARK_INTERVAL: Duration = Duration::from_millis(500);

/// Acknowledges the delivery of a job that has finished.
pub(crate) async fn acknowledge(job: String, lease: Lease) {
    tracing::info!(job, "job finished before, delivery dropped");
    if let Err(LeaseLost) = lease.ack().await {
        tracing::info!(job, cause = %LeaseLost, "cannot acknowledge, job will be redelivered");
    }
}

/// Requeues a delivery.
pub(crate) async fn requeue(job: String, lease: Lease) {
    tracing::info!(job, "job requeued");
    if let Err(LeaseLost) = lease.requeue().await {
        tracing::info!(job, cause = %LeaseLost, "job was requeued already");
    }
}

/// Rejects a delivery. The broker moves it to the dead-letter queue, from which a gateway logs
/// the end of the job.
pub(crate) async fn reject(job: String, lease: Lease) {
    if let Err(LeaseLost) = lease.reject().await {
        tracing::info!(job, cause = %LeaseLost, "cannot reject the job message");
    }
}

/// Holds a delivery while another attempt is alive. Acknowledges it once the job has finished;
/// requeues it once the attempt is dead or this worker stops.
pub(crate) async fn park(context: Arc<Context>, job: String, lease: Lease) {
    tracing::info!(job, "another attempt is alive, job parked");
    let wait_for_end = async {
        loop {
            tokio::time::sleep(PARK_INTERVAL).await;
            if context.running.contains(&job) {
                continue;
            }
            match look_up_decision(&context, &job).await {
                Decision::Park => {}
                decision => return decision,
            }
        }
    };
    match context.stop.run_until_cancelled(wait_for_end).await {
        Some(Decision::Acknowledge) => acknowledge(job, lease).await,
        _ => requeue(job, lease).await,
    }
}

/// Requeues a job of a later format for a worker that supports it. The pause before that keeps
/// the job from circulating quickly among workers that do not.
pub(crate) async fn leave_to_newer_workers(context: Arc<Context>, job: String, lease: Lease) {
    context.pause(context.config.later_format_pause).await;
    requeue(job, lease).await;
}
