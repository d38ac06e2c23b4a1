//! Numbers that describe the mesh and this gateway now, for its metrics.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use solvemesh_broker::Health;

use super::Jobs;

/// The state of the mesh, and of this gateway, in numbers.
#[derive(Clone, Debug)]
pub(crate) struct MeshCounts {
    /// Whether the gateway accepts and answers requests.
    pub(crate) ready: bool,
    /// Number of open watch streams.
    pub(crate) watchers: usize,
    /// The lanes of this gateway, and those that have live jobs.
    pub(crate) lanes: Vec<LaneCounts>,
    /// About how many bytes of memory parts of the job table take.
    pub(crate) memory: [(&'static str, usize); 3],
    /// See [`Table::log_lag`](crate::table::Table::log_lag).
    pub(crate) log_lag: Option<Duration>,
    /// About how many bytes the log has grown since the oldest live job.
    pub(crate) log_growth: u64,
    /// Maximum of `log_growth`: submissions are refused then.
    pub(crate) growth_limit: u64,
}

/// The live jobs of a lane.
#[derive(Clone, Debug)]
pub(crate) struct LaneCounts {
    /// The name of the lane.
    pub(crate) name: String,
    /// Number of queued jobs.
    pub(crate) queued: usize,
    /// Number of running jobs.
    pub(crate) running: usize,
    /// When the oldest queued job was submitted.
    pub(crate) oldest_submitted: Option<SystemTime>,
}

impl Jobs {
    /// The state of the mesh, and of this gateway, now.
    pub(crate) fn counts(&self) -> MeshCounts {
        let queues = self.monitor.queues(&self.table);
        let configured = self.policy.lanes.iter().map(|lane| lane.as_str());
        let names: BTreeSet<&str> = configured.chain(queues.lanes()).collect();
        let lanes = names.into_iter().map(|name| {
            let queue = queues.lane(name);
            LaneCounts {
                name: name.to_owned(),
                queued: queue.map_or(0, |queue| queue.len()),
                running: queue.map_or(0, |queue| queue.running),
                oldest_submitted: queue
                    .and_then(|queue| queue.oldest)
                    .and_then(|time| time.try_into().ok()),
            }
        });
        let lanes = lanes.collect();
        let (memory, log_growth) =
            self.table.read(|fold| (fold.weights(), fold.bytes_since_oldest_live()));
        MeshCounts {
            ready: self.not_ready().is_none(),
            watchers: self.open_watchers(),
            lanes,
            memory,
            log_lag: self.table.log_lag(),
            log_growth,
            growth_limit: self.policy.max_log_growth(),
        }
    }

    /// Why this gateway can't serve requests now; `None` if it can. While the broker accepts no
    /// messages it refuses jobs, but still answers about them.
    pub fn not_ready(&self) -> Option<String> {
        if self.stopping.is_cancelled() {
            return Some("this gateway is shutting down".to_owned());
        }
        if let Health::Disconnected { error } = &*self.mesh.health().borrow() {
            return Some(error.clone());
        }
        let ready = *self.table.ready().borrow();
        (!ready).then(|| "this gateway is still reading the results log".to_owned())
    }
}
