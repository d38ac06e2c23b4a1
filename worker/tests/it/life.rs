//! Tests of the life cycle of jobs in a worker: cancels, deadlines, drains, progress, large
//! solutions, invalid messages. The solvers are shell scripts.

use std::time::{Duration, Instant, SystemTime};

use crate::harness::{
    Scripts, TestMesh, config, incumbent, job, outcome, outcome_of, state, termination,
    unconstrained, wyndor,
};
use prost::Message;
use solvemesh::{
    broker::v1::{BulkReference, JobPayload, job_envelope, log_entry::Kind},
    solver::v1::solver_report,
    v1::{JobState, Progress, Solution, TerminationLimit, TerminationReason},
};
use solvemesh_broker::{BulkObject, Delivery, Payload};
use solvemesh_worker::{Worker, WorkerConfig};

const NO_GRACE: Duration = Duration::ZERO;
const LONG: f64 = 60.0;

#[tokio::test]
async fn a_cancel_stops_running_and_waiting_jobs() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("found", 1, vec![incumbent(0.0, vec![4.0, 3.0])]);
    let solver = scripts.solver("ready; task t; cat found; echo > reported; exec sleep 60");
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));
    bed.enqueue("express", &job("runs", wyndor(100.0), LONG)).await;
    bed.enqueue("express", &job("waits", wyndor(100.0), LONG)).await;
    scripts.written("reported").await;
    bed.mesh.announce_cancel("waits").await.unwrap();
    bed.mesh.announce_cancel("runs").await.unwrap();

    let runs = bed.finished("runs").await;
    assert_eq!(state(&runs), (JobState::Cancelled, ""));
    let stopped = termination(&runs);
    assert_eq!(stopped.limit(), TerminationLimit::Interrupted);
    assert_eq!((stopped.reason(), stopped.objective), (TerminationReason::Feasible, Some(1500.0)));

    let waits = bed.finished("waits").await;
    assert_eq!(state(&waits), (JobState::Cancelled, ""));
    assert_eq!(outcome(&waits).result, None);
    assert_eq!(bed.story("waits"), ["finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_worker_that_was_down_during_a_cancel_does_not_start_the_job() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let ids: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    for id in &ids {
        bed.enqueue("express", &job(id, wyndor(100.0), LONG)).await;
    }
    for other in 0..1000 {
        bed.mesh.announce_cancel(&format!("other {other}")).await.unwrap();
    }
    for id in &ids {
        bed.mesh.announce_cancel(id).await.unwrap();
    }
    let solver = scripts.solver("ready; exec sleep 60");
    let worker = Worker::start(bed.mesh.clone(), config(2, solver));
    for id in &ids {
        assert_eq!(state(&bed.finished(id).await), (JobState::Cancelled, ""));
        assert_eq!(bed.story(id), ["finished"]);
    }
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_cancel_takes_effect_while_the_solver_does_not_read_its_task() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    // The solver reads nothing, and the task is larger than the buffer of a pipe.
    let worker = Worker::start(bed.mesh.clone(), config(1, scripts.solver("ready; exec sleep 60")));
    let names = (0..60_000).map(|i| format!("variable_{i}")).collect();
    bed.enqueue("express", &job("j", unconstrained(names), LONG)).await;
    bed.started("j").await;
    let asked = Instant::now();
    bed.mesh.announce_cancel("j").await.unwrap();
    assert_eq!(state(&bed.finished("j").await), (JobState::Cancelled, ""));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn an_optimum_proven_before_the_cancel_took_effect_is_kept() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    // The solver answers once it is interrupted.
    let solver = scripts.solver("ready; task t; echo > busy; task u; cat right; exec sleep 60");
    let config = WorkerConfig { cancel_grace: Duration::from_secs(30), ..config(1, solver) };
    let worker = Worker::start(bed.mesh.clone(), config);
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    scripts.written("busy").await;
    bed.mesh.announce_cancel("j").await.unwrap();
    let finished = bed.finished("j").await;
    assert_eq!(state(&finished), (JobState::Succeeded, ""));
    assert_eq!(termination(&finished).objective, Some(3600.0));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_job_past_its_deadline_is_not_started() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let mut late = job("j", wyndor(500.0), LONG);
    let past = SystemTime::now() - Duration::from_secs(1);
    late.description.as_mut().unwrap().expire_time = Some(past.into());
    bed.enqueue("express", &late).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, scripts.solver("ready; exec sleep 60")));
    assert_eq!(state(&bed.finished("j").await), (JobState::Expired, "DEADLINE_EXCEEDED"));
    assert_eq!(bed.story("j"), ["finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_stored_model_is_loaded_and_a_lost_one_is_reported() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let solver = scripts.solver("ready; task t; cat right; exec sleep 60");

    let bytes = JobPayload::from(wyndor(500.0)).encode_to_vec();
    let (head, tail) = bytes.split_at(50);
    let reference = bed
        .mesh
        .store(BulkObject::new(vec![head.to_vec().into(), tail.to_vec().into()]))
        .await
        .unwrap();
    let mut stored = job("stored", wyndor(500.0), LONG);
    stored.body = Some(job_envelope::Body::PayloadReference(reference));
    let mut lost = job("lost", wyndor(500.0), LONG);
    let nowhere = BulkReference { id: "nowhere".to_owned(), parts: 1, ..BulkReference::default() };
    lost.body = Some(job_envelope::Body::PayloadReference(nowhere));
    bed.enqueue("express", &lost).await;
    bed.enqueue("express", &stored).await;

    let worker = Worker::start(bed.mesh.clone(), config(1, solver));
    assert_eq!(state(&bed.finished("lost").await), (JobState::Failed, "MODEL_LOST"));
    assert_eq!(bed.story("lost"), ["finished"]);
    assert_eq!(termination(&bed.finished("stored").await).objective, Some(3600.0));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_drain_finishes_running_jobs_and_requeues_waiting_ones() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let solver = scripts.solver("ready; task t; sleep 0.3; cat right; exec sleep 60");
    bed.enqueue("express", &job("runs", wyndor(500.0), LONG)).await;
    bed.enqueue("express", &job("waits", wyndor(500.0), LONG)).await;

    let worker = Worker::start(bed.mesh.clone(), config(1, solver.clone()));
    bed.started("runs").await;
    worker.drain(Duration::from_secs(30)).await;
    assert_eq!(state(&bed.finished("runs").await), (JobState::Succeeded, ""));
    assert!(bed.story("waits").is_empty());

    let worker = Worker::start(bed.mesh.clone(), config(1, solver));
    assert_eq!(state(&bed.finished("waits").await), (JobState::Succeeded, ""));
    worker.drain(NO_GRACE).await;
}

/// The solver of the next two tests: solves its first job once the file `go` exists, and the
/// second at once. That is task 2, or task 4 if two others were sent with the first and withdrawn;
/// a worker drops reports of other tasks.
const HELD: &str = "ready; task t; while [ ! -e go ]; do sleep 0.02; done; cat task.1; \
                    task t; cat task.2 task.4; exec sleep 60";

#[tokio::test]
async fn jobs_that_wait_behind_a_long_solve_are_requeued() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    for task in [1, 2, 4] {
        let right = vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])];
        scripts.reports(&format!("task.{task}"), task, right);
    }
    for id in ["long", "b", "c"] {
        bed.enqueue("express", &job(id, wyndor(500.0), LONG)).await;
    }
    let share_after = Duration::from_millis(100);
    let config = WorkerConfig { share_after, ..config(1, scripts.solver(HELD)) };
    let worker = Worker::start(bed.mesh.clone(), config);
    bed.started("long").await;

    let others = bed.take("express", 2).await;
    let mut returned = ids(&others);
    returned.sort_unstable();
    assert_eq!(returned, ["b", "c"]);
    for other in others {
        other.lease.ack().await.unwrap();
    }
    bed.enqueue("express", &job("d", wyndor(500.0), LONG)).await;
    std::fs::write(scripts.path("go"), "").unwrap();
    assert_eq!(state(&bed.finished("long").await), (JobState::Succeeded, ""));
    assert_eq!(state(&bed.finished("d").await), (JobState::Succeeded, ""));
    assert_eq!(bed.story("long"), ["started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_drain_requeues_waiting_jobs_before_the_running_solve_ends() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("task.1", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    for id in ["long", "b"] {
        bed.enqueue("express", &job(id, wyndor(500.0), LONG)).await;
    }
    let share_after = Duration::from_secs(3600);
    let config = WorkerConfig { share_after, ..config(1, scripts.solver(HELD)) };
    let worker = Worker::start(bed.mesh.clone(), config);
    bed.started("long").await;
    let drain = tokio::spawn(worker.drain(Duration::from_secs(60)));

    assert_eq!(ids(&bed.take("express", 1).await), ["b"]);
    std::fs::write(scripts.path("go"), "").unwrap();
    drain.await.unwrap();
    assert_eq!(state(&bed.finished("long").await), (JobState::Succeeded, ""));
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.payload.job_id()).collect()
}

