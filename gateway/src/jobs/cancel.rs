//! Cancelling jobs.

use solvemesh::{
    broker::v1::{CancelRequested, log_entry},
    v1::Job,
};
use solvemesh_broker::entry;
use tracing::info;

use super::Jobs;
use crate::{access::Origin, refusal::Refusal, table::Record};

impl Jobs {
    /// Cancels a queued job; asks the attempt of a running one to stop. A finished job is
    /// returned unchanged.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Forgotten`], [`Refusal::NotSubmitter`], or those of an unavailable broker.
    pub(crate) async fn cancel(&self, origin: &Origin, job_id: &str) -> Result<Job, Refusal> {
        let Origin { caller, .. } = origin;
        let query = |record: &Record| {
            let permitted = caller.may_cancel(&record.description);
            (record.to_job(false), record.is_finished(), permitted)
        };
        let (job, finished, permitted) = self.find(caller, job_id, query).await?;
        let (key, tenant, peer) = (&caller.key, &caller.tenant, origin.peer());
        if !permitted {
            let job_id = job_id.to_owned();
            let refusal = Refusal::NotSubmitter { job_id, role: caller.role };
            info!(job = job.job_id, key, tenant, peer, cause = %refusal, "cancel refused");
            return Err(refusal);
        }
        if finished {
            return Ok(job);
        }
        // Reaches the workers that have the job, or will get it. Announced before it is logged:
        // if this gateway dies in between, no cancel is in the log that no worker receives.
        let announced = self.mesh.announce_cancel(job_id).await;
        announced.map_err(|error| Refusal::from_mesh(error, job_id))?;
        let cancel = log_entry::Kind::CancelRequested(CancelRequested {});
        self.append(job_id, entry(job_id, cancel)).await?;
        info!(job = job_id, key, tenant, peer, "cancel requested");
        self.catch_up().await?;
        self.find(caller, job_id, |record| record.to_job(false)).await
    }
}
