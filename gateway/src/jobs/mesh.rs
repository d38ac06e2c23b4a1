//! The state of the mesh, watched; and what this gateway says of itself to others.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::Stream;
use solvemesh::{
    broker::v1::{GatewayHeartbeat, Heartbeat, heartbeat::Process},
    v1::{MeshState, WatchMeshResponse},
};
use solvemesh_broker::{FORMAT_VERSION, HEARTBEAT_INTERVAL};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};

use super::{
    Jobs,
    watch::{Source, shutting_down},
};
use crate::{
    access::{Caller, Role},
    mesh_state::Report,
    refusal::Refusal,
};

/// One stream of states of the mesh.
pub(crate) struct MeshWatcher {
    gateway: Jobs,
    caller: Arc<Caller>,
    interval: Duration,
    /// When the next state is due.
    next_at: Instant,
    done: bool,
    _permit: OwnedSemaphorePermit,
}

impl Source for MeshWatcher {
    type Item = WatchMeshResponse;

    async fn next(&mut self) -> Option<Result<WatchMeshResponse, Refusal>> {
        if self.done {
            return None;
        }
        tokio::select! {
            () = self.gateway.stopping.cancelled() => {
                self.done = true;
                Some(Err(shutting_down()))
            }
            () = sleep_until(self.next_at) => {
                // From now, not from when it was due: a client that reads slowly skips states.
                self.next_at = Instant::now() + self.interval;
                Some(Ok(WatchMeshResponse { mesh: Some(self.gateway.mesh_state(&self.caller)) }))
            }
        }
    }

    fn release_buffers(&mut self) {}
}

impl Jobs {
    /// States of the mesh, the first at once, and then one in each interval.
    ///
    /// # Errors
    ///
    /// [`Refusal::Exhausted`] if there are too many watchers. The stream itself ends as that of
    /// [`Jobs::watch`].
    pub(crate) fn watch_mesh(
        &self,
        caller: Arc<Caller>,
        interval: Duration,
    ) -> Result<impl Stream<Item = Result<WatchMeshResponse, Refusal>> + use<>, Refusal> {
        let watcher = MeshWatcher {
            _permit: self.watcher_permit()?,
            gateway: self.clone(),
            caller,
            interval,
            next_at: Instant::now(),
            done: false,
        };
        self.mesh_streams.open(watcher).ok_or_else(|| self.too_many_watchers())
    }

    /// The state of the mesh now, without the ids of jobs that the caller may not see.
    fn mesh_state(&self, caller: &Caller) -> MeshState {
        let report = Report {
            now: SystemTime::now(),
            heartbeats: &self.monitor.heartbeats(),
            own: self.heartbeat(false),
            lanes: self.policy.lanes.iter().map(ToString::to_string).collect(),
            queues: &self.monitor.queues(&self.table),
            paces: &self.table.paces(),
        };
        let mut state = report.state();
        if caller.role < Role::Admin {
            let slots = state.workers.iter_mut().flat_map(|worker| &mut worker.busy_slots);
            self.table.read(|fold| {
                for slot in slots {
                    let job = fold.job(&slot.job_id);
                    if !job.is_some_and(|job| caller.may_see(&job.description)) {
                        slot.job_id = String::new();
                    }
                }
            });
        }
        state
    }

    /// The heartbeat of this gateway now.
    pub(crate) fn heartbeat(&self, is_last: bool) -> Heartbeat {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let bytes = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let refusal = self.admit().err();
        let (live, log_growth) =
            self.table.read(|fold| (fold.live_count(), fold.bytes_since_oldest_live()));
        let gateway = GatewayHeartbeat {
            log_lag: self.table.log_lag().and_then(|lag| lag.try_into().ok()),
            watcher_count: count(self.open_watchers()),
            live_job_count: count(live),
            accepts_submissions: Some(refusal.is_none()),
            refusal_cause: refusal.map(|refusal| refusal.to_string()).unwrap_or_default(),
            log_growth_bytes: Some(bytes(log_growth)),
            max_log_growth_bytes: Some(bytes(self.policy.max_log_growth())),
        };
        Heartbeat {
            version: FORMAT_VERSION,
            process_id: self.monitor.process_id.clone(),
            name: self.monitor.name.clone(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: Some(self.monitor.start_time.into()),
            interval: HEARTBEAT_INTERVAL.try_into().ok(),
            is_last,
            process: Some(Process::Gateway(gateway)),
            send_time: Some(SystemTime::now().into()),
        }
    }

    /// Takes note of a heartbeat of any process of the mesh.
    pub(crate) fn hear(&self, heartbeat: Heartbeat) {
        self.monitor.hear(heartbeat);
    }

    /// Waits until this gateway shuts down.
    pub(crate) async fn stopping(&self) {
        self.stopping.cancelled().await;
    }
}
