//! The state of the mesh: lanes, workers, gateways; and the place of a queued job.

mod estimate;
mod members;
mod queues;
mod report;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use solvemesh::{
    broker::v1::{Heartbeat, WorkerHeartbeat, heartbeat::Process},
    v1::{JobState, QueuePosition},
};
use solvemesh_broker::{LANE_VERSION, Rank};
use tokio::time::Instant;
use uuid::Uuid;

use self::{estimate::LaneSlots, members::Members, queues::Queues};
use crate::table::{LanePace, Position, Record, Table};

pub(crate) use self::report::Report;

/// How long the queues of all lanes are valid. To count them goes through all live jobs under the
/// lock of the table, so it must not be done for each request.
const QUEUES_VALID: Duration = Duration::from_secs(1);

/// What this gateway knows of the mesh beside its job table.
#[derive(Debug)]
pub(crate) struct MeshMonitor {
    /// The random id of this process.
    pub(crate) process_id: String,
    /// The name of this gateway.
    pub(crate) name: String,
    pub(crate) start_time: SystemTime,
    members: Mutex<Members>,
    /// The queues, and when they were counted.
    queues: Mutex<Option<(Instant, Arc<Queues>)>>,
}

impl MeshMonitor {
    /// The monitor of the gateway with this name.
    pub(crate) fn new(name: String) -> Self {
        Self {
            process_id: Uuid::new_v4().to_string(),
            name,
            start_time: SystemTime::now(),
            members: Mutex::default(),
            queues: Mutex::default(),
        }
    }

    /// Takes note of a heartbeat, and warns of a new worker that does not take all jobs.
    pub(crate) fn hear(&self, heartbeat: Heartbeat) {
        let outdated = is_outdated(&heartbeat).then(|| heartbeat.name.clone());
        let is_new = self.members.lock().hear(heartbeat, Instant::now());
        if let (true, Some(worker)) = (is_new, outdated) {
            tracing::warn!(
                worker,
                "a worker of an older version leaves jobs of some ranks to others: upgrade it, or \
                 they wait"
            );
        }
    }

    /// The latest heartbeats of the processes that have not missed two, and their ages; that of
    /// this gateway, if it is among them, too.
    pub(crate) fn heartbeats(&self) -> Vec<(Heartbeat, Duration)> {
        let members = self.members.lock();
        let live = members.live(Instant::now());
        live.map(|(heartbeat, age)| (heartbeat.clone(), age)).collect()
    }

    /// The queues of all lanes, at most [`QUEUES_VALID`] old.
    pub(crate) fn queues(&self, table: &Table) -> Arc<Queues> {
        let mut cached = self.queues.lock();
        if let Some((counted, queues)) = &*cached
            && counted.elapsed() < QUEUES_VALID
        {
            return Arc::clone(queues);
        }
        let queues = Arc::new(table.read(Queues::of));
        *cached = Some((Instant::now(), Arc::clone(&queues)));
        queues
    }

    /// What determines the places of queued jobs now.
    pub(crate) fn places(&self, table: &Table) -> Places {
        let slots = {
            let members = self.members.lock();
            lane_slots(members.live(Instant::now()).map(|(heartbeat, _)| heartbeat))
        };
        Places { queues: self.queues(table), paces: table.paces(), slots }
    }
}

/// The queues of all lanes, and what an estimate of the wait depends on.
pub(crate) struct Places {
    queues: Arc<Queues>,
    paces: BTreeMap<String, LanePace>,
    slots: BTreeMap<String, LaneSlots>,
}

impl Places {
    /// The place of a queued job in its lane.
    pub(crate) fn of(&self, job: &QueuedJob) -> QueuePosition {
        let ahead = self.queues.ahead_of(&job.lane, job.rank, job.first);
        let slots = self.slots.get(&job.lane).copied().unwrap_or_default();
        let mean_solve = self.paces.get(&job.lane).and_then(|pace| pace.mean_solve);
        let wait = estimate::wait(ahead, slots, mean_solve);
        QueuePosition {
            jobs_ahead_count: i32::try_from(ahead).unwrap_or(i32::MAX),
            estimated_wait: wait.and_then(|wait| wait.try_into().ok()),
        }
    }
}

/// A queued job, as far as its place depends on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueuedJob {
    lane: String,
    rank: Rank,
    first: Position,
}

impl QueuedJob {
    /// `None` if the job is not queued.
    pub(crate) fn of(job: &Record) -> Option<Self> {
        let queued = job.state() == JobState::Queued;
        queued.then(|| Self {
            lane: job.description.lane.clone(),
            rank: job.description.rank().into(),
            first: job.first,
        })
    }
}

/// The slots that take jobs of each lane: those of all workers that are not draining.
fn lane_slots<'a>(heartbeats: impl Iterator<Item = &'a Heartbeat>) -> BTreeMap<String, LaneSlots> {
    let mut lanes: BTreeMap<String, LaneSlots> = BTreeMap::new();
    for worker in heartbeats.filter_map(as_worker).filter(|worker| !worker.draining) {
        for slots in &worker.lanes {
            let lane = lanes.entry(slots.lane.clone()).or_default();
            lane.total += usize::try_from(slots.slot_count).unwrap_or(0);
        }
        for slot in &worker.busy_slots {
            lanes.entry(slot.lane.clone()).or_default().busy += 1;
        }
    }
    lanes
}

/// Whether the heartbeat is of a worker that consumes queues of lanes of an earlier version: it
/// does not find jobs that this gateway queues elsewhere.
fn is_outdated(heartbeat: &Heartbeat) -> bool {
    as_worker(heartbeat).is_some_and(|worker| worker.lane_version < LANE_VERSION)
}

/// The state of a worker, if the heartbeat is of one.
fn as_worker(heartbeat: &Heartbeat) -> Option<&WorkerHeartbeat> {
    match &heartbeat.process {
        Some(Process::Worker(worker)) => Some(worker),
        Some(Process::Gateway(_)) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_outdated_if_it_consumes_earlier_queues_of_lanes() {
        let worker = |lane_version| Heartbeat {
            process: Some(Process::Worker(WorkerHeartbeat { lane_version, ..Default::default() })),
            ..Heartbeat::default()
        };
        assert!(is_outdated(&worker(0)));
        assert!(!is_outdated(&worker(LANE_VERSION)) && !is_outdated(&worker(LANE_VERSION + 1)));
        assert!(!is_outdated(&Heartbeat::default()));
    }
}
