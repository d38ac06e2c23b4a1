//! Tests of sweeps and their shares, with real solver processes and with shell scripts.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime},
};

use crate::harness::{Scripts, TestMesh, config, job, state, wyndor};
use prost::Message as _;
use solvemesh::{
    broker::v1::{
        JobEnvelope, JobPayload, JobStatus, LookupResponse, job_envelope::Body, log_entry::Kind,
    },
    solver::v1::{ScenarioOutcome, ScenarioOutcomes, ScenariosDone, solver_report},
    v1::{
        Basis, GridAxis, JobState, ParameterKind, ScenarioGrid, ScenarioParameter, ScenarioReport,
        ScenarioResult, StopOnFirst, Sweep, SweepDescription, TerminationReason as Reason, sweep,
    },
};
use solvemesh_broker::{CancelEvent, FORMAT_VERSION, Lookup};
use solvemesh_worker::{SolverCommandLine, Worker};

const WORKER: &str = env!("CARGO_BIN_EXE_solvemesh-worker");
const NO_GRACE: Duration = Duration::ZERO;
const LONG: f64 = 60.0;

fn solver() -> SolverCommandLine {
    SolverCommandLine { program: WORKER.into(), args: vec!["solver".into()] }
}

/// A sweep of the Wyndor model over `points` profit rates of windows, from 100 to 1000.
fn rates(id: &str, points: i32, stop_on_first: Option<StopOnFirst>) -> JobEnvelope {
    let parameter = ScenarioParameter {
        kind: ParameterKind::Objective.into(),
        variable_index: Some(1),
        ..ScenarioParameter::default()
    };
    let axis = GridAxis {
        parameter: Some(parameter),
        first: Some(100.0),
        last: Some(1000.0),
        point_count: points,
        values: Vec::new(),
    };
    let report = ScenarioReport {
        variables: vec!["Windows".to_owned()],
        all_constraints: true,
        ..ScenarioReport::default()
    };
    let sweep = Sweep {
        scenarios: Some(sweep::Scenarios::Grid(ScenarioGrid { axes: vec![axis] })),
        report: Some(report.clone()),
        stop_on_first,
    };
    let model = wyndor(500.0);
    let mut job = job(id, model.clone(), LONG);
    let description = job.description.get_or_insert_default();
    description.sweep = Some(SweepDescription {
        scenario_count: points,
        sense: model.sense,
        report: Some(report),
        stop_on_first,
        ..SweepDescription::default()
    });
    let payload = JobPayload { sweep: Some(sweep), ..model.into() };
    job.body = Some(Body::Payload(payload.encode_to_vec().into()));
    job
}

/// The best objective at the profit rate of a scenario.
fn expected(index: i32, points: i32) -> f64 {
    let share = f64::from(index) / f64::from(points - 1);
    let rate = 100.0 * (1.0 - share) + 1000.0 * share;
    (1200.0 + 3.0 * rate).max(600.0 + 6.0 * rate)
}

