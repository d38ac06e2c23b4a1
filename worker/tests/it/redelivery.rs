//! Tests of redelivered jobs and duplicates. The gateway that answers the lookups is scripted; the
//! solvers are shell scripts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::harness::{Scripts, TestMesh, config, job, outcome_of, state, wyndor};
use prost::Message;
use solvemesh::{
    broker::v1::{JobStatus, LastIncumbent, LookupResponse},
    solver::v1::{SolverCommand, solver_command},
    v1::{JobState, TerminationReason},
};
use solvemesh_broker::{Lookup, Mesh};
use solvemesh_worker::{SolverCommandLine, Worker, WorkerConfig};
use tokio::{sync::mpsc, time::timeout};

const NO_GRACE: Duration = Duration::ZERO;
const LONG: f64 = 60.0;

/// Answers all lookups with the configured answers, or by default that the job is queued.
struct Gateway {
    answers: Arc<Mutex<HashMap<String, LookupResponse>>>,
    /// The lookups that were answered, with the status in the answer.
    lookups: mpsc::Receiver<(String, JobStatus)>,
}

impl Gateway {
    async fn start(mesh: &dyn Mesh) -> Self {
        let answers: Arc<Mutex<HashMap<String, LookupResponse>>> = Arc::default();
        let (sender, lookups) = mpsc::channel(1024);
        let mut received = mesh.consume_lookups().await.unwrap();
        let configured = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Some(Lookup { request, reply }) = received.next().await {
                let answer = configured.lock().unwrap().get(&request.job_id).cloned();
                let answer = answer.unwrap_or_else(|| with_status(JobStatus::Queued));
                let status = answer.status();
                reply.send(answer).await;
                let _ = sender.try_send((request.job_id, status));
            }
        });
        Self { answers, lookups }
    }

    /// Sets the answer to lookups of this job.
    fn set_answer(&self, job: &str, answer: LookupResponse) {
        self.answers.lock().unwrap().insert(job.to_owned(), answer);
    }

    /// Waits until a lookup of this job was answered with this status.
    async fn answered(&mut self, job: &str, status: JobStatus) {
        let answered =
            async { while self.lookups.recv().await.unwrap() != (job.to_owned(), status) {} };
        timeout(Duration::from_secs(60), answered).await.expect("a lookup about the job");
    }

    /// Waits until the worker has looked up a running job twice: the second lookup shows that it
    /// has parked the job.
    async fn parked(&mut self, job: &str) {
        self.answered(job, JobStatus::Running).await;
        self.answered(job, JobStatus::Running).await;
    }
}

fn with_status(status: JobStatus) -> LookupResponse {
    LookupResponse { version: 1, status: status.into(), ..LookupResponse::default() }
}

fn running(attempt: &str, worker: &str) -> LookupResponse {
    LookupResponse {
        attempt_id: attempt.to_owned(),
        worker_id: worker.to_owned(),
        silent_millis: 100,
        ..with_status(JobStatus::Running)
    }
}

/// Queues a job in the standard lane such that its next delivery is a redelivery.
async fn enqueue_redelivered(bed: &TestMesh, id: &str) {
    bed.enqueue("standard", &job(id, wyndor(500.0), LONG)).await;
    bed.take("standard", 1).await.remove(0).lease.requeue().await.unwrap();
}

/// The jobs that are in the standard lane after the worker was drained.
async fn left(bed: &TestMesh) -> Vec<String> {
    bed.enqueue("standard", &job("last", wyndor(500.0), LONG)).await;
    let mut left = Vec::new();
    loop {
        let delivery = bed.take("standard", 1).await.remove(0);
        let id = delivery.payload.job_id().to_owned();
        delivery.lease.ack().await.unwrap();
        if id == "last" {
            return left;
        }
        left.push(id);
    }
}

/// A worker that serves only the standard lane.
fn standard(slots: usize, solver: SolverCommandLine) -> WorkerConfig {
    let slots = format!("standard={slots}").parse().unwrap();
    WorkerConfig { slots, ..config(1, solver) }
}

/// A solver that solves every job at once.
fn quick(scripts: &Scripts) -> SolverCommandLine {
    for task in 1..=9 {
        let right = vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])];
        scripts.reports(&format!("task.{task}"), task, right);
    }
    scripts.solver("ready; i=1; while :; do task t.$$; cat task.$i; i=$((i+1)); done")
}

