//! Reads results that were evicted from memory back from the log.

use solvemesh::{
    broker::v1::log_entry,
    v1::{Job, JobFinished, ScenarioResults, job_event},
};
use solvemesh_broker::MeshError;

use crate::{
    jobs::Jobs,
    refusal::Refusal,
    table::{HistoryEvent, Position, Record, counted_answers},
};

impl Jobs {
    /// A job, with its result if `full`: from memory, or read back from the log.
    ///
    /// # Errors
    ///
    /// Those of [`Jobs::find`]; [`Refusal::Forgotten`] also if the log no longer has the result.
    pub async fn get(&self, job_id: &str, full: bool) -> Result<Job, Refusal> {
        let query = |record: &Record| (record.job(full), record.evicted_at());
        let (mut job, evicted) = self.find(job_id, query).await?;
        if let Some(end) = evicted.filter(|_| full) {
            job.result = self.recall_end(job_id, end).await?.result;
            job.solution_omitted =
                job.result.as_ref().is_some_and(|result| result.solution_part_count > 0);
        }
        Ok(job)
    }

    /// The content of an event whose result was evicted, read back from the log.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forgotten`] if the log no longer has the entry; [`Refusal::Unavailable`].
    pub(crate) async fn recall(
        &self,
        history_event: &HistoryEvent,
    ) -> Result<job_event::Kind, Refusal> {
        let job_id = &history_event.event.job_id;
        match &history_event.event.kind {
            Some(job_event::Kind::Finished(kept)) => {
                let end = self.recall_end(job_id, history_event.position).await?;
                // The entry has no summary of a sweep: that is computed by the fold.
                Ok(job_event::Kind::Finished(JobFinished {
                    sweep_summary: kept.sweep_summary.clone(),
                    ..end
                }))
            }
            _ => {
                let results = self.recall_answers(job_id, history_event).await?;
                Ok(job_event::Kind::ScenarioResults(results))
            }
        }
    }

    /// The outcome of a job, from the terminal entry at a position.
    async fn recall_end(&self, job_id: &str, end: Position) -> Result<JobFinished, Refusal> {
        let forgotten = || Refusal::Forgotten { job_id: job_id.to_owned() };
        match self.entry(job_id, end).await? {
            log_entry::Kind::Finished(finished) => finished.outcome.ok_or_else(forgotten),
            _ => Err(forgotten()),
        }
    }

    /// The answers of a sweep that the entry of an event contributed: without those that had been
    /// answered before or are out of range, as when it was folded.
    async fn recall_answers(
        &self,
        job_id: &str,
        history_event: &HistoryEvent,
    ) -> Result<ScenarioResults, Refusal> {
        let scenarios =
            |record: &Record| record.description.sweep.as_ref().map(|it| it.scenario_count);
        let scenarios = self.find(job_id, scenarios).await?.unwrap_or_default();
        match self.entry(job_id, history_event.position).await? {
            log_entry::Kind::ScenarioResults(ScenarioResults { results }) => {
                let results =
                    counted_answers(results, scenarios, &history_event.duplicate_scenarios);
                Ok(ScenarioResults { results })
            }
            _ => Err(Refusal::Forgotten { job_id: job_id.to_owned() }),
        }
    }

    /// The content of the entry at a position.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forgotten`] if the log no longer has that entry, or another one at its place;
    /// [`Refusal::Unavailable`] if the broker can't be asked.
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
