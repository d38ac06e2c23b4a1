//! The service over a mesh in memory. The tests act as the worker.

use std::{sync::Arc, time::Duration};

use crate::harness::*;
use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use solvemesh::{
    broker::v1::{
        AttemptLost, BulkReference, Heartbeat, JobEnvelope, JobPayload, JobStatus, LogEntry,
        LookupRequest, LookupResponse, job_envelope::Body, log_entry,
    },
    v1::{
        CancelJobRequest, GetJobRequest, Incumbent, Job, JobEventKind, JobState, LinearModel,
        ListJobsRequest, Model, Progress, Solution, SolveOptions, SolveRequest, Solver,
        SubmitJobRequest, SubmitJobResponse, WatchResultsRequest, job_event, model,
        watch_results_response::Kind as Response,
    },
};
use solvemesh_broker::{
    BulkObject, CancelEvent, Consumer, DeadLetter, Delivery, Health, Lane, LogMessage, LogStart,
    Lookup, Mesh, MeshError, Payload,
};
use solvemesh_gateway::{HEALTH_SERVICE, Policy};
use tokio::sync::{mpsc, watch};
use tonic::{Code, Request, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

#[tokio::test]
async fn job_is_queued_and_its_events_are_sent() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(wyndor()).await.unwrap();
    assert_eq!(job.state(), JobState::Queued);

    let envelope = take(&mesh).await;
    assert_eq!(envelope.job_id, job.job_id);
    let Some(Body::Payload(payload)) = envelope.body.clone() else {
        panic!("a small model travels in the message")
    };
    let payload = JobPayload::decode(payload).unwrap();
    assert_eq!(payload.model.unwrap().variable_names, ["doors", "windows"]);
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report(&mesh, &envelope, 2, log_entry::Kind::Progress(Progress::default())).await;
    report(&mesh, &envelope, 3, succeeded(None)).await;

    let responses = gateway.watch(&[&job.job_id], "").await.unwrap();
    let events = events(&responses);
    let sequences: Vec<i32> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    assert!(matches!(events[3].kind, Some(job_event::Kind::Finished(_))));

    for (seen, response) in responses.iter().enumerate() {
        let rest = gateway.watch(&[&job.job_id], &response.resume_token).await.unwrap();
        assert_eq!(rest, responses[seen + 1..], "after response {seen}");
    }
}

#[tokio::test]
async fn events_of_several_jobs_are_in_the_order_of_the_log() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let one = gateway.submit(wyndor()).await.unwrap().job_id;
    let two = gateway.submit(wyndor()).await.unwrap().job_id;
    let (first, second) = (take(&mesh).await, take(&mesh).await);
    report(&mesh, &second, 1, started(&second)).await;
    report(&mesh, &first, 1, started(&first)).await;
    report(&mesh, &second, 2, succeeded(None)).await;
    report(&mesh, &first, 2, succeeded(None)).await;
    let responses = gateway.watch(&[&one, &two], "").await.unwrap();
    let sent: Vec<(&str, i32)> =
        events(&responses).iter().map(|event| (event.job_id.as_str(), event.sequence)).collect();
    let (one, two) = (one.as_str(), two.as_str());
    assert_eq!(sent, [(one, 1), (two, 1), (two, 2), (one, 2), (two, 3), (one, 3)]);
    for (seen, response) in responses.iter().enumerate() {
        let rest = gateway.watch(&[one, two], &response.resume_token).await.unwrap();
        assert_eq!(rest, responses[seen + 1..], "after response {seen}");
    }
}

#[tokio::test]
async fn skipped_events_are_counted() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(wyndor()).await.unwrap().job_id;
    let envelope = take(&mesh).await;
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report(&mesh, &envelope, 2, log_entry::Kind::Progress(Progress::default())).await;
    report(&mesh, &envelope, 3, log_entry::Kind::Progress(Progress::default())).await;
    report(&mesh, &envelope, 4, succeeded(None)).await;
    let kinds = vec![JobEventKind::Incumbent.into()];
    let request = WatchResultsRequest { job_ids: vec![job], kinds, ..Default::default() };
    let stream = gateway.client.clone().watch_results(request).await.unwrap().into_inner();
    let responses = collect(stream).await.unwrap();
    let sent: Vec<(i32, i32)> =
        events(&responses).iter().map(|event| (event.sequence, event.skipped_count)).collect();
    assert_eq!(sent, [(1, 0), (2, 0), (5, 2)]);
}

