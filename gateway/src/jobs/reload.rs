//! Reads results that were evicted from memory back from the log.

use solvemesh::{
    broker::v1::log_entry,
    v1::{JobFinished, ScenarioResults, job_event},
};
use solvemesh_broker::MeshError;

use crate::{
    access::Caller,
    jobs::Jobs,
    refusal::Refusal,
    table::{HistoryEvent, Position, Record, counted_answers},
};

impl Jobs {
    /// The content of an event whose result was evicted, read back from the log.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forgotten`] if the log no longer has the entry; [`Refusal::Unavailable`].
    pub(crate) async fn reload_event(
        &self,
        history_event: &HistoryEvent,
    ) -> Result<job_event::Kind, Refusal> {
        let job_id = &history_event.event.job_id;
        match &history_event.event.kind {
            Some(job_event::Kind::Finished(finished)) => {
                let end = self.reload_end(job_id, history_event.position).await?;
                // The entry has no summary of a sweep: that is computed by the fold.
                Ok(job_event::Kind::Finished(
                    JobFinished { sweep_summary: finished.sweep_summary.clone(), ..end }.into(),
                ))
            }
            _ => {
                let results = self.reload_answers(job_id, history_event).await?;
                Ok(job_event::Kind::ScenarioResults(results))
            }
        }
    }

    /// The outcome of a job, from the terminal entry at a position.
    pub(super) async fn reload_end(
        &self,
        job_id: &str,
        end: Position,
    ) -> Result<JobFinished, Refusal> {
        let forgotten = || Refusal::Forgotten { job_id: job_id.to_owned() };
        match self.read_entry(job_id, end).await? {
            log_entry::Kind::Finished(finished) => finished.outcome.ok_or_else(forgotten),
            _ => Err(forgotten()),
        }
    }

    /// The answers of a sweep that the entry of an event contributed: without those that had been
    /// answered before or are out of range, as when it was folded.
    async fn reload_answers(
        &self,
        job_id: &str,
        history_event: &HistoryEvent,
    ) -> Result<ScenarioResults, Refusal> {
        let scenarios =
            |record: &Record| record.description.sweep.as_ref().map(|it| it.scenario_count);
        // The caller of the watch may see it, which was checked when the watch began.
        let scenarios = self.find(&Caller::anyone(), job_id, scenarios).await?.unwrap_or_default();
        match self.read_entry(job_id, history_event.position).await? {
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
    async fn read_entry(&self, job_id: &str, at: Position) -> Result<log_entry::Kind, Refusal> {
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
