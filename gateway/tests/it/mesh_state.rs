//! The state of the mesh, and the places of queued jobs, over a mesh in memory.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::harness::*;
use solvemesh::{
    broker::v1::{
        BusySlot, Heartbeat, JobEnvelope, LaneSlots, LogEntry, WorkerHeartbeat, heartbeat::Process,
        log_entry,
    },
    v1::{GetJobRequest, Job, ListJobsRequest, MeshState, QueuePosition, WatchMeshRequest},
};
use solvemesh_broker::{LANE_VERSION, Mesh};
use tokio::time::{sleep, timeout};
use tonic::Code;

/// A worker with two slots of the express lane.
fn worker(busy: &[&str], is_last: bool) -> Heartbeat {
    let slot = |job: &&str| BusySlot {
        job_id: (*job).to_owned(),
        lane: "express".to_owned(),
        start_time: None,
    };
    let worker = WorkerHeartbeat {
        lanes: vec![LaneSlots { lane: "express".to_owned(), slot_count: 2 }],
        busy_slots: busy.iter().map(slot).collect(),
        draining: false,
        lane_version: LANE_VERSION,
    };
    Heartbeat {
        process_id: "w".to_owned(),
        name: "fast".to_owned(),
        is_last,
        process: Some(Process::Worker(worker)),
        ..Heartbeat::default()
    }
}

/// Appends an entry of the job's attempt, written at this time.
async fn append(
    mesh: &Arc<dyn Mesh>,
    job: &JobEnvelope,
    number: u32,
    time: SystemTime,
    kind: log_entry::Kind,
) {
    let entry = LogEntry {
        time: Some(time.into()),
        job_id: job.job_id.clone(),
        digest: job.digest.clone(),
        attempt_id: "attempt".to_owned(),
        number,
        kind: Some(kind),
    };
    mesh.append(entry).await.unwrap();
}

/// The first state that fulfils a condition.
async fn state(gateway: &Gateway, what: &str, condition: impl Fn(&MeshState) -> bool) -> MeshState {
    let interval = Duration::from_millis(500).try_into().ok();
    let request = WatchMeshRequest { interval };
    let mut states = gateway.client.clone().watch_mesh(request).await.unwrap().into_inner();
    let mut last = None;
    let found = async {
        while let Some(response) = states.message().await.unwrap() {
            let state = response.mesh.unwrap();
            if condition(&state) {
                return state;
            }
            last = Some(state);
        }
        panic!("the stream ended");
    };
    match timeout(Duration::from_secs(30), found).await {
        Ok(state) => state,
        Err(_) => panic!("not {what}: {last:?}"),
    }
}

async fn get(gateway: &Gateway, job: &Job) -> Job {
    let request = GetJobRequest { job_id: job.job_id.clone(), view: 0 };
    gateway.client.clone().get_job(request).await.unwrap().into_inner().job.unwrap()
}

/// Waits until a queued job has this place: it may be a second old.
async fn expect_place(gateway: &Gateway, job: &Job, ahead: i32, wait: Option<Duration>) {
    let estimated_wait = wait.map(|wait| wait.try_into().unwrap());
    let expected = Some(QueuePosition { jobs_ahead_count: ahead, estimated_wait });
    for _ in 0..300 {
        if get(gateway, job).await.queue_position == expected {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?} instead of {expected:?}", get(gateway, job).await.queue_position);
}

#[tokio::test]
async fn workers_and_gateways_are_listed_by_their_heartbeats() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let first = state(&gateway, "a first state", |_| true).await;
    let own: Vec<_> = first.gateways.iter().filter(|gateway| gateway.is_sender).collect();
    assert_eq!((own.len(), own[0].name.as_str()), (1, "test"));
    assert!(own[0].watcher_count >= 1, "this stream counts");
    assert!(first.workers.is_empty());

    mesh.send_heartbeat(worker(&["a"], false)).await.unwrap();
    let with_worker = state(&gateway, "a worker", |state| !state.workers.is_empty()).await;
    let fast = &with_worker.workers[0];
    assert_eq!((fast.name.as_str(), fast.slot_count), ("fast", 2));
    assert_eq!(fast.busy_slots[0].job_id, "a");
    let express = with_worker.lanes.iter().find(|lane| lane.name == "express").unwrap();
    assert_eq!(express.slot_count, 2);

    mesh.send_heartbeat(worker(&[], true)).await.unwrap();
    state(&gateway, "without the worker", |state| state.workers.is_empty()).await;
}

#[tokio::test]
async fn queued_jobs_have_a_place_and_an_estimate_from_the_latest_solves() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(gateway.submit(wyndor()).await.unwrap());
    }
    expect_place(&gateway, &jobs[0], 0, None).await;
    expect_place(&gateway, &jobs[3], 3, None).await;
    let queued = state(&gateway, "4 queued", |state| {
        state.lanes.iter().any(|lane| lane.name == "express" && lane.queued_count == 4)
    });
    assert!(queued.await.lanes.iter().any(|lane| lane.oldest_wait.is_some()));

    mesh.send_heartbeat(worker(&["x"], false)).await.unwrap();
    expect_place(&gateway, &jobs[0], 0, Some(Duration::ZERO)).await;

    // The first job takes 10 s, and the second is running.
    let (envelope, lease) = hold(&mesh).await;
    let now = SystemTime::now();
    append(&mesh, &envelope, 1, now - Duration::from_secs(10), started(&envelope)).await;
    append(&mesh, &envelope, 2, now, succeeded(None)).await;
    lease.ack().await.unwrap();
    let (running, _lease) = hold(&mesh).await;
    report(&mesh, &running, 1, started(&running)).await;
    mesh.send_heartbeat(worker(&["x", "y"], false)).await.unwrap();
    // Two jobs for two slots: one mean solve.
    expect_place(&gateway, &jobs[3], 1, Some(Duration::from_secs(10))).await;
    assert_eq!(get(&gateway, &jobs[1]).await.queue_position, None, "it is running");
    let list = gateway.client.clone().list_jobs(ListJobsRequest::default()).await.unwrap();
    let places = list.into_inner().jobs.into_iter().map(|job| job.queue_position.is_some());
    assert_eq!(places.collect::<Vec<_>>(), [true, true, false, false]);
}

#[tokio::test]
async fn an_interval_out_of_range_is_refused_and_a_shutdown_ends_the_stream() {
    let gateway = Gateway::over(memory(), policy()).await;
    for interval in [Duration::ZERO, Duration::from_millis(499), Duration::from_secs(3601)] {
        let request = WatchMeshRequest { interval: interval.try_into().ok() };
        let status = gateway.client.clone().watch_mesh(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{interval:?}");
        assert!(status.message().contains("interval"), "{status:?}");
    }
    let request = WatchMeshRequest::default();
    let mut states = gateway.client.clone().watch_mesh(request).await.unwrap().into_inner();
    assert!(states.message().await.unwrap().is_some());
    gateway.stop.cancel();
    let end = loop {
        match states.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
}