#[tokio::test]
async fn large_solution_is_sent_in_parts_and_resumes_between_them() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(wyndor()).await.unwrap().job_id;
    let envelope = take(&mesh).await;
    let part = |offset: i32| {
        let solution =
            Solution { variable_offset: offset, values: vec![1.0], ..Default::default() };
        Bytes::from(solution.encode_to_vec())
    };
    let stored = mesh.store(BulkObject::new(vec![part(0), part(1), part(2)])).await.unwrap();
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report(&mesh, &envelope, 2, succeeded(Some(stored))).await;
    let responses = gateway.watch(&[&job], "").await.unwrap();
    let sent: Vec<(i32, i32)> =
        events(&responses).iter().map(|event| (event.sequence, event.skipped_count)).collect();
    assert_eq!(sent, [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]);
    for (seen, response) in responses.iter().enumerate() {
        let rest = gateway.watch(&[&job], &response.resume_token).await.unwrap();
        assert_eq!(rest, responses[seen + 1..], "after response {seen}");
    }
    let request = GetJobRequest { job_id: job, ..Default::default() };
    let job = gateway.client.clone().get_job(request).await.unwrap().into_inner().job.unwrap();
    assert!(job.solution_omitted);
}

#[tokio::test]
async fn one_stream_sends_large_solutions_of_many_jobs() {
    let mesh = memory();
    // More than there are permits for large solutions: a stream that loaded all of them at once
    // would wait forever.
    let jobs = 40;
    let gateway =
        Gateway::over(mesh.clone(), Policy { max_jobs_per_watch: jobs, ..policy() }).await;
    let mut ids = Vec::new();
    for _ in 0..jobs {
        ids.push(gateway.submit(wyndor()).await.unwrap().job_id);
        let envelope = take(&mesh).await;
        let part =
            Bytes::from(Solution { values: vec![1.0], ..Default::default() }.encode_to_vec());
        let stored = mesh.store(BulkObject::new(vec![part.clone(), part])).await.unwrap();
        report(&mesh, &envelope, 1, started(&envelope)).await;
        report(&mesh, &envelope, 2, succeeded(Some(stored))).await;
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let responses = gateway.watch(&ids, "").await.unwrap();
    assert_eq!(events(&responses).len(), jobs * 5);
    let rest = gateway.watch(&ids, &responses[99].resume_token).await.unwrap();
    assert_eq!(rest, responses[100..]);
}

#[tokio::test]
async fn waiting_requests_are_answered_on_shutdown() {
    let gateway = Gateway::over(memory(), policy()).await;
    let request = HealthCheckRequest { service: HEALTH_SERVICE.to_owned() };
    let mut health = HealthClient::new(gateway.channel.clone()).watch(request).await.unwrap();
    let request = SolveRequest { model: wyndor().model, ..SolveRequest::default() };
    let mut client = gateway.client.clone();
    let solve = tokio::spawn(async move { client.solve(request).await });
    let job = loop {
        let jobs = gateway.client.clone().list_jobs(ListJobsRequest::default()).await.unwrap();
        if let Some(job) = jobs.into_inner().jobs.pop() {
            break job.job_id;
        }
    };

    gateway.stop.cancel();
    let answer = solve.await.unwrap().unwrap_err();
    assert_eq!((answer.code(), reason(&answer).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    let details = answer.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["job_id"], job);
    assert!(details.retry_info().is_some());
    let mut last = None;
    while let Some(response) = health.get_mut().message().await.unwrap() {
        last = Some(response.status());
    }
    assert_eq!(last, Some(ServingStatus::NotServing));
    gateway.served.await.unwrap();
}

#[tokio::test]
async fn idle_stream_sends_heartbeats_and_ends_on_shutdown() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(wyndor()).await.unwrap().job_id;
    let request = WatchResultsRequest { job_ids: vec![job.clone()], ..Default::default() };
    let mut stream = gateway.client.clone().watch_results(request).await.unwrap().into_inner();
    let queued = stream.message().await.unwrap().unwrap();
    assert!(matches!(queued.kind, Some(Response::Event(_))));
    let heartbeat = stream.message().await.unwrap().unwrap();
    assert!(matches!(heartbeat.kind, Some(Response::Heartbeat(_))));

    gateway.stop.cancel();
    let end = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended as if the job had finished"),
            Err(status) => break status,
        }
    };
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    gateway.served.await.unwrap();

    let other = Gateway::over(mesh.clone(), policy()).await;
    let envelope = take(&mesh).await;
    report(&mesh, &envelope, 1, started(&envelope)).await;
    report(&mesh, &envelope, 2, succeeded(None)).await;
    let rest = other.watch(&[&job], &heartbeat.resume_token).await.unwrap();
    assert_eq!(events(&rest).iter().map(|event| event.sequence).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn same_request_id_is_the_same_job_on_every_gateway() {
    let mesh = memory();
    let one = Gateway::over(mesh.clone(), policy()).await;
    let two = Gateway::over(mesh.clone(), policy()).await;
    let request = SubmitJobRequest { request_id: "r".to_owned(), ..wyndor() };
    let first = one.submit(request.clone()).await.unwrap();
    let again = two.submit(request.clone()).await;
    assert_eq!(again.map(|job| job.job_id).ok(), Some(first.job_id.clone()));

    let mut other = request;
    other.labels.insert("another".to_owned(), "payload".to_owned());
    let refused = two.submit(other).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::AlreadyExists, "REQUEST_ID_TAKEN")
    );
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["job_id"], first.job_id);
}

