//! What has left this gateway's memory, read again from the log.

use solvemesh::{
    broker::v1::log_entry,
    v1::{Finished, Job, ScenarioResults, event},
};
use solvemesh_broker::MeshError;

use crate::{
    jobs::Jobs,
    refusal::Refusal,
    table::{Happening, Position, Record, told_of},
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
            job.result = self.recall_end(job_id, end).await?.result;
            job.solution_omitted =
                job.result.as_ref().is_some_and(|result| result.solution_parts > 0);
        }
        Ok(job)
    }

    /// What happened, with what of it was left to the log.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forgotten`] when the log no longer has it, or what is wrong with the
    /// mesh.
    pub(crate) async fn recall(&self, happening: &Happening) -> Result<event::Kind, Refusal> {
        let job_id = &happening.event.job_id;
        match &happening.event.kind {
            Some(event::Kind::Finished(told)) => {
                let end = self.recall_end(job_id, happening.position).await?;
                // The log has the answers, not what they add up to.
                Ok(event::Kind::Finished(Finished { sweep: told.sweep.clone(), ..end }))
            }
            _ => {
                let results = self.recall_answers(job_id, happening).await?;
                Ok(event::Kind::ScenarioResults(results))
            }
        }
    }

    /// The end of a job as the log has it at a position.
    async fn recall_end(&self, job_id: &str, end: Position) -> Result<Finished, Refusal> {
        let forgotten = || Refusal::Forgotten { job_id: job_id.to_owned() };
        match self.entry(job_id, end).await? {
            log_entry::Kind::Finished(finished) => finished.outcome.ok_or_else(forgotten),
            _ => Err(forgotten()),
        }
    }

    /// The answers of scenarios that were told at a position.
    async fn recall_answers(
        &self,
        job_id: &str,
        happening: &Happening,
    ) -> Result<ScenarioResults, Refusal> {
        let scenarios = |record: &Record| record.description.sweep.as_ref().map(|it| it.scenarios);
        let scenarios = self.find(job_id, scenarios).await?.unwrap_or_default();
        match self.entry(job_id, happening.position).await? {
            log_entry::Kind::ScenarioResults(ScenarioResults { results }) => {
                let results = told_of(results, scenarios, &happening.answered_before);
                Ok(ScenarioResults { results })
            }
            _ => Err(Refusal::Forgotten { job_id: job_id.to_owned() }),
        }
    }

    /// What an entry about a job says that made the event at a position.
    async fn entry(&self, job_id: &str, at: Position) -> Result<log_entry::Kind, Refusal> {
        let forgotten = || Refusal::Forgotten { job_id: job_id.to_owned() };
        let message = match self.mesh.read_log(at.offset).await {
            Ok(message) => message,
            Err(MeshError::Gone(_)) => return Err(forgotten()),
            Err(error) => return Err(Refusal::Unavailable { message: error.to_string() }),
        };
        let mut entries = message.batch.map_err(|_| forgotten())?.entries.into_iter();
        let entry = usize::try_from(at.entry).ok().and_then(|index| entries.nth(index));
        let kind = entry.filter(|entry| entry.job_id == job_id).and_then(|entry| entry.kind);
        kind.ok_or_else(forgotten)
    }
}
