//! Reading jobs from the table: one, a page of them, or one once it has finished.

use solvemesh::v1::Job;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    Jobs,
    listing::{self, ListFilter, Page},
};
use crate::{
    access::{Caller, Role},
    mesh_state::QueuedJob,
    refusal::Refusal,
    table::{Listener, Record},
};

impl Jobs {
    /// Reads from the record of a job that the caller may see. If the table does not have the job,
    /// reads the log to its end first: another gateway may have accepted it a moment ago.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] only if the log does not contain the job, or the caller may not see
    /// it; [`Refusal::Forgotten`];
    /// [`Refusal::Unavailable`] if the log can't be read to its end in time.
    pub(crate) async fn find<T>(
        &self,
        caller: &Caller,
        job_id: &str,
        query: impl Fn(&Record) -> T,
    ) -> Result<T, Refusal> {
        let query = |record: &Record| caller.may_see(&record.description).then(|| query(record));
        // A table that is not ready yet has outdated records: don't answer from it.
        if *self.table.ready().borrow()
            && let Some(found) =
                self.table.read(|fold| fold.job(job_id).and_then(|job| query(&job)))
        {
            return Ok(found);
        }
        self.catch_up().await?;
        let not_found = || Refusal::NotFound { job_id: job_id.to_owned() };
        self.table.read(|fold| match fold.job(job_id) {
            Some(record) => query(&record).ok_or_else(not_found),
            // Of a forgotten job the tenant is forgotten too.
            None if caller.role == Role::Admin && fold.is_forgotten(job_id) => {
                Err(Refusal::Forgotten { job_id: job_id.to_owned() })
            }
            None => Err(not_found()),
        })
    }

    /// A job, with its result if `full`: from memory, or read back from the log.
    ///
    /// # Errors
    ///
    /// Those of [`Jobs::find`]; [`Refusal::Forgotten`] also if the log no longer has the result.
    pub(crate) async fn get(
        &self,
        caller: &Caller,
        job_id: &str,
        full: bool,
    ) -> Result<Job, Refusal> {
        let query = |record: &Record| {
            (record.to_job(full), record.evicted_position(), QueuedJob::of(record))
        };
        let (mut job, evicted, queued) = self.find(caller, job_id, query).await?;
        job.queue_position = queued.map(|queued| self.monitor.places(&self.table).of(&queued));
        if let Some(end) = evicted.filter(|_| full) {
            job.result = self.reload_end(job_id, end).await?.result;
            job.solution_omitted =
                job.result.as_ref().is_some_and(|result| result.solution_part_count > 0);
        }
        Ok(job)
    }

    /// Waits until a job has finished, or until `end`, and returns it as it is then, with its
    /// result.
    ///
    /// # Errors
    ///
    /// As [`Jobs::find`] and [`Jobs::get`]; [`Refusal::ShuttingDown`] on shutdown.
    pub(crate) async fn wait(
        &self,
        caller: &Caller,
        job_id: &str,
        end: Option<Instant>,
    ) -> Result<Job, Refusal> {
        let listener = self.table.listen(&[job_id.into()]);
        while !self.find(caller, job_id, Record::is_finished).await? {
            let change = change_or_shutdown(&listener, &self.stopping, job_id);
            match end {
                None => change.await?,
                Some(end) => match timeout_at(end, change).await {
                    Ok(outcome) => outcome?,
                    Err(_) => {
                        debug!(job = job_id, "job not finished at the caller's deadline");
                        break;
                    }
                },
            }
        }
        self.get(caller, job_id, true).await
    }

    /// A page of the jobs that the caller may see, the latest first; see [`listing::page`]. The first page includes jobs that
    /// another gateway accepted a moment ago; later pages are older anyway.
    ///
    /// # Errors
    ///
    /// As [`listing::page`]; [`Refusal::Unavailable`] if the log can't be read to its end in time.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        filter: &ListFilter,
        page_size: i32,
        page_token: &str,
        full: bool,
    ) -> Result<Page, Refusal> {
        if page_token.is_empty() {
            self.catch_up().await?;
        }
        let mut page = self
            .table
            .read(|fold| listing::page(fold, caller, filter, page_size, page_token, full))?;
        if page.queued.iter().any(Option::is_some) {
            let places = self.monitor.places(&self.table);
            for (job, queued) in page.jobs.iter_mut().zip(&page.queued) {
                job.queue_position = queued.as_ref().map(|queued| places.of(queued));
            }
        }
        Ok(page)
    }
}

/// Waits until one of the listener's jobs has changed.
///
/// # Errors
///
/// [`Refusal::ShuttingDown`], as soon as the gateway shuts down.
async fn change_or_shutdown(
    listener: &Listener,
    stopping: &CancellationToken,
    job_id: &str,
) -> Result<(), Refusal> {
    tokio::select! {
        () = listener.changed() => Ok(()),
        () = stopping.cancelled() => Err(Refusal::ShuttingDown { job_id: job_id.to_owned() }),
    }
}