#[tokio::test]
async fn job_of_another_gateway_is_found_at_once() {
    let mesh = memory();
    let one = Gateway::over(mesh.clone(), policy()).await;
    let two = Gateway::over(mesh.clone(), policy()).await;
    for _ in 0..50 {
        let job = one.submit(wyndor()).await.unwrap().job_id;
        let request = GetJobRequest { job_id: job, ..Default::default() };
        two.client.clone().get_job(request).await.unwrap();
    }
    let request = GetJobRequest { job_id: "none".to_owned(), ..Default::default() };
    let none = two.client.clone().get_job(request).await.unwrap_err();
    assert_eq!((none.code(), reason(&none).as_str()), (Code::NotFound, "JOB_NOT_FOUND"));
}

#[tokio::test]
async fn queued_job_is_cancelled_at_once_and_announced_to_workers() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(wyndor()).await.unwrap().job_id;
    let request = CancelJobRequest { job_id: job.clone() };
    let cancelled = gateway.client.clone().cancel_job(request).await.unwrap().into_inner();
    assert_eq!(cancelled.job.unwrap().state(), JobState::Cancelled);
    let received = mesh.follow_cancels().await.unwrap().recv().await;
    assert_eq!(received, Some(CancelEvent::Cancel(job)));
}

#[tokio::test]
async fn invalid_requests_are_refused_by_field() {
    let gateway = Gateway::over(memory(), policy()).await;
    let fields = |status: &Status| -> Vec<String> {
        let details = status.get_error_details();
        let violations = details.bad_request().map(|request| request.field_violations.clone());
        violations.unwrap_or_default().into_iter().map(|violation| violation.field).collect()
    };
    let without_model = gateway.submit(SubmitJobRequest::default()).await.unwrap_err();
    assert_eq!(fields(&without_model), ["model"]);

    let mut many = wyndor();
    many.lane = "none".to_owned();
    many.labels.insert(String::new(), "x".repeat(300));
    many.options = Some(solvemesh::v1::SolveOptions {
        time_limit: Some(prost_types::Duration { seconds: 7200, nanos: 0 }),
        relative_gap: Some(f64::NAN),
        threads: Some(0),
        seed: Some(-1),
        solver_options: [("no_such".to_owned(), "1".to_owned())].into(),
        ..Default::default()
    });
    let refused = gateway.submit(many).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let invalid = fields(&refused);
    for field in [
        "lane",
        "labels[\"\"]",
        "options.time_limit",
        "options.relative_gap",
        "options.threads",
        "options.seed",
        "options.solver_options[\"no_such\"]",
    ] {
        assert!(invalid.iter().any(|other| other == field), "{field} is not in {invalid:?}");
    }

    let text = Model {
        form: Some(model::Form::Lp("Minimize\n x +\nEnd\n".to_owned())),
        ..Default::default()
    };
    let request = SubmitJobRequest { model: Some(text), ..Default::default() };
    let syntax = gateway.submit(request).await.unwrap_err();
    assert_eq!(reason(&syntax), "SYNTAX_ERROR");
    let details = syntax.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "model.lp");
    assert!(violation.description.starts_with("line "), "{}", violation.description);

    let token = gateway.watch(&["x"], "not a token").await.unwrap_err();
    assert_eq!(reason(&token), "JOB_NOT_FOUND");
    let job = gateway.submit(wyndor()).await.unwrap().job_id;
    let token = gateway.watch(&[&job], "not a token").await.unwrap_err();
    assert_eq!(fields(&token), ["resume_token"]);
    let none = gateway.watch(&[], "").await.unwrap_err();
    assert_eq!(fields(&none), ["job_ids"]);
}

