//! Cancelling jobs.

use solvemesh::{
    broker::v1::{CancelRequested, log_entry},
    v1::Job,
};
use solvemesh_broker::entry;
use tracing::info;

use super::Jobs;
use crate::{refusal::Refusal, table::Record};

impl Jobs {
    /// Cancels a queued job; asks the attempt of a running one to stop. A finished job is
    /// returned unchanged.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Forgotten`], or those of an unavailable broker.
    pub(crate) async fn cancel(&self, job_id: &str) -> Result<Job, Refusal> {
        let job = self.find(job_id, |record| record.to_job(false)).await?;
        if self.find(job_id, Record::is_finished).await? {
            return Ok(job);
        }
        // Reaches the workers that have the job, or will get it. Announced before it is logged:
        // if this gateway dies in between, no cancel is in the log that no worker receives.
        let announced = self.mesh.announce_cancel(job_id).await;
        announced.map_err(|error| Refusal::from_mesh(error, job_id))?;
        let cancel = log_entry::Kind::CancelRequested(CancelRequested {});
        self.append(job_id, entry(job_id, cancel)).await?;
        info!(job = job_id, "cancel requested");
        self.catch_up().await?;
        self.find(job_id, |record| record.to_job(false)).await
    }
}