/// Reads the log until `count` scenarios are answered. Returns the first answer of each, and the
/// ids of the attempts that logged them.
async fn answers(
    bed: &mut TestMesh,
    count: usize,
) -> (BTreeMap<i32, ScenarioResult>, BTreeSet<String>) {
    let (mut answers, mut attempts) = (BTreeMap::new(), BTreeSet::new());
    while answers.len() < count {
        let entry = bed.until(|entry| matches!(entry.kind, Some(Kind::ScenarioResults(_)))).await;
        attempts.insert(entry.attempt_id);
        let Some(Kind::ScenarioResults(batch)) = entry.kind else { continue };
        for result in batch.results {
            answers.entry(result.index).or_insert(result);
        }
    }
    (answers, attempts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_is_split_into_shares_and_every_scenario_is_solved() {
    const POINTS: i32 = 100_001;
    let mut bed = TestMesh::new().await;
    let worker = Worker::start(bed.mesh.clone(), config(2, solver()));
    let began = Instant::now();
    bed.enqueue("express", &rates("j", POINTS, None)).await;
    let (answers, attempts) = answers(&mut bed, POINTS as usize).await;
    eprintln!("{POINTS} scenarios by {} shares in {:?}", attempts.len(), began.elapsed());
    assert!(attempts.len() > 1, "nothing was shared");
    for (index, answer) in &answers {
        let expected = expected(*index, POINTS);
        assert_eq!(answer.reason(), Reason::Optimal, "{answer:?}");
        let error = (answer.objective.unwrap() - expected).abs();
        assert!(error <= 1e-9 * expected, "{index}: {answer:?} instead of {expected}");
        assert!(answer.max_violation.unwrap() <= 1e-6 && answer.dual_violation.unwrap() <= 1e-6);
        assert_eq!((answer.values.len(), answer.duals.len()), (1, 3));
    }
    let starts = bed.story("j").into_iter().filter(|word| *word == "started").count();
    assert_eq!(starts, 1, "shares are parts of one attempt");
    worker.drain(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_deadline_does_not_apply_to_a_running_sweep() {
    const POINTS: i32 = 300_000;
    let mut bed = TestMesh::new().await;
    let mut job = rates("j", POINTS, None);
    let soon = SystemTime::now() + Duration::from_millis(300);
    job.description.get_or_insert_default().queue_expire_time = Some(soon.into());
    bed.enqueue("express", &job).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver()));
    let (answers, _) = answers(&mut bed, POINTS as usize).await;
    assert!(SystemTime::now() > soon, "it was over too soon to tell");
    assert_eq!(answers.len(), POINTS as usize);
    assert!(!bed.story("j").contains(&"finished"), "it was ended");
    worker.drain(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_cancelled_share_stops_at_once_and_finishes_the_job() {
    let mut bed = TestMesh::new().await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver()));
    bed.enqueue("express", &rates("j", 100_000_000, None)).await;
    answers(&mut bed, 1).await;
    bed.mesh.announce_cancel("j").await.unwrap();
    let asked = Instant::now();
    assert_eq!(state(&bed.finished("j").await), (JobState::Cancelled, ""));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    worker.drain(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_share_that_meets_the_target_stops_the_other_shares() {
    let mut bed = TestMesh::new().await;
    let mut cancels = bed.mesh.follow_cancels().await.unwrap();
    // A scripted gateway confirms that the sweep has finished: only the log can tell that.
    let mut lookups = bed.mesh.consume_lookups().await.unwrap();
    let gateway = tokio::spawn(async move {
        while let Some(Lookup { reply, .. }) = lookups.next().await {
            let ended = LookupResponse {
                version: FORMAT_VERSION,
                status: JobStatus::Finished.into(),
                ..LookupResponse::default()
            };
            reply.send(ended).await;
        }
    });
    let worker = Worker::start(bed.mesh.clone(), config(1, solver()));
    let stop = StopOnFirst { objective_target: Some(3600.0) };
    bed.enqueue("express", &rates("j", 10_001, Some(stop))).await;
    loop {
        let news = tokio::time::timeout(Duration::from_secs(60), cancels.recv()).await.unwrap();
        if news.unwrap() == CancelEvent::Cancel("j".to_owned()) {
            break;
        }
    }
    let (answers, _) = answers(&mut bed, 1).await;
    assert!(answers.len() < 10_001);
    worker.drain(Duration::from_secs(10)).await;
    gateway.abort();
}

#[tokio::test]
async fn a_scenario_that_kills_its_solver_fails_alone() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    for task in 1..=8 {
        for index in [0, 1, 2, 4] {
            let outcome = ScenarioOutcome {
                index,
                // OPTIMAL would be rejected without duals.
                reason: Reason::Feasible.into(),
                values: vec![2.0, 6.0],
                ..ScenarioOutcome::default()
            };
            let outcomes = ScenarioOutcomes { outcomes: vec![outcome] };
            let kinds = vec![
                solver_report::Kind::Scenarios(outcomes),
                solver_report::Kind::ScenariosDone(ScenariosDone::default()),
            ];
            // In the range of a single scenario, the third byte from the end is its index; for
            // index 0, which is not encoded, that byte is 2.
            let byte = if index == 0 { 2 } else { index };
            if index != 2 || task > 1 {
                scripts.reports(&format!("task.{task}.{byte}"), task, kinds);
            }
        }
    }
    let job = rates("j", 5, None);
    // The first task of a process has the payload after the range, as a field of its own.
    let Some(Body::Payload(payload)) = &job.body else { panic!("a payload") };
    let suffix = 1 + prost::length_delimiter_len(payload.len()) + payload.len();
    // The solver dies at scenario 3, and at any task of more than one scenario.
    let solver = scripts.solver(&format!(
        "ready; i=1; suffix={suffix}; while :; do task t.$$; head -c -$suffix t.$$ > u.$$; \
         [ $(tail -c 1 u.$$ | od -An -tu1) -eq 1 ] || exit 3; \
         k=$(($(tail -c 3 u.$$ | head -c 1 | od -An -tu1))); \
         [ $k -ne 3 ] || exit 3; cat task.$i.$k; i=$((i+1)); suffix=0; done"
    ));
    bed.enqueue("express", &job).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));
    let (answers, _) = answers(&mut bed, 5).await;
    let reasons: Vec<_> = answers.values().map(ScenarioResult::reason).collect();
    let [solved, failed] = [Reason::Feasible, Reason::OtherError];
    assert_eq!(reasons, [solved, solved, solved, failed, solved]);
    assert!(answers[&3].detail.contains("exited with code 3"), "{:?}", answers[&3]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn shares_start_from_a_basis_but_a_retry_after_a_death_does_not() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    let basis = Basis { variables: vec![5; 20], constraints: vec![5; 20] };
    for (task, index) in (1..=4).flat_map(|task| (0..3).map(move |index| (task, index))) {
        let outcome = ScenarioOutcome {
            index,
            reason: Reason::Feasible.into(),
            values: vec![2.0, 6.0],
            ..ScenarioOutcome::default()
        };
        let kinds = vec![
            solver_report::Kind::Scenarios(ScenarioOutcomes { outcomes: vec![outcome] }),
            solver_report::Kind::ScenariosDone(ScenariosDone { basis: Some(basis.clone()) }),
        ];
        scripts.reports(&format!("report.{task}.{index}"), task, kinds);
    }
    // Scenario 0 takes so long that the others are handed off, each as a share. With a basis, the
    // solver of scenario 1 dies. The patterns are the encoded ranges of scenarios, and the basis.
    let solver = scripts.solver(
        "ready; i=1; has() { LC_ALL=C grep -qaP \"$1\" t.$$; }; while :; do task t.$$; k=0; b=cold; \
         ! has '\\x2a\\x04\\x08\\x01\\x10\\x01' || k=1; ! has '\\x2a\\x04\\x08\\x02\\x10\\x01' || k=2; \
         ! has '\\x05{20}' || b=warm; echo $k $b >> seen; [ $k$b != 1warm ] || exit 3; \
         [ $k -ne 0 ] || sleep 0.5; cat report.$i.$k; i=$((i+1)); done",
    );
    bed.enqueue("express", &rates("j", 3, None)).await;
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));
    let (answers, _) = answers(&mut bed, 3).await;
    assert!(answers.values().all(|answer| answer.reason() == Reason::Feasible), "{answers:?}");
    let seen = scripts.written("seen").await;
    let mut tasks: Vec<_> = seen.lines().collect();
    tasks.sort_unstable();
    assert_eq!(tasks, ["0 cold", "1 cold", "1 warm", "2 warm"]);
    worker.drain(NO_GRACE).await;
}
