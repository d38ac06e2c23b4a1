//! Sweeps over a mesh in memory, with workers that answer what a test says.

use std::{sync::Arc, time::Duration};

use crate::harness::*;
use prost::Message;
use solvemesh::{
    broker::v1::{JobEnvelope, LookupRequest, Marker, SweepPayload, job_envelope, log_entry},
    v1::{
        CancelJobRequest, Event, Finished, GetCapabilitiesRequest, GetJobRequest, GridAxis,
        IncumbentOptions, JobState, Parameter, ParameterKind, ScenarioGrid, ScenarioRange,
        ScenarioReport, ScenarioResult, ScenarioResults, ScenarioTable, SolveOptions, Solver,
        StopOnFirst, SubmitJobRequest, Sweep, TerminationReason, event, sweep,
    },
};
use solvemesh_broker::{MemoryConfig, MemoryMesh, Mesh};
use solvemesh_gateway::{policy::Policy, table::Kept, tasks::dead_letters};
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn windows() -> Parameter {
    Parameter {
        kind: ParameterKind::Objective.into(),
        variable: "windows".to_owned(),
        ..Parameter::default()
    }
}

/// The profit of windows from 100 to 1000 in so many steps.
fn grid(points: i32) -> Sweep {
    let axis = GridAxis {
        parameter: Some(windows()),
        from: Some(100.0),
        to: Some(1000.0),
        points,
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

/// Takes the next job of the standard lane and acks it.
async fn take_sweep(mesh: &Arc<dyn Mesh>) -> Box<JobEnvelope> {
    let (job, lease) = hold_of(mesh, "standard").await;
    lease.ack().await.unwrap();
    job
}

/// Answers of scenarios, each with an objective of a thousand more than its index.
fn answers(indices: impl IntoIterator<Item = i32>) -> log_entry::Kind {
    let answer = |index: i32| ScenarioResult {
        index,
        reason: TerminationReason::Optimal.into(),
        objective: Some(1000.0 + f64::from(index)),
        values: vec![2.0, 6.0],
        iterations: 1,
        ..ScenarioResult::default()
    };
    let results = indices.into_iter().map(answer).collect();
    log_entry::Kind::ScenarioResults(ScenarioResults { results })
}

fn ended(state: JobState) -> log_entry::Kind {
    let outcome = Finished { state: state.into(), ..Finished::default() };
    log_entry::Kind::Finished(solvemesh::broker::v1::JobFinished {
        outcome: Some(outcome),
        ..Default::default()
    })
}

/// The scenarios that an event tells of.
fn indices(event: &Event) -> Vec<i32> {
    match &event.kind {
        Some(event::Kind::ScenarioResults(told)) => {
            told.results.iter().map(|result| result.index).collect()
        }
        _ => Vec::new(),
    }
}

fn end<'a>(events: &[&'a Event]) -> &'a Finished {
    match &events.last().unwrap().kind {
        Some(event::Kind::Finished(finished)) => finished,
        other => panic!("no end: {other:?}"),
    }
}

/// Has ten scenarios answered by two workers, some of them twice.
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
async fn a_sweep_goes_through_its_queue_as_one_and_its_answers_come_back_each_once() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let report_all = ScenarioReport { all_variables: true, ..ScenarioReport::default() };
    let asked = Sweep { report: Some(report_all.clone()), ..grid(10) };
    let job = gateway.submit(request(asked)).await.unwrap();
    assert_eq!(job.sweep.map(|sweep| (sweep.scenarios, sweep.answered)), Some((10, 0)));
    let description = job.description.unwrap();
    assert_eq!(description.lane, "standard", "however small its base");
    let described = description.sweep.unwrap();
    assert_eq!((described.scenarios, described.report), (10, Some(report_all)));
    answer(&mesh).await;

    let responses = gateway.watch(&[&job.job_id], "").await.unwrap();
    let events = events(&responses);
    let sequences: Vec<i32> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7]);
    let told: Vec<Vec<i32>> = events[2..6].iter().map(|event| indices(event)).collect();
    assert_eq!(told, [vec![3, 2, 1], vec![9, 8], vec![7, 6, 5], vec![0, 4]]);
    let end = end(&events);
    assert_eq!((end.state(), &end.result), (JobState::Succeeded, &None));
    let summary = end.sweep.clone().unwrap();
    let best = summary.best.as_ref().map(|best| (best.index, best.objective));
    assert_eq!((summary.answered, best, summary.iterations), (10, Some((9, 1009.0)), 10));

    for (seen, response) in responses.iter().enumerate() {
        let rest = gateway.watch(&[&job.job_id], &response.resume_token).await.unwrap();
        assert_eq!(rest, responses[seen + 1..], "after response {seen}");
    }
    let get = GetJobRequest { job_id: job.job_id, ..GetJobRequest::default() };
    let told = gateway.client.clone().get_job(get).await.unwrap().into_inner().job.unwrap();
    assert_eq!((told.sweep, told.result), (Some(summary), None));
    assert!(!told.solution_omitted);
}

#[tokio::test]
async fn no_more_sweeps_are_taken_in_than_there_is_room_for_the_answers_of() {
    let policy = Policy { max_scenarios: 100_000, ..policy() };
    let gateway = Gateway::over(memory(), policy).await;
    gateway.submit(request(grid(100_000))).await.unwrap();
    let refused = gateway.submit(request(grid(2))).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("max_live_bytes"), "{refused:?}");
}

