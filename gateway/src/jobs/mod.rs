//! The operations on jobs, independent of the RPC that requests them, and the state that they
//! share.

mod cancel;
mod counts;
pub(crate) mod listing;
mod mesh;
mod query;
mod quota;
mod reload;
mod submit;
pub(crate) mod watch;

use std::{sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use solvemesh::broker::v1::LogEntry;
use solvemesh_broker::{Health, Mesh, MeshError};
use tokio::{
    sync::{Semaphore, watch as watch_channel},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub(crate) use counts::MeshCounts;

use crate::{
    jobs::{
        mesh::MeshWatcher,
        quota::Reservations,
        watch::{WatchStreams, Watcher},
    },
    mesh_state::MeshMonitor,
    metrics::{MeshCollector, Metrics},
    policy::Policy,
    refusal::Refusal,
    table::{CatchUpError, Table},
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
    watcher_permits: Arc<Semaphore>,
    /// A permit for each large model that is being read.
    model_read_permits: Arc<Semaphore>,
    /// A permit for each large solution that is being sent to a watcher.
    large_solution_permits: Arc<Semaphore>,
    /// The open watch streams.
    watch_streams: Arc<WatchStreams<Watcher>>,
    /// The open streams of the mesh's state.
    mesh_streams: Arc<WatchStreams<MeshWatcher>>,
    /// What this gateway knows of the processes of the mesh.
    monitor: Arc<MeshMonitor>,
    /// The jobs that were admitted within quotas and may not be in the table yet.
    reservations: Arc<Reservations>,
    /// What is counted.
    metrics: Metrics,
    /// Cancelled on shutdown: closes the watch streams and refuses new jobs.
    stopping: CancellationToken,
}

impl Jobs {
    /// Operations on the jobs of a mesh, within a policy. `name` identifies this gateway in the
    /// state of the mesh.
    pub fn new(mesh: Arc<dyn Mesh>, table: Table, policy: Policy, name: String) -> Self {
        // Reading a model is CPU-bound: more at once than cores would only take more memory.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // A stream that was closed as too slow stays registered until its client polls it once
        // more, so allow twice as many as may be open.
        let max_streams = policy.max_watchers.saturating_mul(2);
        let watch_streams = WatchStreams::new(max_streams, policy.watch_idle_timeout);
        let mesh_streams = WatchStreams::new(max_streams, policy.watch_idle_timeout);
        let metrics = Metrics::with_log(table.metrics());
        Self {
            mesh,
            table,
            watcher_permits: Arc::new(Semaphore::new(policy.max_watchers)),
            watch_streams: Arc::new(watch_streams),
            mesh_streams: Arc::new(mesh_streams),
            monitor: Arc::new(MeshMonitor::new(name)),
            policy: Arc::new(policy),
            model_read_permits: Arc::new(Semaphore::new(cores)),
            large_solution_permits: Arc::new(Semaphore::new(watch::MAX_LARGE_SOLUTIONS)),
            reservations: Arc::default(),
            metrics,
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

    /// What this gateway counts.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Registers the metrics of this gateway: what it counts, and the state of jobs, table and log.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        registry.register_collector(Box::new(MeshCollector::new(self.clone())));
    }

    /// Number of open watch streams.
    fn open_watchers(&self) -> usize {
        self.policy.max_watchers - self.watcher_permits.available_permits()
    }

    /// The limits of this gateway.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The state of the connection to the broker.
    pub(crate) fn health(&self) -> watch_channel::Receiver<Health> {
        self.mesh.health()
    }

    /// Whether the log has been read to its end.
    pub(crate) fn ready(&self) -> watch_channel::Receiver<bool> {
        self.table.ready()
    }

    /// Closes the watch streams, ends the calls that wait for a job, and refuses new jobs.
    pub(crate) fn shut_down(&self) {
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
    pub(crate) fn broker_timeout(&self) -> Duration {
        self.policy.broker_timeout
    }
}
