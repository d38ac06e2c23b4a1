//! The operations on jobs (submit, cancel, find, wait), independent of the RPC that requests them.

mod cancel;
pub mod listing;
mod recall;
mod submit;
pub mod watch;

use std::{sync::Arc, time::Duration};

use solvemesh::{broker::v1::LogEntry, v1::Job};
use solvemesh_broker::{Health, Mesh, MeshError};
use tokio::{
    sync::{Semaphore, watch as watch_channel},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::listing::{Filter, Page};
use crate::{
    jobs::watch::{WatchStreams, Watcher},
    policy::Policy,
    refusal::Refusal,
    table::{CatchUpError, Listener, Record, Table},
};

/// The operations on jobs, with all state of the gateway that they need. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    /// The broker.
    mesh: Arc<dyn Mesh>,
    /// The job table, folded from the results log.
    table: Table,
    /// The limits of this gateway.
    policy: Arc<Policy>,
    /// A permit for each open watch stream.
    watchers: Arc<Semaphore>,
    /// A permit for each large model that is being read.
    readers: Arc<Semaphore>,
    /// A permit for each large solution that is being sent to a watcher.
    large_solutions: Arc<Semaphore>,
    /// The open watch streams.
    deliveries: Arc<WatchStreams<Watcher>>,
    /// Cancelled on shutdown: closes the watch streams and refuses new jobs.
    stopping: CancellationToken,
}

impl Jobs {
    /// Operations on the jobs of a mesh, within a policy.
    pub fn new(mesh: Arc<dyn Mesh>, table: Table, policy: Policy) -> Self {
        // Reading a model is CPU-bound: more at once than cores would only take more memory.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // A stream that was closed as too slow stays registered until its client polls it once
        // more, so allow twice as many as may be open.
        let deliveries =
            WatchStreams::new(policy.max_watchers.saturating_mul(2), policy.watch_idle_timeout);
        Self {
            mesh,
            table,
            watchers: Arc::new(Semaphore::new(policy.max_watchers)),
            deliveries: Arc::new(deliveries),
            policy: Arc::new(policy),
            readers: Arc::new(Semaphore::new(cores)),
            large_solutions: Arc::new(Semaphore::new(watch::LARGE_SOLUTIONS)),
            stopping: CancellationToken::new(),
        }
    }

    /// Appends an entry to the log and waits for the confirm, up to the broker timeout.
    async fn append(&self, job_id: &str, entry: LogEntry) -> Result<(), Refusal> {
        let unknown = Refusal::OutcomeUnknown { job_id: job_id.to_owned() };
        match timeout(self.policy.broker_timeout, self.mesh.append(entry)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ MeshError::TooLarge { .. })) => {
                Err(Refusal::invalid("labels", error.to_string()))
            }
            Ok(Err(_)) | Err(_) => Err(unknown),
        }
    }

    /// Reads from a job's record. If the table does not have the job, reads the log to its end
    /// first: another gateway may have accepted it a moment ago.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] only if the log does not contain the job; [`Refusal::Forgotten`];
    /// [`Refusal::Unavailable`] if the log can't be read to its end in time.
    pub async fn find<T>(&self, job_id: &str, query: impl Fn(&Record) -> T) -> Result<T, Refusal> {
        // A table that is not ready yet has outdated records: don't answer from it.
        if *self.table.ready().borrow()
            && let Some(found) = self.table.read(|fold| fold.job(job_id).map(&query))
        {
            return Ok(found);
        }
        self.catch_up().await?;
        self.table.read(|fold| match fold.job(job_id) {
            Some(record) => Ok(query(record)),
            None if fold.is_forgotten(job_id) => {
                Err(Refusal::Forgotten { job_id: job_id.to_owned() })
            }
            None => Err(Refusal::NotFound { job_id: job_id.to_owned() }),
        })
    }

    /// Waits until a job has finished, or until `end`, and returns it as it is then, with its
    /// result.
    ///
    /// # Errors
    ///
    /// As [`Jobs::find`] and [`Jobs::get`]; [`Refusal::ShuttingDown`] on shutdown.
    pub async fn wait(&self, job_id: &str, end: Option<Instant>) -> Result<Job, Refusal> {
        let listener = self.table.listen(&[job_id.into()]);
        while !self.find(job_id, Record::ended).await? {
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
        self.get(job_id, true).await
    }

    /// A page of jobs, the latest first; see [`listing::page`]. The first page includes jobs that
    /// another gateway accepted a moment ago; later pages are older anyway.
    ///
    /// # Errors
    ///
    /// As [`listing::page`]; [`Refusal::Unavailable`] if the log can't be read to its end in time.
    pub async fn list(
        &self,
        filter: &Filter,
        page_size: i32,
        page_token: &str,
        full: bool,
    ) -> Result<Page, Refusal> {
        if page_token.is_empty() {
            self.catch_up().await?;
        }
        self.table.read(|fold| listing::page(fold, filter, page_size, page_token, full))
    }

    /// The limits of this gateway.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The state of the connection to the broker.
    pub fn health(&self) -> watch_channel::Receiver<Health> {
        self.mesh.health()
    }

    /// Whether the log has been read to its end.
    pub fn ready(&self) -> watch_channel::Receiver<bool> {
        self.table.ready()
    }

    /// Closes the watch streams, ends the calls that wait for a job, and refuses new jobs.
    pub fn shut_down(&self) {
        self.stopping.cancel();
    }

    /// The broker.
    pub(crate) fn mesh(&self) -> &dyn Mesh {
        self.mesh.as_ref()
    }

    /// The job table.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Reads the log to its end, within the broker timeout.
    pub(crate) async fn catch_up(&self) -> Result<(), CatchUpError> {
        self.table.catch_up(self.policy.broker_timeout).await
    }

    /// The broker timeout: how long a request may wait for the broker.
    pub fn broker_timeout(&self) -> Duration {
        self.policy.broker_timeout
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
