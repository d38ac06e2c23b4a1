//! Tests of runs: small jobs that are sent to the solver process at once.

use std::time::Duration;

use crate::{
    end_to_end::{market_split, solver},
    harness::{Scripts, TestMesh, config, job, outcome_of, state, termination, wyndor},
};
use solvemesh::{
    broker::v1::{LogEntry, log_entry::Kind},
    v1::{JobState, TerminationReason},
};
use solvemesh_broker::Payload;
use solvemesh_worker::{Worker, WorkerConfig};

const NO_GRACE: Duration = Duration::ZERO;
const LONG: f64 = 60.0;

fn is_end(entry: &LogEntry) -> bool {
    matches!(entry.kind, Some(Kind::Finished(_)))
}

#[tokio::test]
async fn small_jobs_have_one_entry_each_and_their_own_results() {
    const JOBS: u32 = 150;
    let mut bed = TestMesh::new().await;
    for number in 0..JOBS {
        let model = wyndor(f64::from(100 + number));
        bed.enqueue("express", &job(&number.to_string(), model, LONG)).await;
    }
    let worker = Worker::start(bed.mesh.clone(), config(1, solver()));
    for _ in 0..JOBS {
        let entry = bed.until(is_end).await;
        let Some(Kind::Finished(end)) = &entry.kind else { unreachable!() };
        // The optimum moves from (4, 3) to (2, 6) at a rate of 200.
        let rate = 100.0 + entry.job_id.parse::<f64>().unwrap();
        let objective = (1200.0 + 3.0 * rate).max(600.0 + 6.0 * rate);
        assert_eq!(termination(end).objective, Some(objective), "job {}", entry.job_id);
        assert_eq!(bed.story(&entry.job_id), ["started", "finished"]);
        let entries = bed.seen.iter().filter(|seen| seen.job_id == entry.job_id);
        assert_eq!(entries.count(), 1, "a short solve has one entry");
        let started = end.started.as_ref().unwrap();
        assert_eq!(started.description.as_ref().unwrap().model_name, entry.job_id);
        assert!(end.start_time.unwrap().seconds <= entry.time.unwrap().seconds);
    }
    worker.drain(NO_GRACE).await;
    assert!(bed.mesh.consume(&"express".parse().unwrap(), 1).await.unwrap().try_next().is_none());
}

#[tokio::test]
async fn a_death_counts_for_the_job_that_was_being_solved() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let optimal = || outcome_of(TerminationReason::Optimal, vec![2.0, 6.0]);
    for task in 1..=3 {
        scripts.reports(&task.to_string(), task, vec![optimal()]);
    }
    // The first process answers the first of the three tasks and dies in the second. The next
    // processes answer each task.
    let solver = scripts.solver(
        "ready; task t; cat 1; [ -e died ] || { touch died; kill -SEGV $$; }; \\
         task t; cat 2; task t; cat 3; task t",
    );
    for id in ["a", "b", "c"] {
        bed.enqueue("express", &job(id, wyndor(500.0), LONG)).await;
    }
    let config = WorkerConfig { lookup_timeout: Duration::from_millis(100), ..config(1, solver) };
    let worker = Worker::start(bed.mesh.clone(), config);
    for _ in 0..3 {
        let entry = bed.until(is_end).await;
        let Some(Kind::Finished(end)) = &entry.kind else { unreachable!() };
        assert_eq!(state(end), (JobState::Succeeded, ""), "job {}", entry.job_id);
    }
    assert_eq!(bed.story("a"), ["started", "finished"]);
    assert_eq!(bed.story("b"), ["started", "lost", "started", "finished"]);
    assert_eq!(bed.story("c"), ["started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn jobs_behind_a_long_solve_are_returned_to_their_lane() {
    let mut bed = TestMesh::new().await;
    bed.enqueue("express", &job("long", market_split(5, 40), LONG)).await;
    for id in ["a", "b", "c"] {
        bed.enqueue("express", &job(id, wyndor(500.0), LONG)).await;
    }
    let worker = Worker::start(bed.mesh.clone(), config(1, solver()));
    bed.started("long").await;
    let returned = bed.take("express", 3).await;
    let mut ids: Vec<_> =
        returned.iter().map(|delivery| delivery.payload.job_id().to_owned()).collect();
    ids.sort();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(returned.iter().all(|delivery| matches!(delivery.payload, Payload::Job(_))));
    assert!(bed.story("a").is_empty(), "no attempt has started");
    drop(returned);
    bed.mesh.announce_cancel("long").await.unwrap();
    assert_eq!(state(&bed.finished("long").await), (JobState::Cancelled, ""));
    worker.drain(NO_GRACE).await;
}