#[tokio::test]
async fn validation_queues_nothing() {
    let gateway = Gateway::over(memory(), policy()).await;
    let job = gateway.submit(SubmitJobRequest { validate_only: true, ..wyndor() }).await.unwrap();
    assert_eq!(job.job_id, "");
    assert_eq!(job.description.unwrap().size.unwrap().variable_count, 2);
    let listed = gateway.client.clone().list_jobs(ListJobsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().jobs, []);
}

#[tokio::test]
async fn token_of_another_log_is_refused() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let job = gateway.submit(wyndor()).await.unwrap().job_id;
    let envelope = take(&mesh).await;
    report(&mesh, &envelope, 1, succeeded(None)).await;
    let token = gateway.watch(&[&job], "").await.unwrap().pop().unwrap().resume_token;
    let other = Gateway::over(memory(), policy()).await;
    let job = other.submit(wyndor()).await.unwrap().job_id;
    let stale = other.watch(&[&job], &token).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::OutOfRange, "TOKEN_OF_ANOTHER_LOG"));
}

#[tokio::test]
async fn errors_name_the_limit_and_service_resumes_below_it() {
    let mesh = memory();
    let tight = Policy { max_live_jobs: 1, max_watchers: 1, ..policy() };
    let gateway = Gateway::over(mesh.clone(), tight).await;
    let job = gateway.submit(SubmitJobRequest { request_id: "r".to_owned(), ..wyndor() }).await;
    let job = job.unwrap().job_id;
    let full = gateway.submit(wyndor()).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted);
    let details = full.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["limit"], "max_live_jobs");
    assert!(details.retry_info().is_some());

    let request = WatchResultsRequest { job_ids: vec![job.clone()], ..Default::default() };
    let first = gateway.client.clone().watch_results(request).await.unwrap();
    let second = gateway.watch(&[&job], "").await.unwrap_err();
    assert_eq!(second.get_error_details().error_info().unwrap().metadata["limit"], "max_watchers");

    let envelope = take(&mesh).await;
    report(&mesh, &envelope, 1, succeeded(None)).await;
    collect(first.into_inner()).await.unwrap();
    gateway.watch(&[&job], "").await.unwrap();
    gateway.submit(wyndor()).await.unwrap();
}

#[tokio::test]
async fn queued_job_expires_without_any_worker() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let request = SubmitJobRequest {
        queue_time_limit: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..wyndor()
    };
    let job = gateway.submit(request).await.unwrap().job_id;
    let responses = gateway.watch(&[&job], "").await.unwrap();
    let events = events(&responses);
    let Some(job_event::Kind::Finished(finished)) = &events[1].kind else {
        panic!("no end: {events:?}")
    };
    assert_eq!(finished.state(), JobState::Expired);
    let reason = finished.failure.as_ref().map(|failure| failure.reason.as_str());
    assert_eq!(reason, Some("DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn lookups_return_the_status_of_a_job() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let lookup = async |job: &str| {
        let request = LookupRequest { version: 1, job_id: job.to_owned() };
        mesh.lookup(request, Duration::from_secs(5)).await.unwrap()
    };
    assert_eq!(lookup("none").await.status(), JobStatus::Unknown);
    let job = gateway.submit(wyndor()).await.unwrap().job_id;
    assert_eq!(lookup(&job).await.status(), JobStatus::Queued);
    let envelope = take(&mesh).await;
    report(&mesh, &envelope, 1, started(&envelope)).await;
    let running = lookup(&job).await;
    assert_eq!(running.status(), JobStatus::Running);
    assert_eq!((running.attempt_id.as_str(), running.worker_id.as_str()), ("attempt", "process"));
    assert!(running.silent_millis < 5_000);
    assert_eq!(running.incumbent, None);
    for (number, values, values_omitted) in
        [(2, vec![1.0, 2.0], false), (3, vec![2.0, 3.0], false), (4, vec![], true)]
    {
        let incumbent = Incumbent { values, values_omitted, ..Incumbent::default() };
        report(&mesh, &envelope, number, log_entry::Kind::Incumbent(incumbent)).await;
    }
    report(&mesh, &envelope, 5, log_entry::Kind::AttemptLost(AttemptLost::default())).await;
    let again = lookup(&job).await;
    assert_eq!((again.status(), again.failed_attempts), (JobStatus::Queued, 1));
    assert_eq!(again.incumbent.map(|last| last.values), Some(vec![2.0, 3.0]));
    report(&mesh, &envelope, 6, succeeded(None)).await;
    assert_eq!(lookup(&job).await.status(), JobStatus::Finished);
}