#[tokio::test]
async fn a_redelivered_job_starts_from_the_last_valid_incumbent() {
    let (doors, windows) = (2.0, 3.0);
    for (values, start) in [
        (vec![doors, windows], Some(vec![doors, windows])),
        (vec![9.0, 9.0], None),
        (vec![doors], None),
    ] {
        let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
        let gateway = Gateway::start(bed.mesh.as_ref()).await;
        let incumbent = Some(LastIncumbent { values, ..LastIncumbent::default() });
        gateway.set_answer("j", LookupResponse { incumbent, ..with_status(JobStatus::Queued) });
        enqueue_redelivered(&bed, "j").await;
        scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
        let solver = scripts.solver("ready; task t; cat right; exec sleep 60");
        let worker = Worker::start(bed.mesh.clone(), standard(1, solver));
        assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
        let bytes = std::fs::read(scripts.path("t")).unwrap();
        let command = SolverCommand::decode_length_delimited(bytes.as_slice()).unwrap();
        let Some(solver_command::Kind::Solve(task)) = command.kind else { panic!("no task") };
        assert_eq!(task.start.map(|start| start.values), start);
        let logged = bed.seen.iter().find_map(|entry| entry.attempt_start()?.start_objective);
        assert_eq!(logged, start.map(|_| 300.0 * doors + 500.0 * windows));
        worker.drain(NO_GRACE).await;
    }
}

#[tokio::test]
async fn a_redelivered_job_is_solved_if_the_lookup_times_out() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    enqueue_redelivered(&bed, "j").await;
    let lookup_timeout = Duration::from_millis(300);
    let config = WorkerConfig { lookup_timeout, ..standard(1, quick(&scripts)) };
    let start = Instant::now();
    let worker = Worker::start(bed.mesh.clone(), config);
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
    assert!(start.elapsed() >= lookup_timeout);
    worker.drain(NO_GRACE).await;
    assert!(left(&bed).await.is_empty());
}

#[tokio::test]
async fn a_redelivered_job_that_has_finished_is_not_solved_again() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let gateway = Gateway::start(bed.mesh.as_ref()).await;
    gateway.set_answer("ended", with_status(JobStatus::Finished));
    enqueue_redelivered(&bed, "ended").await;
    bed.enqueue("standard", &job("next", wyndor(500.0), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), standard(1, quick(&scripts)));
    assert_eq!(state(&bed.finished("next").await), (JobState::Succeeded, ""));
    worker.drain(NO_GRACE).await;
    assert!(bed.story("ended").is_empty());
    assert!(left(&bed).await.is_empty());
}