#[tokio::test]
async fn a_job_killed_by_a_drain_is_requeued_without_counting_the_attempt() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let endless = scripts.solver("ready; task t; exec sleep 60");
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, endless));
    bed.started("j").await;
    worker.drain(Duration::from_millis(50)).await;

    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let good = scripts.solver("ready; task t; cat right; exec sleep 60");
    let one_attempt = WorkerConfig { max_attempts: 1, ..config(1, good) };
    let worker = Worker::start(bed.mesh.clone(), one_attempt);
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
    assert_eq!(bed.story("j"), ["started", "started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn progress_is_logged_between_start_and_end_with_numbered_entries() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let progress =
        Progress { node_count: Some(42), objective_bound: Some(4000.0), ..Progress::default() };
    let moved = vec![solver_report::Kind::Progress(progress), incumbent(3200.0, vec![4.0, 3.0])];
    scripts.reports("moved", 1, moved);
    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let solver = scripts.solver("ready; task t; cat moved; sleep 0.5; cat right; exec sleep 60");
    let config =
        WorkerConfig { progress_interval: Duration::from_millis(100), ..config(1, solver) };
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), config);
    bed.finished("j").await;

    assert_eq!(bed.story("j"), ["started", "incumbent", "progress", "finished"]);
    let numbers: Vec<_> = bed.seen.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let Some(Kind::Incumbent(better)) = &bed.seen[1].kind else { panic!("{:?}", bed.seen[1]) };
    assert_eq!(
        (better.objective, better.objective_bound),
        (Some(2700.0), Some(4000.0)),
        "not as it was claimed"
    );
    assert_eq!(better.values, [4.0, 3.0]);
    let Some(Kind::Progress(progress)) = &bed.seen[2].kind else { panic!("{:?}", bed.seen[2]) };
    assert_eq!((progress.node_count, progress.objective), (Some(42), Some(3200.0)));
    assert_eq!((progress.objective_bound, progress.relative_gap), (Some(4000.0), Some(0.25)));
    for entry in &bed.seen {
        assert_eq!(entry.digest, [7; 32]);
        assert_eq!(entry.attempt_id, bed.seen[0].attempt_id);
        assert!(!entry.attempt_id.is_empty() && entry.time.is_some());
    }
    let started = bed.seen[0].attempt_start().unwrap();
    assert_eq!(started.worker, "tester");
    assert_eq!(
        started.description.as_ref().map(|description| description.model_name.as_str()),
        Some("j")
    );
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_large_solution_is_stored_in_parts() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let names: Vec<String> = (0..60_000).map(|i| format!("variable_{i}")).collect();
    let values: Vec<f64> = (0..60_000).map(|i| f64::from(i % 2)).collect();
    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, values.clone())]);
    // Reads all of the task, so that the worker is not blocked by a full pipe.
    let solver = scripts
        .solver("ready; head -c 1 >/dev/null; exec 3<&0; cat <&3 >/dev/null & cat right; wait");
    bed.enqueue("express", &job("j", unconstrained(names.clone()), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));

    let finished = bed.finished("j").await;
    let result = outcome(&finished).result.as_ref().unwrap();
    assert_eq!(termination(&finished).objective, Some(30_000.0));
    assert_eq!(result.solution, None);
    let parts = bed.mesh.load(finished.solution.as_ref().unwrap()).await.unwrap();
    assert!(parts.len() > 1);
    assert_eq!(result.solution_part_count as usize, parts.len());
    let parts = parts.into_iter().map(|part| Solution::decode(part).unwrap());
    let (mut told_names, mut told_values) = (Vec::new(), Vec::new());
    for part in parts {
        assert_eq!(part.variable_offset as usize, told_names.len());
        told_names.extend(part.variable_names);
        told_values.extend(part.values);
    }
    assert_eq!((told_names, told_values), (names, values));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_job_without_a_model_is_a_dead_letter() {
    let (bed, scripts) = (TestMesh::new().await, Scripts::new());
    let mut empty = job("j", wyndor(500.0), LONG);
    empty.body = None;
    bed.enqueue("express", &empty).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, scripts.solver("ready; exec sleep 60")));
    let letter = bed.mesh.dead_letters().await.unwrap().next().await.unwrap();
    assert_eq!((letter.job_id.as_str(), letter.reason.as_str()), ("j", "rejected"));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_job_of_a_later_format_stays_in_its_queue() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let solver = scripts.solver("ready; task t; cat right; exec sleep 60");
    // The job is parked longer than any test takes, and does not block the only slot of its lane,
    // although that has a prefetch of 1.
    let slots = "standard=1".parse().unwrap();
    let config = WorkerConfig { slots, ..config(1, solver) };
    let mut later = job("later", wyndor(500.0), LONG);
    later.version = 99;
    bed.enqueue("standard", &later).await;
    bed.enqueue("standard", &job("now", wyndor(500.0), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), config);
    assert_eq!(state(&bed.finished("now").await), (JobState::Succeeded, ""));
    worker.drain(NO_GRACE).await;

    assert!(bed.story("later").is_empty());
    let left = bed.take("standard", 1).await.remove(0);
    assert_eq!(
        left.payload,
        Payload::UnsupportedVersion { version: 99, job_id: "later".to_owned() }
    );
}
