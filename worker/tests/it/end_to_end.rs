//! Tests of a worker with its real solver processes.

use std::{collections::BTreeMap, process::Command, time::Duration};

use crate::harness::{Scripts, TestMesh, config, job, outcome, state, termination, wyndor};
use solvemesh::{
    broker::v1::log_entry::Kind,
    v1::{JobState, LinearModel, ObjectiveSense, TerminationReason, VariableKind},
};
use solvemesh_worker::{SolverCommandLine, Worker, WorkerConfig};

const WORKER: &str = env!("CARGO_BIN_EXE_solvemesh-worker");
const NO_GRACE: Duration = Duration::ZERO;

pub(crate) fn solver() -> SolverCommandLine {
    SolverCommandLine { program: WORKER.into(), args: vec!["solver".into()] }
}

/// A market split problem: a solution is easy to find, and hard to prove optimal.
pub(crate) fn market_split(rows: usize, columns: usize) -> LinearModel {
    let mut seed = 12_345_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % 100) as f64
    };
    let n = columns + 2 * rows;
    let mut model = LinearModel {
        sense: ObjectiveSense::Minimize.into(),
        variable_count: Some(n as i32),
        variable_lower: vec![0.0; n],
        variable_upper: vec![1.0; n],
        objective: vec![0.0; n],
        variable_kinds: vec![VariableKind::Integer.into(); n],
        variable_names: (0..n).map(|j| format!("x{j}")).collect(),
        constraint_count: Some(rows as i32),
        constraint_names: (0..rows).map(|i| format!("market{i}")).collect(),
        row_starts: vec![0],
        ..LinearModel::default()
    };
    for j in columns..n {
        model.variable_upper[j] = f64::INFINITY;
        model.objective[j] = 1.0;
        model.variable_kinds[j] = VariableKind::Continuous.into();
    }
    for row in 0..rows {
        let mut total = 0.0;
        for column in 0..columns {
            let coefficient = random() + 1.0;
            total += coefficient;
            model.column_indices.push(column as i32);
            model.coefficients.push(coefficient);
        }
        for (slack, sign) in [(2 * row, 1.0), (2 * row + 1, -1.0)] {
            model.column_indices.push((columns + slack) as i32);
            model.coefficients.push(sign);
        }
        let half = (total / 2.0_f64).floor();
        model.constraint_lower.push(half);
        model.constraint_upper.push(half);
        model.row_starts.push(model.coefficients.len() as i32);
    }
    model
}

#[tokio::test]
async fn wyndor_is_solved_and_checked_with_names() {
    let mut bed = TestMesh::new().await;
    bed.enqueue("express", &job("j", wyndor(500.0), 60.0)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver()));

    let finished = bed.finished("j").await;
    assert_eq!(state(&finished), (JobState::Succeeded, ""));
    let reported = termination(&finished);
    assert_eq!(reported.reason(), TerminationReason::Optimal);
    assert!((reported.objective.unwrap() - 3600.0).abs() < 1e-6);
    let result = outcome(&finished).result.as_ref().unwrap();
    let solution = result.solution.as_ref().unwrap();
    assert_eq!(solution.variable_names, ["Doors", "Windows"]);
    assert_eq!(solution.constraint_names, ["Plant1", "Plant2", "Plant3"]);
    for (numbers, expected) in [
        (&solution.values, &[2.0, 6.0][..]),
        (&solution.reduced_costs, &[0.0, 0.0]),
        (&solution.activities, &[2.0, 12.0, 18.0]),
        (&solution.duals, &[0.0, 150.0, 100.0]),
    ] {
        assert_eq!(numbers.len(), expected.len());
        for (number, expected) in numbers.iter().zip(expected) {
            assert!((number - expected).abs() < 1e-6, "{numbers:?}");
        }
    }
    assert!(result.verification.as_ref().unwrap().max_violation < Some(1e-6));
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn hundreds_of_jobs_in_flight_get_their_own_result_once() {
    let mut bed = TestMesh::new().await;
    let worker = Worker::start(bed.mesh.clone(), config(2, solver()));
    for rate in 0..200 {
        bed.enqueue("express", &job(&format!("{rate}"), wyndor(f64::from(rate)), 60.0)).await;
    }
    let mut objectives = BTreeMap::new();
    while objectives.len() < 200 {
        let entry = bed.until(|entry| matches!(entry.kind, Some(Kind::Finished(_)))).await;
        let Some(Kind::Finished(finished)) = entry.kind else { unreachable!() };
        let objective = termination(&finished).objective.unwrap();
        assert!(objectives.insert(entry.job_id, objective).is_none());
    }
    for rate in 0..200 {
        let windows = f64::from(rate);
        let best = [(4.0, 0.0), (4.0, 3.0), (2.0, 6.0), (0.0, 6.0)]
            .into_iter()
            .map(|(doors, sold)| 300.0 * doors + windows * sold)
            .fold(f64::MIN, f64::max);
        assert!((objectives[&rate.to_string()] - best).abs() < 1e-6 * best, "rate {rate}");
    }
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_solver_killed_during_a_solve_is_replaced_and_stops_on_cancel() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let noted = scripts.solver(&format!("echo $$ >> pids; exec '{WORKER}' solver"));
    let slots = "standard=1".parse().unwrap();
    // Long, so that the solver stops by itself and is not killed.
    let cancel_grace = Duration::from_secs(30);
    let config = WorkerConfig { slots, cancel_grace, ..config(1, noted) };
    let worker = Worker::start(bed.mesh.clone(), config);
    bed.enqueue("standard", &job("j", market_split(5, 40), 600.0)).await;
    let progress = |entry: &_| {
        matches!(entry, &solvemesh::broker::v1::LogEntry { kind: Some(Kind::Progress(_)), .. })
    };
    bed.until(progress).await;
    let pid = scripts.written("pids").await;
    let killed = Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    assert!(killed.success());

    let lost = bed.until(|entry| matches!(entry.kind, Some(Kind::AttemptLost(_)))).await;
    let Some(Kind::AttemptLost(lost)) = lost.kind else { unreachable!() };
    assert_eq!(lost.failure.unwrap().reason, "SOLVER_OUT_OF_MEMORY");
    bed.started("j").await;
    bed.until(progress).await;
    bed.mesh.announce_cancel("j").await.unwrap();
    let finished = bed.finished("j").await;
    assert_eq!(state(&finished), (JobState::Cancelled, ""));
    assert_eq!(termination(&finished).reason(), TerminationReason::Feasible);
    assert!(outcome(&finished).result.as_ref().unwrap().solution.is_some());
    worker.drain(NO_GRACE).await;
}
