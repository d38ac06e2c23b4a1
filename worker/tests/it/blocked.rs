//! Tests of a worker while the broker accepts no entries or the bulk store does not answer. The
//! solvers are shell scripts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::harness::{Scripts, TestMesh, config, job, outcome_of, state, wyndor};
use async_trait::async_trait;
use bytes::Bytes;
use prost::Message;
use solvemesh::{
    broker::v1::{
        BulkReference, Heartbeat, JobEnvelope, JobPayload, LogEntry, LookupRequest, LookupResponse,
        job_envelope,
    },
    v1::{JobState, TerminationReason},
};
use solvemesh_broker::{
    BulkObject, CancelEvent, Consumer, DeadLetter, Delivery, Health, Lane, LogMessage, LogStart,
    Lookup, Mesh, MeshError,
};
use solvemesh_worker::{Worker, WorkerConfig};
use tokio::sync::{Mutex, mpsc, watch};

const NO_GRACE: Duration = Duration::ZERO;
const LONG: f64 = 60.0;

/// A mesh in which appends and loads wait until its gate is opened.
struct Gated {
    mesh: Arc<dyn Mesh>,
    open: watch::Sender<bool>,
    /// Number of loads that have started.
    loads: watch::Sender<u32>,
    /// Keeps the appends in the order of the calls.
    turn: Mutex<()>,
}

impl Gated {
    fn closed(bed: &TestMesh) -> Arc<Self> {
        let mesh = Arc::clone(&bed.mesh);
        Arc::new(Self {
            mesh,
            open: watch::Sender::new(false),
            loads: watch::Sender::new(0),
            turn: Mutex::new(()),
        })
    }

    async fn opened(&self) {
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

#[async_trait]
impl Mesh for Gated {
    async fn enqueue(&self, lane: &Lane, job: &JobEnvelope) -> Result<(), MeshError> {
        self.mesh.enqueue(lane, job).await
    }
    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Consumer<Delivery>, MeshError> {
        self.mesh.consume(lane, prefetch).await
    }
    async fn is_served(&self, lane: &Lane) -> Result<bool, MeshError> {
        self.mesh.is_served(lane).await
    }
    async fn dead_letters(&self) -> Result<Consumer<DeadLetter>, MeshError> {
        self.mesh.dead_letters().await
    }
    async fn append(&self, entry: LogEntry) -> Result<(), MeshError> {
        let _turn = self.turn.lock().await;
        self.opened().await;
        self.mesh.append(entry).await
    }
    async fn follow_log(&self, from: LogStart) -> Result<mpsc::Receiver<LogMessage>, MeshError> {
        self.mesh.follow_log(from).await
    }
    async fn log_start(&self) -> Result<Option<u64>, MeshError> {
        self.mesh.log_start().await
    }

    async fn read_log(&self, offset: u64) -> Result<LogMessage, MeshError> {
        self.mesh.read_log(offset).await
    }

    async fn announce_cancel(&self, job_id: &str) -> Result<(), MeshError> {
        self.mesh.announce_cancel(job_id).await
    }
    async fn follow_cancels(&self) -> Result<mpsc::Receiver<CancelEvent>, MeshError> {
        self.mesh.follow_cancels().await
    }
    async fn store(&self, object: BulkObject) -> Result<BulkReference, MeshError> {
        self.mesh.store(object).await
    }
    async fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        self.loads.send_modify(|loads| *loads += 1);
        self.opened().await;
        self.mesh.load(reference).await
    }
    async fn lookup(
        &self,
        request: LookupRequest,
        timeout: Duration,
    ) -> Result<LookupResponse, MeshError> {
        self.mesh.lookup(request, timeout).await
    }
    async fn consume_lookups(&self) -> Result<Consumer<Lookup>, MeshError> {
        self.mesh.consume_lookups().await
    }
    async fn register_worker(&self, id: &str) -> Result<(), MeshError> {
        self.mesh.register_worker(id).await
    }
    async fn is_worker_connected(&self, id: &str) -> Result<bool, MeshError> {
        self.mesh.is_worker_connected(id).await
    }
    async fn send_heartbeat(&self, heartbeat: Heartbeat) -> Result<(), MeshError> {
        self.mesh.send_heartbeat(heartbeat).await
    }
    async fn follow_heartbeats(&self) -> Result<mpsc::Receiver<Heartbeat>, MeshError> {
        self.mesh.follow_heartbeats().await
    }
    fn health(&self) -> watch::Receiver<Health> {
        self.mesh.health()
    }
    async fn close(&self, grace: Duration) {
        self.mesh.close(grace).await;
    }
}

/// A solver that counts its tasks, solves each at once, and writes a file after each.
fn quick(scripts: &Scripts, config: WorkerConfig) -> WorkerConfig {
    for task in 1..=9 {
        let right = vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])];
        scripts.reports(&format!("task.{task}"), task, right);
    }
    let solver = scripts.solver(
        "ready; i=1; while :; do task t.$$; cat task.$i; echo > solved.$i; i=$((i+1)); done",
    );
    WorkerConfig { solver, ..config }
}

