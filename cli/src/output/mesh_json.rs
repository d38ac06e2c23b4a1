//! The state of the mesh as JSON: one object on a line. Each struct lists the keys in the order in
//! which they are written. Unknown values are null.

use std::io::{self, Write};

use prost_types::{Duration, Timestamp};
use serde::Serialize;
use solvemesh_client::v1::{GatewayStatus, LaneStatus, MeshState, SlotStatus, WorkerStatus};

use crate::output::json::{seconds, write_line};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MeshLine<'a> {
    time: Option<String>,
    lanes: Vec<Lane<'a>>,
    workers: Vec<Worker<'a>>,
    omitted_workers: i32,
    gateways: Vec<Gateway<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lane<'a> {
    name: &'a str,
    queued: i32,
    running: i32,
    slots: i32,
    /// Jobs per second.
    finish_rate: f64,
    oldest_wait_seconds: Option<f64>,
    estimated_wait_seconds: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Worker<'a> {
    name: &'a str,
    version: &'a str,
    start_time: Option<String>,
    lanes: &'a [String],
    slots: i32,
    busy_slots: Vec<Slot<'a>>,
    draining: bool,
    heartbeat_age_seconds: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Slot<'a> {
    job_id: &'a str,
    lane: &'a str,
    start_time: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gateway<'a> {
    name: &'a str,
    version: &'a str,
    start_time: Option<String>,
    log_lag_seconds: Option<f64>,
    watchers: i32,
    live_jobs: i32,
    heartbeat_age_seconds: Option<f64>,
    is_sender: bool,
}

/// Writes the state of the mesh.
pub(crate) fn write_mesh(out: &mut impl Write, state: &MeshState) -> io::Result<()> {
    let line = MeshLine {
        time: moment(&state.time),
        lanes: state.lanes.iter().map(lane).collect(),
        workers: state.workers.iter().map(worker).collect(),
        omitted_workers: state.omitted_worker_count,
        gateways: state.gateways.iter().map(gateway).collect(),
    };
    write_line(out, &line)
}

fn lane(lane: &LaneStatus) -> Lane<'_> {
    Lane {
        name: &lane.name,
        queued: lane.queued_count,
        running: lane.running_count,
        slots: lane.slot_count,
        finish_rate: lane.finish_rate,
        oldest_wait_seconds: time(&lane.oldest_wait),
        estimated_wait_seconds: time(&lane.estimated_wait),
    }
}

fn worker(worker: &WorkerStatus) -> Worker<'_> {
    Worker {
        name: &worker.name,
        version: &worker.version,
        start_time: moment(&worker.start_time),
        lanes: &worker.lanes,
        slots: worker.slot_count,
        busy_slots: worker.busy_slots.iter().map(slot).collect(),
        draining: worker.draining,
        heartbeat_age_seconds: time(&worker.heartbeat_age),
    }
}

fn slot(slot: &SlotStatus) -> Slot<'_> {
    Slot { job_id: &slot.job_id, lane: &slot.lane, start_time: moment(&slot.start_time) }
}

fn gateway(gateway: &GatewayStatus) -> Gateway<'_> {
    Gateway {
        name: &gateway.name,
        version: &gateway.version,
        start_time: moment(&gateway.start_time),
        log_lag_seconds: time(&gateway.log_lag),
        watchers: gateway.watcher_count,
        live_jobs: gateway.live_job_count,
        heartbeat_age_seconds: time(&gateway.heartbeat_age),
        is_sender: gateway.is_sender,
    }
}

fn moment(time: &Option<Timestamp>) -> Option<String> {
    time.as_ref().map(ToString::to_string)
}

fn time(time: &Option<Duration>) -> Option<f64> {
    time.as_ref().map(seconds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_state_is_one_object_with_unknown_values_as_null() {
        let moment = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let half = Some(Duration { seconds: 0, nanos: 500_000_000 });
        let lane = LaneStatus {
            name: "default".into(),
            queued_count: 2,
            running_count: 1,
            oldest_wait: half,
            finish_rate: 0.25,
            estimated_wait: None,
            slot_count: 1,
        };
        let slot =
            SlotStatus { job_id: "j".into(), lane: "default".into(), start_time: moment(60) };
        let worker = WorkerStatus {
            name: "w".into(),
            version: "1.0".into(),
            start_time: moment(0),
            slot_count: 1,
            busy_slots: vec![slot],
            lanes: vec!["default".into()],
            heartbeat_age: half,
            draining: true,
            heartbeat_time: None,
        };
        let gateway = GatewayStatus {
            name: "g".into(),
            version: "1.0".into(),
            watcher_count: 3,
            live_job_count: 4,
            is_sender: true,
            ..GatewayStatus::default()
        };
        let state = MeshState {
            time: moment(61),
            lanes: vec![lane],
            workers: vec![worker],
            gateways: vec![gateway],
            omitted_worker_count: 7,
        };
        let mut out = Vec::new();
        write_mesh(&mut out, &state).unwrap();
        let expected = concat!(
            r#"{"time":"1970-01-01T00:01:01Z","lanes":[{"name":"default","queued":2,"running":1,"#,
            r#""slots":1,"finishRate":0.25,"oldestWaitSeconds":0.5,"estimatedWaitSeconds":null}],"#,
            r#""workers":[{"name":"w","version":"1.0","startTime":"1970-01-01T00:00:00Z","#,
            r#""lanes":["default"],"slots":1,"busySlots":[{"jobId":"j","lane":"default","#,
            r#""startTime":"1970-01-01T00:01:00Z"}],"draining":true,"heartbeatAgeSeconds":0.5}],"#,
            r#""omittedWorkers":7,"gateways":[{"name":"g","version":"1.0","startTime":null,"logLagSeconds":null,"#,
            r#""watchers":3,"liveJobs":4,"heartbeatAgeSeconds":null,"isSender":true}]}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
