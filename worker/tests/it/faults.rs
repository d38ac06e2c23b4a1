//! Tests of a worker whose solvers crash, hang or violate the protocol. The solvers are shell
//! scripts.

use std::time::Duration;

use crate::harness::{
    Scripts, TestMesh, config, incumbent, job, outcome, outcome_of, state, termination, wyndor,
};
use solvemesh::{
    solver::v1::solver_report,
    v1::{JobState, Progress, TerminationLimit, TerminationReason},
};
use solvemesh_worker::{Worker, WorkerConfig};

const NO_GRACE: Duration = Duration::ZERO;
const LONG: f64 = 60.0;

#[tokio::test]
async fn a_crash_is_retried_up_to_the_limit_and_then_reported() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let solver = scripts.solver("ready; task t; kill -SEGV $$");
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));

    let finished = bed.finished("j").await;
    assert_eq!(state(&finished), (JobState::Failed, "SOLVER_CRASHED"));
    let message = &outcome(&finished).failure.as_ref().unwrap().message;
    assert!(message.contains("killed by signal 11 (SIGSEGV)"), "{message}");
    assert_eq!(bed.story("j"), ["started", "lost", "started", "lost", "started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn each_cause_of_a_solver_death_is_reported() {
    for (script, reason, words) in [
        ("ready; task t; exit 3", "SOLVER_CRASHED", "exited with code 3"),
        ("ready; task t; kill -KILL $$", "SOLVER_OUT_OF_MEMORY", "signal 9 (SIGKILL)"),
        ("ready; task t; kill -ABRT $$", "SOLVER_CRASHED", "signal 6 (SIGABRT)"),
        ("ready; task t; exec cat /dev/zero", "SOLVER_ERROR", "not a valid report"),
        ("ready; task t; yes | tr 'y\\n' '\\377'; sleep 60", "SOLVER_ERROR", "length prefix"),
        // A report of 2 GiB.
        ("ready; task t; printf '\\200\\200\\200\\200\\010'; sleep 60", "SOLVER_ERROR", "limit"),
        ("ready; task t; exec sleep 60 >&-", "SOLVER_ERROR", "closed its output"),
        ("ready; task t; exec <&- >&-; exec sleep 60", "SOLVER_ERROR", "closed its output"),
    ] {
        let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
        bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
        let config = WorkerConfig { max_attempts: 1, ..config(1, scripts.solver(script)) };
        let worker = Worker::start(bed.mesh.clone(), config);
        let finished = bed.finished("j").await;
        assert_eq!(state(&finished), (JobState::Failed, reason), "{script}");
        let message = &outcome(&finished).failure.as_ref().unwrap().message;
        assert!(message.contains(words), "{message}");
        worker.drain(NO_GRACE).await;
    }
}

#[tokio::test]
async fn a_reached_memory_limit_finishes_the_job_with_its_best_solution() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("found", 1, vec![incumbent(2.0, vec![4.0, 3.0])]);
    let solver = scripts.solver("ready; task t; cat found; exit 4");
    let mut limited = job("limited", wyndor(500.0), LONG);
    let description = limited.description.get_or_insert_default();
    description.options.get_or_insert_default().memory_limit_bytes = Some(1 << 30);
    bed.enqueue("express", &limited).await;
    bed.enqueue("express", &job("free", wyndor(500.0), LONG)).await;
    let config = WorkerConfig { max_attempts: 1, ..config(1, solver) };
    let worker = Worker::start(bed.mesh.clone(), config);

    let finished = bed.finished("limited").await;
    assert_eq!(state(&finished), (JobState::Succeeded, ""));
    let reported = termination(&finished);
    assert_eq!(
        (reported.reason(), reported.limit()),
        (TerminationReason::Feasible, TerminationLimit::Memory)
    );
    assert_eq!(reported.objective, Some(2700.0));
    // Without a limit, it was the system that was out of memory.
    assert_eq!(state(&bed.finished("free").await), (JobState::Failed, "SOLVER_OUT_OF_MEMORY"));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_job_that_kills_solvers_does_not_count_against_other_jobs() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    for task in 1..=20 {
        let outcome = outcome_of(TerminationReason::Optimal, vec![2.0, 6.0]);
        scripts.reports(&format!("task.{task}"), task, vec![outcome]);
    }
    let solver = scripts.solver(
        "ready; i=1; while :; do task t.$$; grep -q poison t.$$ && exit 3; cat task.$i; i=$((i+1)); done",
    );
    // Too large for a run, because the script answers one task for each that it reads.
    let mut good = wyndor(500.0);
    good.variable_names[1] = "Windows".repeat(4_000);
    let mut poison = good.clone();
    poison.variable_names[0] = "poison".to_owned();
    bed.enqueue("express", &job("good-0", good.clone(), LONG)).await;
    bed.enqueue("express", &job("bad", poison, LONG)).await;
    for i in 1..10 {
        bed.enqueue("express", &job(&format!("good-{i}"), good.clone(), LONG)).await;
    }
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));

    let bad = bed.finished("bad").await;
    assert_eq!(state(&bad), (JobState::Failed, "SOLVER_CRASHED"));
    assert_eq!(bed.story("bad").iter().filter(|word| **word == "started").count(), 3);
    for i in 0..10 {
        assert_eq!(bed.story(&format!("good-{i}")), ["started", "finished"]);
    }
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_solver_that_ignores_its_time_limit_is_killed_and_its_best_solution_kept() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports(
        "found",
        1,
        vec![incumbent(1.0, vec![0.0, 1.0]), incumbent(2.0, vec![4.0, 3.0])],
    );
    let solver = scripts.solver("ready; task t; cat found; exec sleep 60");
    bed.enqueue("express", &job("j", wyndor(100.0), 0.2)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));

    let finished = bed.finished("j").await;
    assert_eq!(state(&finished), (JobState::Succeeded, ""));
    let reported = termination(&finished);
    assert_eq!(
        (reported.reason(), reported.limit()),
        (TerminationReason::Feasible, TerminationLimit::Time)
    );
    // Computed from the model, not as claimed by the solver.
    assert_eq!(reported.objective, Some(1500.0));
    assert!(reported.warnings.iter().any(|warning| warning.contains("was killed")), "{reported:?}");
    let result = outcome(&finished).result.as_ref().unwrap();
    assert_eq!(result.solution.as_ref().unwrap().values, [4.0, 3.0]);
    assert_eq!(result.verification.as_ref().unwrap().max_violation, Some(0.0));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_solver_killed_without_a_solution_is_not_a_failure() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("alive", 1, vec![solver_report::Kind::Progress(Progress::default())]);
    let solver = scripts.solver("ready; task t; cat alive; exec sleep 60");
    bed.enqueue("express", &job("j", wyndor(100.0), 0.1)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));

    let finished = bed.finished("j").await;
    assert_eq!(state(&finished), (JobState::Succeeded, ""));
    let reported = termination(&finished);
    assert_eq!(reported.reason(), TerminationReason::NoSolutionFound);
    assert_eq!((reported.limit(), reported.objective), (TerminationLimit::Time, None));
    assert_eq!(outcome(&finished).result.as_ref().unwrap().solution, None);
    assert_eq!(bed.story("j"), ["started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_silent_solver_that_ignores_its_time_limit_has_hung() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let solver = scripts.solver("ready; task t; trap '' INT TERM; exec sleep 60");
    bed.enqueue("express", &job("j", wyndor(100.0), 0.1)).await;
    let config = WorkerConfig { max_attempts: 2, ..config(1, solver) };
    let worker = Worker::start(bed.mesh.clone(), config);
    let finished = bed.finished("j").await;
    assert_eq!(state(&finished), (JobState::Failed, "SOLVER_HUNG"));
    assert_eq!(bed.story("j"), ["started", "lost", "started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn an_optimum_that_violates_the_model_is_imprecise() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("wrong", 1, vec![outcome_of(TerminationReason::Optimal, vec![5.0, 6.0])]);
    let solver = scripts.solver("ready; task t; cat wrong; exec sleep 60");
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));

    let finished = bed.finished("j").await;
    assert_eq!(termination(&finished).reason(), TerminationReason::Imprecise);
    let verification = outcome(&finished).result.as_ref().unwrap().verification.clone().unwrap();
    assert_eq!(verification.max_violation, Some(9.0));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_solution_of_another_model_is_reported_as_an_error() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("wrong", 1, vec![outcome_of(TerminationReason::Optimal, vec![1.0; 3])]);
    let solver = scripts.solver("ready; task t; cat wrong; exec sleep 60");
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));
    assert_eq!(state(&bed.finished("j").await), (JobState::Failed, "SOLVER_ERROR"));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn without_a_solver_process_no_job_is_consumed_or_lost() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    let broken =
        scripts.solver("echo x >> tries; [ $(wc -l < tries) -ge 3 ] && echo enough > done; exit 1");
    let worker = Worker::start(bed.mesh.clone(), config(1, broken));
    scripts.written("done").await;
    worker.drain(NO_GRACE).await;

    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let good = scripts.solver("ready; task t; cat right; exec sleep 60");
    let worker = Worker::start(bed.mesh.clone(), config(1, good));
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
    assert_eq!(bed.story("j"), ["started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn the_death_of_an_idle_solver_counts_against_no_job() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    scripts.reports("right", 1, vec![outcome_of(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let solver = scripts.solver(
        "mkdir dead 2>/dev/null && { ready; echo died > gone; exit 1; }\n\
         ready; echo up > up; task t; cat right; exec sleep 60",
    );
    let config = WorkerConfig { max_attempts: 1, ..config(1, solver) };
    let worker = Worker::start(bed.mesh.clone(), config);
    scripts.written("gone").await;
    scripts.written("up").await;
    bed.enqueue("express", &job("j", wyndor(500.0), LONG)).await;
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
    worker.drain(NO_GRACE).await;
}
