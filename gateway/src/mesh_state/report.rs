//! Combines heartbeats, queues and paces to the state of the mesh as the API shows it. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use prost::Message as _;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{GatewayHeartbeat, Heartbeat, WorkerHeartbeat, heartbeat::Process},
    v1::{GatewayStatus, LaneStatus, MeshState, SlotStatus, WorkerStatus},
};

use super::{
    as_worker,
    estimate::{self, LaneSlots},
    lane_slots,
    queues::{LaneQueue, Queues},
};
use crate::table::LanePace;

/// Maximum size of all workers in one message, in bytes. Messages are limited to 1 MiB, so this
/// leaves room for lanes and gateways.
const MAX_WORKER_BYTES: usize = 800 << 10;

/// What the state of the mesh is made from.
pub(crate) struct Report<'a> {
    /// The current time.
    pub(crate) now: SystemTime,
    /// The latest heartbeats and their ages.
    pub(crate) heartbeats: &'a [(Heartbeat, Duration)],
    /// The heartbeat that the reporting gateway would send now.
    pub(crate) own: Heartbeat,
    /// The lanes of this gateway.
    pub(crate) lanes: Vec<String>,
    pub(crate) queues: &'a Queues,
    pub(crate) paces: &'a BTreeMap<String, LanePace>,
}

impl Report<'_> {
    /// The state of the mesh.
    pub(crate) fn state(&self) -> MeshState {
        let (workers, omitted_worker_count) = self.workers();
        let slots = lane_slots(self.heartbeats.iter().map(|(heartbeat, _)| heartbeat));
        MeshState {
            time: Some(self.now.into()),
            lanes: self.lane_names().into_iter().map(|lane| self.lane(lane, &slots)).collect(),
            workers,
            gateways: self.gateways(),
            omitted_worker_count,
        }
    }

    /// The lanes of this gateway, of the queues and of the workers.
    fn lane_names(&self) -> BTreeSet<&str> {
        let of_workers = self.worker_heartbeats().flat_map(|worker| &worker.lanes);
        let of_queues = self.queues.0.keys();
        let names = self.lanes.iter().chain(of_queues).map(String::as_str);
        names.chain(of_workers.map(|slots| slots.lane.as_str())).collect()
    }

    fn worker_heartbeats(&self) -> impl Iterator<Item = &WorkerHeartbeat> {
        self.heartbeats.iter().filter_map(|(heartbeat, _)| as_worker(heartbeat))
    }

    fn lane(&self, name: &str, slots: &BTreeMap<String, LaneSlots>) -> LaneStatus {
        let none = LaneQueue::default();
        let queue = self.queues.0.get(name).unwrap_or(&none);
        let pace = self.paces.get(name).copied().unwrap_or_default();
        let slots = slots.get(name).copied().unwrap_or_default();
        let wait = estimate::wait(queue.len(), slots, pace.mean_solve);
        LaneStatus {
            name: name.to_owned(),
            queued_count: count(queue.len()),
            running_count: count(queue.running),
            oldest_wait: queue.oldest.map(|submitted| since(submitted, self.now)),
            finish_rate: pace.finish_rate,
            estimated_wait: wait.and_then(|wait| wait.try_into().ok()),
            slot_count: count(slots.total),
        }
    }

    /// The workers that fit into a message, and the number of the others.
    fn workers(&self) -> (Vec<WorkerStatus>, i32) {
        let workers = self.heartbeats.iter().filter_map(|(heartbeat, age)| {
            as_worker(heartbeat).map(|worker| worker_status(heartbeat, worker, *age))
        });
        let mut workers: Vec<WorkerStatus> = workers.collect();
        // Two workers may have one name.
        let key = |worker: &WorkerStatus| worker.start_time.map(|time| (time.seconds, time.nanos));
        workers.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| key(a).cmp(&key(b))));
        let mut bytes = 0;
        let fitting = workers.iter().take_while(|worker| {
            // The field's tag and length take up to 8 bytes more.
            bytes += worker.encoded_len() + 8;
            bytes <= MAX_WORKER_BYTES
        });
        let fitting = fitting.count();
        let omitted = workers.len() - fitting;
        workers.truncate(fitting);
        (workers, count(omitted))
    }

    /// The gateways. The one that reports is among them even if its heartbeats do not arrive.
    fn gateways(&self) -> Vec<GatewayStatus> {
        let others = self.heartbeats.iter().filter_map(|(heartbeat, age)| {
            let Some(Process::Gateway(gateway)) = &heartbeat.process else { return None };
            let is_other = heartbeat.process_id != self.own.process_id;
            is_other.then(|| gateway_status(heartbeat, gateway, *age))
        });
        let own = match &self.own.process {
            Some(Process::Gateway(gateway)) => {
                let status = gateway_status(&self.own, gateway, Duration::ZERO);
                Some(GatewayStatus { is_sender: true, ..status })
            }
            Some(Process::Worker(_)) | None => None,
        };
        let mut gateways: Vec<GatewayStatus> = own.into_iter().chain(others).collect();
        gateways.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.is_sender.cmp(&a.is_sender)));
        gateways
    }
}

