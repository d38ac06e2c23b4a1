//! A gateway over a mesh in memory, and helpers with which a test acts as the worker.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use solvemesh::{
    broker::v1::{AttemptStarted, BulkReference, JobEnd, JobEnvelope, LogEntry, log_entry},
    v1::{
        Job, JobEvent, JobFinished, JobState, Model, SolveResult, SubmitJobRequest,
        WatchResultsRequest, WatchResultsResponse, model, watch_results_response::Kind as Response,
    },
};
use solvemesh_broker::{Delivery, Lane, Lease, MemoryConfig, MemoryMesh, Mesh, Payload};
use solvemesh_gateway::{
    Access, BrowserPolicy, ConnectionLimits, Jobs, Listener, Policy, Retention, ServeConfig, Table,
    WebConfig, close_slow_watchers, serve,
    tasks::{expiry, heartbeats, lookups},
};
use solvemesh_rpc::job_service_client::JobServiceClient;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

pub(crate) const WYNDOR: &str = "Maximize\n p: 300 doors + 500 windows\nSubject To\n \
    a: doors <= 4\n b: 2 windows <= 12\n c: 3 doors + 2 windows <= 18\nEnd\n";

pub(crate) fn policy() -> Policy {
    Policy {
        max_message_bytes: 4 << 20,
        model: solvemesh_model::Limits::default(),
        default_time_limit: Duration::from_secs(60),
        max_time_limit: Duration::from_secs(600),
        max_total_time_limit: Duration::from_secs(3600),
        max_live_jobs: 100,
        max_watchers: 8,
        max_jobs_per_watch: 10,
        max_scenarios: 1_000,
        max_requests: 100,
        max_live_bytes: 1 << 20,
        log_bytes: 1 << 30,
        retention: Retention {
            jobs: 100,
            bytes: 1 << 20,
            age: Duration::from_secs(3600),
            results: 100,
            result_bytes: 1 << 20,
            result_age: Duration::from_secs(3600),
            // Few, so that tests read packed jobs, too.
            decoded: 2,
        },
        lanes: ["express", "standard"].map(|lane| lane.parse().unwrap()).to_vec(),
        heartbeat: Duration::from_millis(200),
        watch_idle_timeout: Duration::from_secs(60),
        broker_timeout: Duration::from_secs(5),
        ephemeral: true,
    }
}

/// A gateway over a mesh, with a client that is connected to it.
pub(crate) struct Gateway {
    pub(crate) client: JobServiceClient<Channel>,
    pub(crate) channel: Channel,
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) served: tokio::task::JoinHandle<()>,
}

impl Gateway {
    pub(crate) async fn over(mesh: Arc<dyn Mesh>, policy: Policy) -> Self {
        Self::with_access(mesh, policy, Access::everyone()).await
    }

    pub(crate) async fn with_access(mesh: Arc<dyn Mesh>, policy: Policy, access: Access) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let table = Table::follow(mesh.clone(), policy.retention, None);
        table.ready().wait_for(|ready| *ready).await.unwrap();
        let jobs = Jobs::new(mesh, table, policy, "test".to_owned());
        tokio::spawn(heartbeats::run(jobs.clone()));
        tokio::spawn(expiry::run(jobs.clone()));
        tokio::spawn(lookups::run(jobs.clone()));
        tokio::spawn(close_slow_watchers(jobs.clone()));
        let stop = CancellationToken::new();
        let web = WebConfig { page: true, browsers: BrowserPolicy::default() };
        let config = ServeConfig {
            access,
            web,
            reflection: true,
            trace_callers: false,
            max_streams_per_connection: 100,
        };
        let limits = ConnectionLimits { total: 100, per_address: 100 };
        let listener = Listener::new(listener, limits, None);
        let server = serve(listener, jobs, config, stop.clone(), Duration::from_secs(5));
        let served = tokio::spawn(async move { server.await.unwrap() });
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let client = JobServiceClient::new(channel.clone());
        Self { client, channel, address, stop, served }
    }

    pub(crate) async fn submit(&self, request: SubmitJobRequest) -> Result<Job, Status> {
        let response = self.client.clone().submit_job(request).await?;
        Ok(response.into_inner().job.unwrap())
    }

    pub(crate) async fn watch(
        &self,
        jobs: &[&str],
        token: &str,
    ) -> Result<Vec<WatchResultsResponse>, Status> {
        let request = WatchResultsRequest {
            job_ids: jobs.iter().map(ToString::to_string).collect(),
            resume_token: token.to_owned(),
            ..Default::default()
        };
        collect(self.client.clone().watch_results(request).await?.into_inner()).await
    }
}

