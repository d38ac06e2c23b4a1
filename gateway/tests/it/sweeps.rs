//! Sweeps over a mesh in memory. The tests act as the workers.

use std::{sync::Arc, time::Duration};

use crate::harness::*;
use prost::Message;
use solvemesh::{
    broker::v1::{
        JobEnvelope, JobPayload, LookupRequest, Marker, ScenarioRange, job_envelope::Body,
        log_entry,
    },
    v1::{
        CancelJobRequest, GetCapabilitiesRequest, GetJobRequest, GridAxis, IncumbentOptions,
        JobEvent, JobFinished, JobState, ParameterKind, ScenarioGrid, ScenarioParameter,
        ScenarioReport, ScenarioResult, ScenarioResults, ScenarioTable, SolveOptions, Solver,
        StopOnFirst, SubmitJobRequest, Sweep, TerminationReason, job_event, sweep,
    },
};
use solvemesh_broker::{MemoryConfig, MemoryMesh, Mesh};
use solvemesh_gateway::{Policy, Retention, tasks::dead_letters};
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn windows() -> ScenarioParameter {
    ScenarioParameter {
        kind: ParameterKind::Objective.into(),
        variable: "windows".to_owned(),
        ..ScenarioParameter::default()
    }
}

/// The profit of windows from 100 to 1000, with this number of points.
fn grid(points: i32) -> Sweep {
    let axis = GridAxis {
        parameter: Some(windows()),
        first: Some(100.0),
        last: Some(1000.0),
        point_count: points,
        ..GridAxis::default()
    };
    let grid = ScenarioGrid { axes: vec![axis] };
    Sweep { scenarios: Some(sweep::Scenarios::Grid(grid)), ..Sweep::default() }
}

fn table(table: ScenarioTable) -> Sweep {
    Sweep { scenarios: Some(sweep::Scenarios::Table(table)), ..Sweep::default() }
}

fn request(sweep: Sweep) -> SubmitJobRequest {
    SubmitJobRequest { sweep: Some(sweep), ..wyndor() }
}

/// Receives the next job of the standard lane and acks it.
async fn take_sweep(mesh: &Arc<dyn Mesh>) -> Box<JobEnvelope> {
    let (job, lease) = hold_of(mesh, "standard").await;
    lease.ack().await.unwrap();
    job
}

/// Answers of scenarios, each with an objective of 1000 plus its index.
fn answers(indices: impl IntoIterator<Item = i32>) -> log_entry::Kind {
    let answer = |index: i32| ScenarioResult {
        index,
        reason: TerminationReason::Optimal.into(),
        objective: Some(1000.0 + f64::from(index)),
        values: vec![2.0, 6.0],
        iteration_count: 1,
        ..ScenarioResult::default()
    };
    let results = indices.into_iter().map(answer).collect();
    log_entry::Kind::ScenarioResults(ScenarioResults { results })
}

fn finished(state: JobState) -> log_entry::Kind {
    let outcome = JobFinished { state: state.into(), ..JobFinished::default() };
    let end = solvemesh::broker::v1::JobEnd { outcome: Some(outcome), ..Default::default() };
    log_entry::Kind::Finished(end.into())
}

/// The scenarios in an event with answers.
fn indices(event: &JobEvent) -> Vec<i32> {
    match &event.kind {
        Some(job_event::Kind::ScenarioResults(answers)) => {
            answers.results.iter().map(|result| result.index).collect()
        }
        _ => Vec::new(),
    }
}

fn end<'a>(events: &[&'a JobEvent]) -> &'a JobFinished {
    match &events.last().unwrap().kind {
        Some(job_event::Kind::Finished(finished)) => finished,
        other => panic!("no end: {other:?}"),
    }
}

/// Answers ten scenarios as two workers, some of them twice.
async fn answer(mesh: &Arc<dyn Mesh>) {
    let envelope = take_sweep(mesh).await;
    report(mesh, &envelope, 1, started(&envelope)).await;
    report(mesh, &envelope, 2, answers([3, 2, 1])).await;
    report_by(mesh, &envelope, "part", 1, answers([9, 8, 3, 12])).await;
    report_by(mesh, &envelope, "part", 2, answers([8, 9])).await;
    report_by(mesh, &envelope, "part", 3, answers([7, 6, 5])).await;
    report(mesh, &envelope, 3, answers([0, 4, 5])).await;
}