#[tokio::test]
async fn a_job_whose_end_is_not_confirmed_is_held_and_not_solved_again() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let mesh = Gated::closed(&bed);
    let config = quick(&scripts, config(1, scripts.solver("")));
    let worker = Worker::start(mesh.clone(), config);
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    scripts.written("solved.1").await;
    // Like a requeue by the broker, while the first attempt still waits for the log.
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    bed.enqueue("express", &job("next", wyndor(500.0), LONG)).await;
    scripts.written("solved.2").await;
    mesh.open.send_replace(true);
    bed.finished("j").await;
    bed.finished("next").await;
    assert_eq!(bed.story("j"), ["started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_drain_without_confirms_is_bounded_in_time_and_loses_no_job() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let mesh = Gated::closed(&bed);
    let settle_grace = Duration::from_millis(200);
    let impatient = WorkerConfig { settle_grace, ..config(1, scripts.solver("")) };
    let worker = Worker::start(mesh.clone(), quick(&scripts, impatient));
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    scripts.written("solved.1").await;
    let start = Instant::now();
    worker.drain(Duration::from_secs(30)).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());

    let again = bed.take("express", 1).await.remove(0);
    assert_eq!((again.payload.job_id(), again.redelivered), ("j", true));
    again.lease.requeue().await.unwrap();
    let worker = Worker::start(bed.mesh.clone(), quick(&scripts, config(1, scripts.solver(""))));
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_cancel_and_a_drain_take_effect_while_the_model_is_loading() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let mesh = Gated::closed(&bed);
    let payload = JobPayload::from(wyndor(500.0)).encode_to_vec();
    let stored = bed.mesh.store(BulkObject::new(vec![payload.into()])).await.unwrap();
    let by_reference = |id: &str| JobEnvelope {
        body: Some(job_envelope::Body::PayloadReference(stored.clone())),
        ..job(id, wyndor(500.0), LONG)
    };
    let worker = Worker::start(mesh.clone(), config(1, scripts.solver("ready; exec sleep 60")));
    bed.enqueue("express", &by_reference("cancelled")).await;
    mesh.loads.subscribe().wait_for(|loads| *loads == 1).await.unwrap();
    bed.mesh.announce_cancel("cancelled").await.unwrap();
    // The slot is free for the next job, although the log has not confirmed this one's end.
    bed.enqueue("express", &by_reference("stopped")).await;
    mesh.loads.subscribe().wait_for(|loads| *loads == 2).await.unwrap();
    let drain = tokio::spawn(worker.drain(Duration::from_millis(50)));
    let again = bed.take("express", 1).await.remove(0);
    assert_eq!((again.payload.job_id(), again.redelivered), ("stopped", true));
    mesh.open.send_replace(true);
    drain.await.unwrap();
    assert_eq!(state(&bed.finished("cancelled").await), (JobState::Cancelled, ""));
    assert_eq!(bed.story("cancelled"), ["finished"]);
}
