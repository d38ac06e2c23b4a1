//! A scripted gateway for tests of clients. It has its own runtime, so that dropping it closes all
//! connections, as if its process had been killed.
#![allow(
    clippy::unwrap_used,
    clippy::new_without_default,
    missing_docs,
    reason = "the script of a test: it fails by panicking"
)]

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, stream, stream::BoxStream};
use solvemesh::v1::{
    CancelJobRequest, CancelJobResponse, GetCapabilitiesRequest, GetCapabilitiesResponse,
    GetJobRequest, GetJobResponse, Job, JobDescription, JobEvent, JobFinished, JobQueued,
    JobStarted, JobState, Lane, Limits, ListJobsRequest, ListJobsResponse, MeshState, ModelSize,
    ScenarioExtreme, ScenarioResult, ScenarioResults, Solution, SolutionPart, SolveRequest,
    SolveResponse, SolveResult, SolveStatistics, Solver, SolverCapabilities, SolverOption,
    SolverOptionType, SubmitJobRequest, SubmitJobResponse, SweepDescription, SweepSummary,
    Termination, TerminationCount, TerminationReason, VariableKind, Verification, WatchMeshRequest,
    WatchMeshResponse, WatchResultsRequest, WatchResultsResponse, job_event::Kind,
    watch_results_response,
};
use solvemesh_rpc::job_service_server::{JobService, JobServiceServer};
use tokio::{
    net::TcpSocket,
    runtime::Runtime,
    sync::{Notify, mpsc},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// A step in the script of a stream.
pub enum Step<R = WatchResultsResponse> {
    /// Sends a response.
    Send(Box<R>),
    /// Ends the stream with this status.
    Fail(Status),
    /// Waits until a client cancels a job.
    AwaitCancel,
    /// Sends nothing for this duration.
    Linger(Duration),
    /// Sends nothing more, and keeps the stream open.
    Hang,
}

/// The scripted responses, and a record of the requests. `submits`, `gets` (errors), `watches` and
/// `meshes` (streams) are used up one by one.
#[derive(Default)]
pub struct Script {
    pub submits: Mutex<VecDeque<Status>>,
    pub watches: Mutex<VecDeque<Vec<Step>>>,
    pub meshes: Mutex<VecDeque<Vec<Step<WatchMeshResponse>>>>,
    pub jobs: Vec<Job>,
    pub seen_submits: Mutex<Vec<SubmitJobRequest>>,
    pub seen_watches: Mutex<Vec<WatchResultsRequest>>,
    pub seen_meshes: Mutex<Vec<WatchMeshRequest>>,
    pub seen_lists: Mutex<Vec<ListJobsRequest>>,
    /// The metadata `authorization` of each call.
    pub seen_authorizations: Mutex<Vec<Option<String>>>,
    pub gets: Mutex<VecDeque<Status>>,
    pub cancelled: Notify,
}

/// A running gateway; dropping it kills it, connections and all.
pub struct FakeGateway {
    pub address: SocketAddr,
    pub script: Arc<Script>,
    runtime: Option<Runtime>,
    cancels: Mutex<mpsc::Receiver<()>>,
}

impl FakeGateway {
    pub fn start(script: Script) -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), script)
    }

    /// Starts a gateway at a reserved address, where it can be replaced by another later.
    pub fn start_at(place: &Place, script: Script) -> Self {
        Self::listen(place.address, script)
    }

    fn listen(address: SocketAddr, script: Script) -> Self {
        let script = Arc::new(script);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let (cancel_seen, cancels) = mpsc::channel(64);
        let service = Service { script: Arc::clone(&script), cancel_seen };
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let seen = Arc::clone(&service.script);
            let service = JobServiceServer::with_interceptor(service, move |call: Request<()>| {
                let value = call.metadata().get("authorization");
                let value = value.map(|value| value.to_str().unwrap().to_owned());
                seen.seen_authorizations.lock().unwrap().push(value);
                Ok(call)
            });
            let server = Server::builder().add_service(service);
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { address, script, runtime: Some(runtime), cancels: Mutex::new(cancels) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Blocks until a client has cancelled a job.
    pub fn await_cancel(&self) {
        self.cancels.lock().unwrap().blocking_recv().unwrap();
    }
}

impl Drop for FakeGateway {
    fn drop(&mut self) {
        // Dropping the runtime waits for its tasks, which own the sockets. That would panic in
        // the runtime of an async test, so another thread does it.
        let runtime = self.runtime.take();
        std::thread::spawn(|| drop(runtime)).join().unwrap();
    }
}

/// A reserved address, at which only [`FakeGateway::start_at`] starts a listener. A bound socket that
/// does not listen keeps other processes from getting the port.
pub struct Place {
    pub address: SocketAddr,
    _socket: TcpSocket,
}

impl Place {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Lets a listener share the port: std sets the same option on listeners.
        socket.set_reuseaddr(true).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: socket.local_addr().unwrap(), _socket: socket }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

struct Service {
    script: Arc<Script>,
    cancel_seen: mpsc::Sender<()>,
}

impl Service {
    fn job(&self, id: &str) -> Result<Job, Status> {
        let job = self.script.jobs.iter().find(|job| job.job_id == id).cloned();
        job.ok_or_else(|| Status::not_found(format!("there is no job {id}")))
    }
}

#[tonic::async_trait]
impl JobService for Service {
    async fn submit_job(
        &self,
        request: Request<SubmitJobRequest>,
    ) -> Result<Response<SubmitJobResponse>, Status> {
        let request = request.into_inner();
        let validate_only = request.validate_only;
        let report = request.sweep.as_ref().map(|sweep| sweep.report.clone());
        self.script.seen_submits.lock().unwrap().push(request);
        match self.script.submits.lock().unwrap().pop_front() {
            Some(status) => Err(status),
            None if validate_only => {
                let size = ModelSize {
                    variable_count: 2,
                    constraint_count: 3,
                    nonzero_count: 4,
                    integer_count: 1,
                };
                let description = JobDescription {
                    size: Some(size),
                    warnings: vec!["odd".into()],
                    ..JobDescription::default()
                };
                let job = Job { description: Some(description), ..Job::default() };
                Ok(Response::new(SubmitJobResponse { job: Some(job) }))
            }
            None => {
                let sweep = report.map(|report| SweepDescription { report, ..Default::default() });
                let description = Some(JobDescription { sweep, ..JobDescription::default() });
                let job = Job { job_id: "job-1".into(), description, ..Job::default() };
                Ok(Response::new(SubmitJobResponse { job: Some(job) }))
            }
        }
    }

    type WatchResultsStream = BoxStream<'static, Result<WatchResultsResponse, Status>>;

    async fn watch_results(
        &self,
        request: Request<WatchResultsRequest>,
    ) -> Result<Response<Self::WatchResultsStream>, Status> {
        self.script.seen_watches.lock().unwrap().push(request.into_inner());
        let steps = self.script.watches.lock().unwrap().pop_front();
        let steps = steps.ok_or_else(|| Status::not_found("there is no such job"))?;
        Ok(Response::new(responses(&self.script, steps)))
    }

    type WatchMeshStream = BoxStream<'static, Result<WatchMeshResponse, Status>>;

    async fn watch_mesh(
        &self,
        request: Request<WatchMeshRequest>,
    ) -> Result<Response<Self::WatchMeshStream>, Status> {
        self.script.seen_meshes.lock().unwrap().push(request.into_inner());
        let steps = self.script.meshes.lock().unwrap().pop_front();
        // As a gateway that is older than this method.
        let steps = steps.ok_or_else(|| Status::unimplemented(""))?;
        Ok(Response::new(responses(&self.script, steps)))
    }

    async fn solve(&self, _: Request<SolveRequest>) -> Result<Response<SolveResponse>, Status> {
        Err(Status::unimplemented("not used by any test"))
    }

    async fn get_job(
        &self,
        request: Request<GetJobRequest>,
    ) -> Result<Response<GetJobResponse>, Status> {
        if let Some(status) = self.script.gets.lock().unwrap().pop_front() {
            return Err(status);
        }
        let job = self.job(&request.into_inner().job_id)?;
        Ok(Response::new(GetJobResponse { job: Some(job) }))
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let request = request.into_inner();
        self.script.seen_lists.lock().unwrap().push(request.clone());
        let start: usize = request.page_token.parse().unwrap_or(0);
        let end = start + usize::try_from(request.page_size).unwrap().min(2);
        let jobs: Vec<_> = self.script.jobs.iter().skip(start).take(end - start).cloned().collect();
        let more = end < self.script.jobs.len();
        let next_page_token = if more { end.to_string() } else { String::new() };
        Ok(Response::new(ListJobsResponse { jobs, next_page_token }))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        self.script.cancelled.notify_one();
        let _ = self.cancel_seen.try_send(());
        let job_id = request.into_inner().job_id;
        let job = Job {
            job_id,
            state: JobState::Running.into(),
            cancel_requested: true,
            ..Job::default()
        };
        Ok(Response::new(CancelJobResponse { job: Some(job) }))
    }

    async fn get_capabilities(
        &self,
        _: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<GetCapabilitiesResponse>, Status> {
        let limits = Limits { max_variables: 1234, ..Limits::default() };
        let option = SolverOption { name: "gap".into(), r#type: SolverOptionType::Double.into() };
        let highs = SolverCapabilities {
            solver: Solver::Highs.into(),
            variable_kinds: vec![VariableKind::Integer.into()],
            options: vec![option],
            lane: "highs".into(),
            ..SolverCapabilities::default()
        };
        let capabilities = GetCapabilitiesResponse {
            solvers: vec![highs],
            version: "9.9".into(),
            lanes: ["express", "standard"].map(|name| Lane { name: name.into() }).to_vec(),
            limits: Some(limits),
            ..GetCapabilitiesResponse::default()
        };
        Ok(Response::new(capabilities))
    }
}

/// Plays the script of a stream.
fn responses<R: Send + 'static>(
    script: &Arc<Script>,
    steps: Vec<Step<R>>,
) -> BoxStream<'static, Result<R, Status>> {
    let script = Arc::clone(script);
    let responses = stream::iter(steps).filter_map(move |step| {
        let script = Arc::clone(&script);
        async move {
            match step {
                Step::Send(response) => Some(Ok(*response)),
                Step::Fail(status) => Some(Err(status)),
                Step::AwaitCancel => {
                    script.cancelled.notified().await;
                    None
                }
                Step::Linger(time) => {
                    tokio::time::sleep(time).await;
                    None
                }
                Step::Hang => std::future::pending().await,
            }
        }
    });
    responses.boxed()
}

/// A response with a state of the mesh.
pub fn mesh(state: MeshState) -> Step<WatchMeshResponse> {
    Step::Send(Box::new(WatchMeshResponse { mesh: Some(state) }))
}

/// The script of a gateway that sends these streams of states of the mesh.
pub fn mesh_script(streams: impl IntoIterator<Item = Vec<Step<WatchMeshResponse>>>) -> Script {
    Script { meshes: Mutex::new(streams.into_iter().collect()), ..Script::default() }
}

/// A response with an event of `job-1`. Its resume token is "after N", for sequence number N.
pub fn event(sequence: i32, kind: Kind) -> Step {
    event_of("job-1", sequence, kind)
}

pub fn event_of(job_id: &str, sequence: i32, kind: Kind) -> Step {
    let attempt = i32::from(sequence > 1);
    let event = JobEvent {
        job_id: job_id.into(),
        sequence,
        attempt,
        kind: Some(kind),
        ..JobEvent::default()
    };
    Step::Send(Box::new(WatchResultsResponse {
        kind: Some(watch_results_response::Kind::Event(event)),
        resume_token: format!("after {sequence}"),
    }))
}

pub fn queued() -> Kind {
    Kind::Queued(JobQueued::default().into())
}

pub fn started() -> Kind {
    Kind::Started(JobStarted { worker: "worker-1".into(), start_objective: None })
}

pub fn part(index: i32, count: i32, solution: Solution) -> Kind {
    Kind::SolutionPart(SolutionPart { index, count, solution: Some(solution) })
}

/// An event with scenario results: indices and objectives, `None` for infeasible scenarios.
pub fn answered(answers: &[(i32, Option<f64>)]) -> Kind {
    let result = |&(index, objective): &(i32, Option<f64>)| ScenarioResult {
        index,
        reason: reason_of(objective).into(),
        objective,
        iteration_count: 1,
        ..ScenarioResult::default()
    };
    Kind::ScenarioResults(ScenarioResults { results: answers.iter().map(result).collect() })
}

fn reason_of(objective: Option<f64>) -> TerminationReason {
    match objective {
        Some(_) => TerminationReason::Optimal,
        None => TerminationReason::Infeasible,
    }
}

/// The last event of a maximising sweep with this number of scenarios and these results.
pub fn swept(state: JobState, scenarios: i32, answers: &[(i32, Option<f64>)]) -> Kind {
    let count = |reason| TerminationCount {
        reason: i32::from(reason),
        count: answers.iter().filter(|of| reason_of(of.1) == reason).count().try_into().unwrap(),
    };
    let extreme = |of: Option<(i32, f64)>| {
        of.map(|(index, objective)| ScenarioExtreme {
            index,
            objective: Some(objective),
            ..Default::default()
        })
    };
    let solved = || answers.iter().filter_map(|&(index, objective)| Some((index, objective?)));
    let summary = SweepSummary {
        scenario_count: scenarios,
        answered_count: answers.len().try_into().unwrap(),
        counts: [TerminationReason::Optimal, TerminationReason::Infeasible].map(count).to_vec(),
        best: extreme(solved().max_by(|one, other| one.1.total_cmp(&other.1))),
        worst: extreme(solved().min_by(|one, other| one.1.total_cmp(&other.1))),
        iteration_count: answers.len().try_into().unwrap(),
        stopped_by: None,
    };
    Kind::Finished(
        JobFinished { state: state.into(), sweep_summary: Some(summary), ..JobFinished::default() }
            .into(),
    )
}

pub fn finished(state: JobState, result: Option<SolveResult>) -> Kind {
    Kind::Finished(JobFinished { state: state.into(), result, ..JobFinished::default() }.into())
}

pub fn succeeded(reason: TerminationReason) -> Kind {
    let termination = Termination { reason: reason.into(), ..Termination::default() };
    let result = SolveResult { termination: Some(termination), ..SolveResult::default() };
    finished(JobState::Succeeded, Some(result))
}

/// The script of a job whose last event is this one.
pub fn job_that(end: Kind) -> Script {
    script([vec![event(1, queued()), event(2, started()), event(3, end)]])
}

pub fn script(watches: impl IntoIterator<Item = Vec<Step>>) -> Script {
    Script { watches: Mutex::new(watches.into_iter().collect()), ..Script::default() }
}

/// The optimum of Wyndor Glass at a windows rate of 500.
pub fn wyndor() -> SolveResult {
    SolveResult {
        termination: Some(Termination {
            reason: TerminationReason::Optimal.into(),
            objective: Some(3600.0),
            objective_bound: Some(3600.0),
            relative_gap: Some(0.0),
            ..Termination::default()
        }),
        solution: Some(Solution {
            variable_names: vec!["Doors".into(), "Windows".into()],
            values: vec![2.0, 6.0],
            reduced_costs: vec![0.0, 0.0],
            constraint_names: vec!["Plant 1".into(), "Plant 2".into(), "Plant 3".into()],
            activities: vec![2.0, 12.0, 18.0],
            duals: vec![0.0, 150.0, 100.0],
            ..Solution::default()
        }),
        verification: Some(Verification { max_violation: Some(0.0), ..Verification::default() }),
        statistics: Some(SolveStatistics {
            solve_time: Some(prost_types::Duration { seconds: 0, nanos: 250_000_000 }),
            ..SolveStatistics::default()
        }),
        solver: Solver::Highs.into(),
        solver_version: "1.15".into(),
        ..SolveResult::default()
    }
}

/// Timeout of tests: long enough for anything that is expected to happen.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(60);