#[tokio::test]
async fn sweep_is_one_message_and_each_answer_is_sent_once() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let report_all = ScenarioReport { all_variables: true, ..ScenarioReport::default() };
    let sweep = Sweep { report: Some(report_all.clone()), ..grid(10) };
    let job = gateway.submit(request(sweep)).await.unwrap();
    assert_eq!(
        job.sweep_summary.map(|sweep| (sweep.scenario_count, sweep.answered_count)),
        Some((10, 0))
    );
    let description = job.description.unwrap();
    assert_eq!(description.lane, "standard", "however small its base");
    let described = description.sweep.unwrap();
    assert_eq!((described.scenario_count, described.report), (10, Some(report_all)));
    answer(&mesh).await;

    let responses = gateway.watch(&[&job.job_id], "").await.unwrap();
    let events = events(&responses);
    let sequences: Vec<i32> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7]);
    let answered: Vec<Vec<i32>> = events[2..6].iter().map(|event| indices(event)).collect();
    assert_eq!(answered, [vec![3, 2, 1], vec![9, 8], vec![7, 6, 5], vec![0, 4]]);
    let end = end(&events);
    assert_eq!((end.state(), &end.result), (JobState::Succeeded, &None));
    let summary = end.sweep_summary.clone().unwrap();
    let best = summary.best.as_ref().map(|best| (best.index, best.objective()));
    assert_eq!(
        (summary.answered_count, best, summary.iteration_count),
        (10, Some((9, 1009.0)), 10)
    );

    for (seen, response) in responses.iter().enumerate() {
        let rest = gateway.watch(&[&job.job_id], &response.resume_token).await.unwrap();
        assert_eq!(rest, responses[seen + 1..], "after response {seen}");
    }
    let get = GetJobRequest { job_id: job.job_id, ..GetJobRequest::default() };
    let job = gateway.client.clone().get_job(get).await.unwrap().into_inner().job.unwrap();
    assert_eq!((job.sweep_summary, job.result), (Some(summary), None));
    assert!(!job.solution_omitted);
}

#[tokio::test]
async fn sweeps_are_refused_without_memory_for_their_answers() {
    let policy = Policy { max_scenarios: 100_000, ..policy() };
    let gateway = Gateway::over(memory(), policy).await;
    gateway.submit(request(grid(100_000))).await.unwrap();
    let refused = gateway.submit(request(grid(2))).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("max_live_bytes"), "{refused:?}");
}

#[tokio::test]
async fn sweep_is_queued_in_normal_form_and_large_ones_by_reference() {
    let mesh = memory();
    let room = Policy { max_scenarios: 100_000, max_live_bytes: 100 << 20, ..policy() };
    let gateway = Gateway::over(mesh.clone(), room).await;
    gateway.submit(request(grid(100_000))).await.unwrap();
    let envelope = take_sweep(&mesh).await;
    let Some(Body::Payload(payload)) = envelope.body else { panic!("a grid is small") };
    let payload = JobPayload::decode(payload).unwrap();
    assert!(envelope.scenarios.is_empty(), "all of them");
    assert_eq!(payload.model.unwrap().variable_names, ["doors", "windows"]);
    let Some(sweep::Scenarios::Grid(grid)) = payload.sweep.unwrap().scenarios else {
        panic!("another form than was asked for")
    };
    let parameter = grid.axes[0].parameter.clone().unwrap();
    assert_eq!((parameter.variable.as_str(), parameter.variable_index), ("", Some(1)));

    let many = ScenarioTable {
        parameters: vec![windows()],
        values: (0..100_000).map(f64::from).collect(),
        ..ScenarioTable::default()
    };
    gateway.submit(request(table(many))).await.unwrap();
    let (envelope, _lease) = hold_of(&mesh, "standard").await;
    let Some(Body::PayloadReference(reference)) = &envelope.body else {
        panic!("the sweep travels in the message")
    };
    let whole: Vec<u8> = mesh.load(reference).await.unwrap().concat();
    let payload = JobPayload::decode(whole.as_slice()).unwrap();
    let Some(sweep::Scenarios::Table(table)) = payload.sweep.unwrap().scenarios else {
        panic!("another form than was asked for")
    };
    assert_eq!((table.values.len(), table.scenario_count), (100_000, Some(100_000)));
}

