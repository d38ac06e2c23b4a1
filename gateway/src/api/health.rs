//! The status that health checks report.

use solvemesh_broker::Health;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::jobs::Jobs;

/// The service name for health checks of the job service. The name `""`, for the server as a
/// whole, has the same status.
pub const HEALTH_SERVICE: &str = "solvemesh.v1.JobService";

/// Sets the status of the server as a whole and of the job service.
pub(super) async fn set_status(reporter: &HealthReporter, status: ServingStatus) {
    for service in ["", HEALTH_SERVICE] {
        reporter.set_service_status(service, status).await;
    }
}

/// Keeps the health service up to date: SERVING while the broker is connected and the log has been
/// read to its end.
pub(super) async fn report(mut reporter: HealthReporter, jobs: Jobs, stop: CancellationToken) {
    let mut mesh: watch::Receiver<Health> = jobs.health();
    let mut ready = jobs.ready();
    loop {
        ready.mark_unchanged();
        mesh.mark_unchanged();
        let serving = !stop.is_cancelled() && jobs.not_ready().is_none();
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        set_status(&reporter, status).await;
        if stop.is_cancelled() {
            // Open health watches would delay the shutdown. They have received NOT_SERVING, and
            // clearing the status ends them; then it is set again for later checks.
            for service in ["", HEALTH_SERVICE] {
                reporter.clear_service_status(service).await;
            }
            set_status(&reporter, status).await;
            return;
        }
        tokio::select! {
            changed = mesh.changed() => if changed.is_err() { return },
            changed = ready.changed() => if changed.is_err() { return },
            () = stop.cancelled() => {}
        }
    }
}