#[tokio::test]
async fn solve_returns_the_current_state_at_its_deadline() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let mut request =
        tonic::Request::new(SolveRequest { model: wyndor().model, ..SolveRequest::default() });
    request.set_timeout(Duration::from_secs(1));
    let job = gateway.client.clone().solve(request).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.state(), JobState::Queued);
    let limit = job.description.unwrap().options.unwrap().time_limit.unwrap();
    assert!(limit.seconds == 0 && limit.nanos > 500_000_000, "{limit:?}");
}

#[tokio::test]
async fn large_model_is_stored_in_parts() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let n = 100_000;
    let model = LinearModel {
        variable_count: Some(n),
        objective: (0..n).map(f64::from).collect(),
        ..LinearModel::default()
    };
    let form = Some(model::Form::Linear(model));
    let request = SubmitJobRequest {
        model: Some(Model { form, ..Model::default() }),
        lane: "express".to_owned(),
        ..SubmitJobRequest::default()
    };
    gateway.submit(request).await.unwrap();
    // Don't ack: the stored model is kept only while its job may still be solved.
    let (envelope, _lease) = hold(&mesh).await;
    let Some(Body::PayloadReference(reference)) = &envelope.body else {
        panic!("the model travels in the message")
    };
    let whole: Vec<u8> = mesh.load(reference).await.unwrap().concat();
    let payload = JobPayload::decode(whole.as_slice()).unwrap();
    assert_eq!(payload.model.unwrap().objective.len(), usize::try_from(n).unwrap());
}

/// A mesh whose health a test can set, and which never confirms a submission's entry.
struct Unconfirming(Arc<dyn Mesh>, watch::Sender<Health>);

#[tonic::async_trait]
impl Mesh for Unconfirming {
    async fn enqueue(&self, lane: &Lane, job: &JobEnvelope) -> Result<(), MeshError> {
        self.0.enqueue(lane, job).await
    }
    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Consumer<Delivery>, MeshError> {
        self.0.consume(lane, prefetch).await
    }
    async fn is_served(&self, lane: &Lane) -> Result<bool, MeshError> {
        self.0.is_served(lane).await
    }
    async fn dead_letters(&self) -> Result<Consumer<DeadLetter>, MeshError> {
        self.0.dead_letters().await
    }
    async fn append(&self, entry: LogEntry) -> Result<(), MeshError> {
        if matches!(entry.kind, Some(log_entry::Kind::Submitted(_))) {
            return std::future::pending().await;
        }
        self.0.append(entry).await
    }
    async fn follow_log(&self, from: LogStart) -> Result<mpsc::Receiver<LogMessage>, MeshError> {
        self.0.follow_log(from).await
    }
    async fn log_start(&self) -> Result<Option<u64>, MeshError> {
        self.0.log_start().await
    }
    async fn read_log(&self, offset: u64) -> Result<LogMessage, MeshError> {
        self.0.read_log(offset).await
    }
    async fn announce_cancel(&self, job_id: &str) -> Result<(), MeshError> {
        self.0.announce_cancel(job_id).await
    }
    async fn follow_cancels(&self) -> Result<mpsc::Receiver<CancelEvent>, MeshError> {
        self.0.follow_cancels().await
    }
    async fn store(&self, object: BulkObject) -> Result<BulkReference, MeshError> {
        self.0.store(object).await
    }
    async fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        self.0.load(reference).await
    }
    async fn lookup(
        &self,
        request: LookupRequest,
        timeout: Duration,
    ) -> Result<LookupResponse, MeshError> {
        self.0.lookup(request, timeout).await
    }
    async fn consume_lookups(&self) -> Result<Consumer<Lookup>, MeshError> {
        self.0.consume_lookups().await
    }
    async fn register_worker(&self, id: &str) -> Result<(), MeshError> {
        self.0.register_worker(id).await
    }
    async fn is_worker_connected(&self, id: &str) -> Result<bool, MeshError> {
        self.0.is_worker_connected(id).await
    }
    async fn send_heartbeat(&self, heartbeat: Heartbeat) -> Result<(), MeshError> {
        self.0.send_heartbeat(heartbeat).await
    }
    async fn follow_heartbeats(&self) -> Result<mpsc::Receiver<Heartbeat>, MeshError> {
        self.0.follow_heartbeats().await
    }
    fn health(&self) -> watch::Receiver<Health> {
        self.1.subscribe()
    }
    async fn close(&self, grace: Duration) {
        self.0.close(grace).await;
    }
}