pub(crate) async fn collect(
    mut stream: tonic::Streaming<WatchResultsResponse>,
) -> Result<Vec<WatchResultsResponse>, Status> {
    let mut responses = Vec::new();
    while let Some(response) = stream.message().await? {
        responses.push(response);
    }
    Ok(responses)
}

pub(crate) fn memory() -> Arc<dyn Mesh> {
    Arc::new(MemoryMesh::new(MemoryConfig::default()))
}

pub(crate) fn wyndor() -> SubmitJobRequest {
    let model = Model { name: "Wyndor".to_owned(), form: Some(model::Form::Lp(WYNDOR.to_owned())) };
    SubmitJobRequest { model: Some(model), ..SubmitJobRequest::default() }
}

/// Receives the next job of the express lane and acks it.
pub(crate) async fn take(mesh: &Arc<dyn Mesh>) -> Box<JobEnvelope> {
    let (job, lease) = hold(mesh).await;
    lease.ack().await.unwrap();
    job
}

/// Receives the next job of the express lane, without acking it.
pub(crate) async fn hold(mesh: &Arc<dyn Mesh>) -> (Box<JobEnvelope>, Lease) {
    hold_of(mesh, "express").await
}

/// Receives the next job of a lane, without acking it.
pub(crate) async fn hold_of(mesh: &Arc<dyn Mesh>, lane: &str) -> (Box<JobEnvelope>, Lease) {
    let lane: Lane = lane.parse().unwrap();
    let mut jobs = mesh.consume(&lane, 1).await.unwrap();
    let delivery: Delivery = jobs.next().await.unwrap();
    match delivery.payload {
        Payload::Job(job) => (job, delivery.lease),
        other => panic!("no job: {other:?}"),
    }
}

pub(crate) async fn report(
    mesh: &Arc<dyn Mesh>,
    job: &JobEnvelope,
    number: u32,
    kind: log_entry::Kind,
) {
    report_by(mesh, job, "attempt", number, kind).await;
}

pub(crate) async fn report_by(
    mesh: &Arc<dyn Mesh>,
    job: &JobEnvelope,
    attempt: &str,
    number: u32,
    kind: log_entry::Kind,
) {
    mesh.append(LogEntry {
        time: None,
        job_id: job.job_id.clone(),
        digest: job.digest.clone(),
        attempt_id: attempt.to_owned(),
        number,
        kind: Some(kind),
    })
    .await
    .unwrap();
}

pub(crate) fn started(job: &JobEnvelope) -> log_entry::Kind {
    log_entry::Kind::Started(AttemptStarted {
        worker: "test".to_owned(),
        description: job.description.clone(),
        submit_time: job.submit_time,
        worker_id: "process".to_owned(),
        start_objective: None,
    })
}

pub(crate) fn succeeded(solution: Option<BulkReference>) -> log_entry::Kind {
    let parts = solution.as_ref().map_or(0, |solution| solution.parts);
    let result = SolveResult {
        solution_part_count: i32::try_from(parts).unwrap(),
        ..SolveResult::default()
    };
    let outcome = JobFinished {
        state: JobState::Succeeded.into(),
        result: Some(result),
        ..JobFinished::default()
    };
    let end = JobEnd { outcome: Some(outcome), solution, ..JobEnd::default() };
    log_entry::Kind::Finished(end.into())
}

pub(crate) fn events(responses: &[WatchResultsResponse]) -> Vec<&JobEvent> {
    let event =
        |response: &'_ WatchResultsResponse| matches!(response.kind, Some(Response::Event(_)));
    let events = responses.iter().filter(|response| event(response));
    events
        .map(|response| match &response.kind {
            Some(Response::Event(event)) => event,
            _ => unreachable!(),
        })
        .collect()
}

pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}