fn worker_status(heartbeat: &Heartbeat, worker: &WorkerHeartbeat, age: Duration) -> WorkerStatus {
    let slots = worker.busy_slots.iter().map(|slot| SlotStatus {
        job_id: slot.job_id.clone(),
        lane: slot.lane.clone(),
        start_time: slot.start_time,
    });
    let mut busy_slots: Vec<SlotStatus> = slots.collect();
    busy_slots.sort_by_key(|slot| slot.start_time.map(|time| (time.seconds, time.nanos)));
    let slot_counts = worker.lanes.iter().map(|slots| i64::from(slots.slot_count));
    WorkerStatus {
        name: heartbeat.name.clone(),
        version: heartbeat.program_version.clone(),
        start_time: heartbeat.start_time,
        slot_count: i32::try_from(slot_counts.sum::<i64>()).unwrap_or(i32::MAX),
        busy_slots,
        lanes: worker.lanes.iter().map(|slots| slots.lane.clone()).collect(),
        heartbeat_age: age.try_into().ok(),
        draining: worker.draining,
        heartbeat_time: heartbeat.send_time,
    }
}

fn gateway_status(
    heartbeat: &Heartbeat,
    gateway: &GatewayHeartbeat,
    age: Duration,
) -> GatewayStatus {
    GatewayStatus {
        name: heartbeat.name.clone(),
        version: heartbeat.program_version.clone(),
        start_time: heartbeat.start_time,
        log_lag: gateway.log_lag,
        watcher_count: i32::try_from(gateway.watcher_count).unwrap_or(i32::MAX),
        live_job_count: i32::try_from(gateway.live_job_count).unwrap_or(i32::MAX),
        heartbeat_age: age.try_into().ok(),
        is_sender: false,
        heartbeat_time: heartbeat.send_time,
        accepts_submissions: gateway.accepts_submissions,
        refusal_cause: gateway.refusal_cause.clone(),
        log_growth_bytes: gateway.log_growth_bytes,
        max_log_growth_bytes: gateway.max_log_growth_bytes,
    }
}

