//! What has left this gateway's memory, read again from the log.

use solvemesh::{
    broker::v1::log_entry,
    v1::{Finished, Job},
};
use solvemesh_broker::MeshError;

use crate::{
    jobs::Jobs,
    refusal::Refusal,
    table::{Position, Record},
};

impl Jobs {
    /// A job, with its result where `full`; if it is not known, reads the log to its end
    /// first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Forgotten`], or what is wrong with the mesh.
    pub async fn get(&self, job_id: &str, full: bool) -> Result<Job, Refusal> {
        let look = |record: &Record| (record.job(full), record.left_in_log());
        let (mut job, left) = self.find(job_id, look).await?;
        if let Some(end) = left.filter(|_| full) {
            job.result = self.recall(job_id, end).await?.result;
            job.solution_omitted =
                job.result.as_ref().is_some_and(|result| result.solution_parts > 0);
        }
        Ok(job)
    }

    /// The end of a job as the log has it at a position.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forgotten`] when the log no longer has it, or what is wrong with the
    /// mesh.
    pub(crate) async fn recall(&self, job_id: &str, end: Position) -> Result<Finished, Refusal> {
        let forgotten = || Refusal::Forgotten { job_id: job_id.to_owned() };
        let message = match self.mesh.read_log(end.offset).await {
            Ok(message) => message,
            Err(MeshError::Gone(_)) => return Err(forgotten()),
            Err(error) => return Err(Refusal::Unavailable { message: error.to_string() }),
        };
        let mut entries = message.batch.map_err(|_| forgotten())?.entries.into_iter();
        let entry = usize::try_from(end.entry).ok().and_then(|index| entries.nth(index));
        let kind = entry.filter(|entry| entry.job_id == job_id).and_then(|entry| entry.kind);
        match kind {
            Some(log_entry::Kind::Finished(finished)) => finished.outcome.ok_or_else(forgotten),
            _ => Err(forgotten()),
        }
    }
}