#[tokio::test]
async fn silent_or_disconnected_broker_is_reported_in_bounded_time() {
    let (health, _) = watch::channel(Health::Ready);
    let mesh = Arc::new(Unconfirming(memory(), health));
    let impatient = Policy { broker_timeout: Duration::from_millis(200), ..policy() };
    let gateway = Gateway::over(mesh.clone(), impatient).await;
    let silent = gateway.submit(wyndor()).await.unwrap_err();
    assert_eq!((silent.code(), reason(&silent).as_str()), (Code::Unavailable, "OUTCOME_UNKNOWN"));
    let details = silent.get_error_details();
    assert!(!details.error_info().unwrap().metadata["job_id"].is_empty());

    mesh.1.send_replace(Health::Disconnected { error: "disconnected".to_owned() });
    let away = gateway.submit(wyndor()).await.unwrap_err();
    assert_eq!((away.code(), reason(&away).as_str()), (Code::Unavailable, "MESH_UNAVAILABLE"));
    assert!(away.get_error_details().retry_info().is_some());
}

#[tokio::test]
async fn job_for_a_solver_that_no_worker_has_is_refused() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let request = |lane: &str| SubmitJobRequest {
        options: Some(SolveOptions { solver: Solver::Cbc.into(), ..SolveOptions::default() }),
        lane: lane.to_owned(),
        ..wyndor()
    };
    let refused = gateway.submit(request("")).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "NO_WORKER")
    );
    assert_eq!(refused.get_error_details().error_info().unwrap().metadata["lane"], "cbc");
    let elsewhere = gateway.submit(request("standard")).await.unwrap_err();
    assert_eq!(elsewhere.code(), Code::InvalidArgument);

    let lane = Lane::CBC.parse().unwrap();
    let mut jobs = mesh.consume(&lane, 1).await.unwrap();
    let accepted = gateway.submit(request("cbc")).await.unwrap();
    assert_eq!(accepted.description.unwrap().lane, "cbc");
    let Payload::Job(job) = jobs.next().await.unwrap().payload else { panic!("no job") };
    assert_eq!(job.job_id, accepted.job_id);
}

/// A submission of a later version of the contract, in which models have quadratic terms.
#[derive(Clone, PartialEq, prost::Message)]
struct LaterSubmission {
    #[prost(message, optional, tag = "1")]
    model: Option<LaterModel>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LaterModel {
    #[prost(string, tag = "4")]
    lp: String,
    #[prost(double, repeated, tag = "40")]
    quadratic: Vec<f64>,
}

#[tokio::test]
async fn request_with_a_field_of_a_later_version_is_refused_and_queues_nothing() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let submit = async |quadratic: Vec<f64>| {
        let mut client = tonic::client::Grpc::new(gateway.channel.clone());
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static("/solvemesh.v1.JobService/SubmitJob");
        let model = Some(LaterModel { lp: WYNDOR.to_owned(), quadratic });
        let codec = ProstCodec::<LaterSubmission, SubmitJobResponse>::default();
        client.unary(Request::new(LaterSubmission { model }), path, codec).await
    };
    let refused = submit(vec![1.0]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.reason, "UNKNOWN_FIELD");
    assert_eq!(info.metadata["number"], "40");
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "model");
    assert!(list_all(&gateway).await.is_empty());
    // Without the field it is a submission like any other.
    submit(Vec::new()).await.unwrap();
    assert_eq!(list_all(&gateway).await.len(), 1);
}

async fn list_all(gateway: &Gateway) -> Vec<Job> {
    let request = ListJobsRequest::default();
    gateway.client.clone().list_jobs(request).await.unwrap().into_inner().jobs
}