#[tokio::test]
async fn a_redelivered_job_is_parked_while_another_worker_solves_it() {
    for (verdict, story) in
        [(JobStatus::Queued, &["started", "finished"] as &[_]), (JobStatus::Finished, &[])]
    {
        let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
        let mut gateway = Gateway::start(bed.mesh.as_ref()).await;
        bed.mesh.register_worker("other").await.unwrap();
        gateway.set_answer("j", running("a", "other"));
        enqueue_redelivered(&bed, "j").await;
        let worker = Worker::start(bed.mesh.clone(), standard(1, quick(&scripts)));
        gateway.parked("j").await;
        for id in ["b", "c"] {
            bed.enqueue("standard", &job(id, wyndor(500.0), LONG)).await;
            assert_eq!(state(&bed.finished(id).await), (JobState::Succeeded, ""));
        }
        assert!(bed.story("j").is_empty());

        gateway.set_answer("j", with_status(verdict));
        if verdict == JobStatus::Queued {
            assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
        } else {
            gateway.answered("j", verdict).await;
            // By the time this job has finished, the worker has acted on the answer.
            bed.enqueue("standard", &job("d", wyndor(500.0), LONG)).await;
            bed.finished("d").await;
        }
        worker.drain(NO_GRACE).await;
        assert_eq!(bed.story("j"), story);
        assert!(left(&bed).await.is_empty(), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_redelivered_job_is_solved_if_its_worker_is_disconnected_or_silent() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let gateway = Gateway::start(bed.mesh.as_ref()).await;
    bed.mesh.register_worker("silent").await.unwrap();
    gateway.set_answer("gone", running("a", "gone"));
    gateway
        .set_answer("silent", LookupResponse { silent_millis: 60_000, ..running("a", "silent") });
    for id in ["gone", "silent"] {
        enqueue_redelivered(&bed, id).await;
    }
    let worker = Worker::start(bed.mesh.clone(), standard(2, quick(&scripts)));
    for id in ["silent", "gone"] {
        while bed.story(id).last() != Some(&"finished") {
            bed.until(|_| true).await;
        }
        assert_eq!(bed.story(id), ["started", "finished"]);
    }
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_duplicate_is_not_solved_once_the_job_has_finished() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let mut gateway = Gateway::start(bed.mesh.as_ref()).await;
    let (mut with_request_id, mut retried) =
        (job("with_request_id", wyndor(500.0), LONG), job("put back", wyndor(500.0), LONG));
    with_request_id.description.as_mut().unwrap().request_id = "r".to_owned();
    retried.failed_attempts = 1;
    let worker = Worker::start(bed.mesh.clone(), standard(1, quick(&scripts)));
    for duplicate in [&with_request_id, &retried] {
        gateway.set_answer(&duplicate.job_id, with_status(JobStatus::Finished));
        bed.enqueue("standard", duplicate).await;
        gateway.answered(&duplicate.job_id, JobStatus::Finished).await;
    }
    // A job that cannot be a duplicate is not looked up.
    bed.enqueue("standard", &job("single", wyndor(500.0), LONG)).await;
    assert_eq!(state(&bed.finished("single").await), (JobState::Succeeded, ""));
    assert!(gateway.lookups.try_recv().is_err());
    worker.drain(NO_GRACE).await;
    assert!(bed.story("with_request_id").is_empty() && bed.story("put back").is_empty());
    assert!(left(&bed).await.is_empty());
}

#[tokio::test]
async fn failed_attempts_of_a_duplicate_count() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let gateway = Gateway::start(bed.mesh.as_ref()).await;
    gateway
        .set_answer("j", LookupResponse { failed_attempts: 2, ..with_status(JobStatus::Queued) });
    enqueue_redelivered(&bed, "j").await;
    let solver = scripts.solver("ready; task t; kill -SEGV $$");
    let worker = Worker::start(bed.mesh.clone(), standard(1, solver));
    assert_eq!(state(&bed.finished("j").await), (JobState::Failed, "SOLVER_CRASHED"));
    assert_eq!(bed.story("j"), ["started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn jobs_with_a_request_id_do_not_each_wait_for_the_lookup_timeout() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let lookup_timeout = Duration::from_secs(2);
    let config = WorkerConfig { lookup_timeout, ..standard(1, quick(&scripts)) };
    let start = Instant::now();
    for id in ["a", "b", "c", "d"] {
        let mut with_request_id = job(id, wyndor(500.0), LONG);
        with_request_id.description.as_mut().unwrap().request_id = id.to_owned();
        bed.enqueue("standard", &with_request_id).await;
    }
    let worker = Worker::start(bed.mesh.clone(), config);
    for id in ["a", "b", "c", "d"] {
        assert_eq!(state(&bed.finished(id).await), (JobState::Succeeded, ""));
    }
    assert!(start.elapsed() < 2 * lookup_timeout, "{:?}", start.elapsed());
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_job_that_this_worker_solves_is_parked_and_requeued_on_drain() {
    // There is no gateway: the worker needs no lookup for its own jobs.
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let solver = scripts.solver(
        "ready; task t.$$; while grep -q Doors t.$$ && [ ! -e go ]; do sleep 0.02; done\n\
         cat right; exec sleep 60",
    );
    // The queue has the job twice, like after a requeue of the first delivery by the broker.
    bed.enqueue("standard", &job("j", wyndor(500.0), LONG)).await;
    bed.enqueue("standard", &job("j", wyndor(500.0), LONG)).await;
    let [first, second] = bed.take("standard", 2).await.try_into().unwrap();
    first.lease.requeue().await.unwrap();
    let worker = Worker::start(bed.mesh.clone(), standard(2, solver));
    bed.started("j").await;
    second.lease.requeue().await.unwrap();
    // The other slot takes this job after it has parked the first one.
    let mut other = wyndor(500.0);
    other.variable_names[0] = "Gates".to_owned();
    bed.enqueue("standard", &job("other", other, LONG)).await;
    assert_eq!(state(&bed.finished("other").await), (JobState::Succeeded, ""));

    // The parked delivery is requeued at once, while the other one is still being solved.
    let drain = tokio::spawn(worker.drain(Duration::from_secs(60)));
    let again = bed.take("standard", 1).await.remove(0);
    assert_eq!((again.payload.job_id(), again.redelivered), ("j", true));
    std::fs::write(scripts.path("go"), "").unwrap();
    drain.await.unwrap();
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
    assert_eq!(bed.story("j"), ["started", "finished"]);
    again.lease.ack().await.unwrap();
    assert!(left(&bed).await.is_empty());
}