#[tokio::test]
async fn invalid_sweeps_are_refused_by_field() {
    let mesh = memory();
    let gateway = Gateway::over(mesh, policy()).await;
    let options =
        |options: SolveOptions| SubmitJobRequest { options: Some(options), ..request(grid(10)) };
    let reported = |names: &[&str]| Sweep {
        report: Some(ScenarioReport {
            variables: names.iter().map(ToString::to_string).collect(),
            ..ScenarioReport::default()
        }),
        ..grid(10)
    };
    let values = |values: &[f64]| {
        table(ScenarioTable {
            parameters: vec![windows()],
            values: values.to_vec(),
            labels: values.iter().map(|value| format!("at {value}")).collect(),
            ..ScenarioTable::default()
        })
    };
    let until = |target| Sweep {
        stop_on_first: Some(StopOnFirst { objective_target: Some(target) }),
        ..grid(10)
    };
    for (request, field, says) in [
        (request(Sweep::default()), "sweep", "table or a grid"),
        (request(grid(1001)), "sweep.grid.axes", "max_scenarios is 1000"),
        (request(values(&[1.0, f64::NAN])), "sweep.table.values[1]", "scenario 1 (at NaN)"),
        (request(reported(&["doors", "walls"])), "sweep.report.variables[1]", "walls"),
        (request(until(f64::NAN)), "sweep.stop_on_first.objective_target", "finite"),
        (
            options(SolveOptions { solver: Solver::Microlp.into(), ..SolveOptions::default() }),
            "options.solver",
            "SOLVER_MICROLP",
        ),
        (
            options(SolveOptions {
                incumbents: Some(IncumbentOptions::default()),
                ..SolveOptions::default()
            }),
            "options.incumbents",
            "sweep.report",
        ),
        (
            options(SolveOptions { return_log: true, ..SolveOptions::default() }),
            "options.return_log",
            "sweep.report",
        ),
    ] {
        let refused: Status = gateway.submit(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_error_details();
        let faults = &details.bad_request().unwrap().field_violations;
        let found = faults.iter().find(|fault| fault.field == field);
        assert!(found.is_some_and(|fault| fault.description.contains(says)), "{field}: {faults:?}");
    }
    let request = GetCapabilitiesRequest::default();
    let response = gateway.client.clone().get_capabilities(request).await.unwrap().into_inner();
    assert_eq!(response.limits.unwrap().max_scenarios, 1_000);
}

#[tokio::test]
async fn digest_covers_scenarios_in_normal_form() {
    let gateway = Gateway::over(memory(), policy()).await;
    let with_id = |sweep: Option<Sweep>| SubmitJobRequest {
        request_id: "r".to_owned(),
        lane: "standard".to_owned(),
        sweep,
        ..wyndor()
    };
    let first = gateway.submit(with_id(Some(grid(10)))).await.unwrap();
    let mut by_index = grid(10);
    if let Some(sweep::Scenarios::Grid(grid)) = &mut by_index.scenarios {
        let (variable, variable_index) = (String::new(), Some(1));
        grid.axes[0].parameter = Some(ScenarioParameter { variable, variable_index, ..windows() });
    }
    let again = gateway.submit(with_id(Some(by_index))).await.unwrap();
    assert_eq!(again.job_id, first.job_id);
    for other in [None, Some(grid(11))] {
        let refused = gateway.submit(with_id(other)).await.unwrap_err();
        assert_eq!(reason(&refused), "REQUEST_ID_TAKEN");
    }
}

#[tokio::test]
async fn lookup_response_contains_the_answered_scenarios() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(request(grid(10))).await.unwrap().job_id;
    let envelope = take_sweep(&mesh).await;
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report_by(&mesh, &envelope, "part", 1, answers([7, 3, 4])).await;
    let request = LookupRequest { version: 1, job_id: job };
    let response = mesh.lookup(request, Duration::from_secs(5)).await.unwrap();
    let run = |first, count| ScenarioRange { first, count };
    assert_eq!(response.answered, [run(3, 2), run(7, 1)]);
}