#[tokio::test]
async fn a_sweep_travels_settled_and_where_it_is_large_in_parts() {
    let mesh = memory();
    let room = Policy { max_scenarios: 100_000, max_live_bytes: 100 << 20, ..policy() };
    let gateway = Gateway::over(mesh.clone(), room).await;
    gateway.submit(request(grid(100_000))).await.unwrap();
    let envelope = take_sweep(&mesh).await;
    let Some(job_envelope::Payload::Sweep(payload)) = envelope.payload else {
        panic!("a grid is small")
    };
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
    let Some(job_envelope::Payload::SweepReference(reference)) = &envelope.payload else {
        panic!("the sweep travels in the message")
    };
    let whole: Vec<u8> = mesh.load(reference).await.unwrap().concat();
    let payload = SweepPayload::decode(whole.as_slice()).unwrap();
    let Some(sweep::Scenarios::Table(table)) = payload.sweep.unwrap().scenarios else {
        panic!("another form than was asked for")
    };
    assert_eq!((table.values.len(), table.count), (100_000, Some(100_000)));
}

#[tokio::test]
async fn what_is_wrong_with_a_sweep_is_told_at_its_field() {
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
            options(SolveOptions { log: true, ..SolveOptions::default() }),
            "options.log",
            "sweep.report",
        ),
    ] {
        let refused: Status = gateway.submit(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_error_details();
        let faults = &details.bad_request().unwrap().field_violations;
        let told = faults.iter().find(|fault| fault.field == field);
        assert!(told.is_some_and(|fault| fault.description.contains(says)), "{field}: {faults:?}");
    }
    let request = GetCapabilitiesRequest::default();
    let told = gateway.client.clone().get_capabilities(request).await.unwrap().into_inner();
    assert_eq!(told.limits.unwrap().max_scenarios, 1_000);
}

#[tokio::test]
async fn the_scenarios_are_a_part_of_the_payload_however_their_parameters_are_told() {
    let gateway = Gateway::over(memory(), policy()).await;
    let asked = |sweep: Option<Sweep>| SubmitJobRequest {
        request_id: "r".to_owned(),
        lane: "standard".to_owned(),
        sweep,
        ..wyndor()
    };
    let first = gateway.submit(asked(Some(grid(10)))).await.unwrap();
    let mut by_index = grid(10);
    if let Some(sweep::Scenarios::Grid(grid)) = &mut by_index.scenarios {
        let (variable, variable_index) = (String::new(), Some(1));
        grid.axes[0].parameter = Some(Parameter { variable, variable_index, ..windows() });
    }
    let again = gateway.submit(asked(Some(by_index))).await.unwrap();
    assert_eq!(again.job_id, first.job_id);
    for other in [None, Some(grid(11))] {
        let refused = gateway.submit(asked(other)).await.unwrap_err();
        assert_eq!(reason(&refused), "REQUEST_ID_TAKEN");
    }
}

#[tokio::test]
async fn workers_are_told_which_scenarios_are_answered() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(request(grid(10))).await.unwrap().job_id;
    let envelope = take_sweep(&mesh).await;
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report_by(&mesh, &envelope, "part", 1, answers([7, 3, 4])).await;
    let asked = LookupRequest { version: 1, job_id: job };
    let told = mesh.ask(asked, Duration::from_secs(5)).await.unwrap();
    let run = |first, count| ScenarioRange { first, count };
    assert_eq!(told.answered, [run(3, 2), run(7, 1)]);
}

#[tokio::test]
async fn a_sweep_that_is_cancelled_keeps_the_answers_that_it_has() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(request(grid(10))).await.unwrap().job_id;
    let envelope = take_sweep(&mesh).await;
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report(&mesh, &envelope, 2, answers([0, 1])).await;
    let cancel = CancelJobRequest { job_id: job.clone() };
    let asked = gateway.client.clone().cancel_job(cancel).await.unwrap().into_inner();
    assert_eq!(asked.job.unwrap().sweep.unwrap().answered, 2);
    report_by(&mesh, &envelope, "part", 1, answers([9])).await;
    report(&mesh, &envelope, 3, ended(JobState::Cancelled)).await;
    report_by(&mesh, &envelope, "part", 2, answers([8])).await;
    let responses = gateway.watch(&[&job], "").await.unwrap();
    let end = end(&events(&responses)).clone();
    assert_eq!((end.state(), end.sweep.unwrap().answered), (JobState::Cancelled, 3));
}

#[tokio::test]
async fn a_part_that_no_worker_takes_fails_its_sweep_which_keeps_its_answers() {
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
    assert_eq!((end.state(), end.sweep.unwrap().answered), (JobState::Failed, 2));
}

/// Nothing of what ended stays in memory.
fn forgetful() -> Policy {
    let policy = policy();
    Policy { kept: Kept { results: 0, ..policy.kept }, ..policy }
}

#[tokio::test]
async fn answers_that_left_memory_are_read_again_from_the_log_as_they_were_told() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(request(grid(10))).await.unwrap().job_id;
    answer(&mesh).await;
    let whole = gateway.watch(&[&job], "").await.unwrap();

    let other = Gateway::over(mesh.clone(), forgetful()).await;
    let again = other.watch(&[&job], "").await.unwrap();
    assert_eq!(again, whole);
    for (seen, response) in whole.iter().enumerate() {
        let rest = other.watch(&[&job], &response.resume_token).await.unwrap();
        assert_eq!(rest, whole[seen + 1..], "after response {seen}");
    }
}

#[tokio::test]
async fn answers_that_left_the_log_too_are_not_found_for_that_reason() {
    let config = MemoryConfig { log_bytes: 100_000, ..MemoryConfig::default() };
    let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(config));
    let gateway = Gateway::over(mesh.clone(), forgetful()).await;
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