/// The time since a timestamp; 0 if it is in the future.
fn since(time: Timestamp, now: SystemTime) -> prost_types::Duration {
    let passed = SystemTime::try_from(time).ok().and_then(|time| now.duration_since(time).ok());
    passed.unwrap_or_default().try_into().unwrap_or_default()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use solvemesh::broker::v1::{BusySlot, LaneSlots as SlotsOfLane};

    use super::*;

    fn worker(name: &str, busy: &[&str], draining: bool) -> Heartbeat {
        let lanes = [("express", 1), ("standard", 2)];
        let lanes =
            lanes.map(|(lane, slot_count)| SlotsOfLane { lane: lane.to_owned(), slot_count });
        let busy_slots = busy.iter().map(|job| BusySlot {
            job_id: (*job).to_owned(),
            lane: "standard".to_owned(),
            start_time: None,
        });
        let process = Process::Worker(WorkerHeartbeat {
            lanes: lanes.to_vec(),
            busy_slots: busy_slots.collect(),
            draining,
        });
        Heartbeat { name: name.to_owned(), process: Some(process), ..Heartbeat::default() }
    }

    fn gateway(id: &str, live_job_count: u32) -> Heartbeat {
        let process = GatewayHeartbeat { live_job_count, ..GatewayHeartbeat::default() };
        Heartbeat {
            process_id: id.to_owned(),
            name: id.to_owned(),
            process: Some(Process::Gateway(process)),
            ..Heartbeat::default()
        }
    }

    #[test]
    fn state_has_the_lanes_of_all_and_the_reporting_gateway_as_it_is_now() {
        let heartbeats = [
            (worker("b", &["one", "two"], false), Duration::from_secs(2)),
            (worker("a", &["three"], true), Duration::ZERO),
            (gateway("us", 1), Duration::from_secs(3)),
            (gateway("other", 2), Duration::from_secs(4)),
        ];
        let report = Report {
            now: SystemTime::UNIX_EPOCH,
            heartbeats: &heartbeats,
            own: gateway("us", 9),
            lanes: vec!["gpu".to_owned()],
            queues: &Queues::default(),
            paces: &BTreeMap::new(),
        };
        let state = report.state();
        let lanes: Vec<_> =
            state.lanes.iter().map(|lane| (lane.name.as_str(), lane.slot_count)).collect();
        assert_eq!(lanes, [("express", 1), ("gpu", 0), ("standard", 2)], "draining slots are out");
        let workers: Vec<_> = state.workers.iter().map(|worker| worker.name.as_str()).collect();
        assert_eq!(workers, ["a", "b"]);
        assert_eq!(state.workers[1].slot_count, 3);
        assert_eq!(state.workers[1].busy_slots.len(), 2);
        let gateways: Vec<_> = state
            .gateways
            .iter()
            .map(|gateway| (gateway.name.as_str(), gateway.live_job_count, gateway.is_sender))
            .collect();
        assert_eq!(gateways, [("other", 2, false), ("us", 9, true)]);
        assert_eq!(state.omitted_worker_count, 0);
    }

    #[test]
    fn what_processes_say_of_themselves_is_passed_on() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let full = GatewayHeartbeat {
            accepts_submissions: Some(false),
            refusal_cause: "no broker".to_owned(),
            log_growth_bytes: Some(7),
            max_log_growth_bytes: Some(8),
            ..GatewayHeartbeat::default()
        };
        let own = Heartbeat {
            send_time: at(2),
            process: Some(Process::Gateway(full)),
            ..gateway("us", 0)
        };
        let worker = Heartbeat { send_time: at(1), ..worker("w", &[], false) };
        let heartbeats = [(worker, Duration::ZERO), (gateway("old", 0), Duration::ZERO)];
        let report = Report {
            now: SystemTime::UNIX_EPOCH,
            heartbeats: &heartbeats,
            own,
            lanes: Vec::new(),
            queues: &Queues::default(),
            paces: &BTreeMap::new(),
        };
        let state = report.state();
        assert_eq!(state.workers[0].heartbeat_time, at(1));
        let [old, us] = state.gateways.as_slice() else { panic!("two gateways: {state:?}") };
        assert_eq!((us.heartbeat_time, us.accepts_submissions), (at(2), Some(false)));
        assert_eq!(us.refusal_cause, "no broker");
        assert_eq!((us.log_growth_bytes, us.max_log_growth_bytes), (Some(7), Some(8)));
        assert_eq!((old.accepts_submissions, old.log_growth_bytes), (None, None));
    }

    #[test]
    fn workers_that_do_not_fit_are_counted() {
        let long = "x".repeat(1000);
        let heartbeats: Vec<_> =
            (0..1000).map(|_| (worker(&long, &[], false), Duration::ZERO)).collect();
        let report = Report {
            now: SystemTime::UNIX_EPOCH,
            heartbeats: &heartbeats,
            own: gateway("us", 0),
            lanes: Vec::new(),
            queues: &Queues::default(),
            paces: &BTreeMap::new(),
        };
        let state = report.state();
        assert!(state.encoded_len() < 1 << 20);
        assert!(state.omitted_worker_count > 0);
        let listed = i32::try_from(state.workers.len()).expect("fits");
        assert_eq!(listed + state.omitted_worker_count, 1000);
    }
}