#[tokio::test]
async fn cancelled_sweep_keeps_its_answers() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(request(grid(10))).await.unwrap().job_id;
    let envelope = take_sweep(&mesh).await;
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report(&mesh, &envelope, 2, answers([0, 1])).await;
    let cancel = CancelJobRequest { job_id: job.clone() };
    let response = gateway.client.clone().cancel_job(cancel).await.unwrap().into_inner();
    assert_eq!(response.job.unwrap().sweep_summary.unwrap().answered_count, 2);
    report_by(&mesh, &envelope, "part", 1, answers([9])).await;
    report(&mesh, &envelope, 3, finished(JobState::Cancelled)).await;
    report_by(&mesh, &envelope, "part", 2, answers([8])).await;
    let responses = gateway.watch(&[&job], "").await.unwrap();
    let end = end(&events(&responses)).clone();
    assert_eq!((end.state(), end.sweep_summary.unwrap().answered_count), (JobState::Cancelled, 3));
}

#[tokio::test]
async fn dead_lettered_share_fails_its_sweep_which_keeps_its_answers() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    tokio::spawn(dead_letters::run(mesh.clone()));
    let job = gateway.submit(request(grid(10))).await.unwrap().job_id;
    let envelope = take_sweep(&mesh).await;
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report(&mesh, &envelope, 2, answers([0, 1])).await;
    let scenarios = vec![ScenarioRange { first: 5, count: 5 }];
    let part = JobEnvelope { scenarios, ..*envelope };
    mesh.enqueue(&"standard".parse().unwrap(), &part).await.unwrap();
    let (part, lease) = hold_of(&mesh, "standard").await;
    assert_eq!(part.scenarios.len(), 1);
    lease.reject().await.unwrap();
    let responses = gateway.watch(&[&job], "").await.unwrap();
    let end = end(&events(&responses)).clone();
    assert_eq!((end.state(), end.sweep_summary.unwrap().answered_count), (JobState::Failed, 2));
}

/// A policy that evicts every result at once.
fn evicting() -> Policy {
    let policy = policy();
    Policy { retention: Retention { results: 0, ..policy.retention }, ..policy }
}

#[tokio::test]
async fn evicted_answers_are_read_back_from_the_log() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(request(grid(10))).await.unwrap().job_id;
    answer(&mesh).await;
    let whole = gateway.watch(&[&job], "").await.unwrap();

    let other = Gateway::over(mesh.clone(), evicting()).await;
    let again = other.watch(&[&job], "").await.unwrap();
    assert_eq!(again, whole);
    for (seen, response) in whole.iter().enumerate() {
        let rest = other.watch(&[&job], &response.resume_token).await.unwrap();
        assert_eq!(rest, whole[seen + 1..], "after response {seen}");
    }
}

#[tokio::test]
async fn answers_that_the_log_dropped_are_forgotten() {
    let config = MemoryConfig { log_bytes: 100_000, ..MemoryConfig::default() };
    let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(config));
    let gateway = Gateway::over(mesh.clone(), evicting()).await;
    let job = gateway.submit(request(grid(10))).await.unwrap().job_id;
    answer(&mesh).await;
    gateway.watch(&[&job], "").await.unwrap();
    for _ in 0..3 {
        let nonce = "x".repeat(60_000);
        let marker = log_entry::Kind::Marker(Marker { nonce, ..Marker::default() });
        let entry = solvemesh::broker::v1::LogEntry { kind: Some(marker), ..Default::default() };
        mesh.append(entry).await.unwrap();
    }
    let gone = gateway.watch(&[&job], "").await.unwrap_err();
    assert_eq!((gone.code(), reason(&gone).as_str()), (Code::NotFound, "JOB_FORGOTTEN"));
}
