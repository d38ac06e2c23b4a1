//! The gRPC service `solvemesh.v1.JobService`: checks the fields of requests and passes them to
//! [`Jobs`].

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt};
use solvemesh::v1::{
    CancelJobRequest, CancelJobResponse, GetCapabilitiesRequest, GetCapabilitiesResponse,
    GetJobRequest, GetJobResponse, GetUsageRequest, GetUsageResponse, Job, JobEventKind, JobFilter,
    JobState, JobView, Lane, ListJobsRequest, ListJobsResponse, SolveRequest, SolveResponse,
    SubmitJobRequest, SubmitJobResponse, WatchMeshRequest, WatchMeshResponse, WatchResultsRequest,
    WatchResultsResponse,
};
use solvemesh_daemon::{TRACES, TraceContext};
use solvemesh_rpc::job_service_server::JobService;
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, Level, enabled, field, info_span};

use super::{
    deadline::{Budget, budget, grpc_timeout},
    status::reason,
};
use crate::{
    access::{Caller, Origin},
    jobs::{Jobs, listing::ListFilter, watch::EventFilter},
    refusal::Refusal,
    submission::{Submission, catalog},
};

/// Maximum interval of a watch stream.
const MAX_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The interval of a mesh stream whose request sets none.
const MESH_INTERVAL: Duration = Duration::from_secs(2);
/// Minimum interval of a mesh stream.
const MIN_MESH_INTERVAL: Duration = Duration::from_millis(500);

/// The gRPC service over [`Jobs`].
#[derive(Clone)]
pub(crate) struct Service {
    jobs: Jobs,
    /// Whether the traces of callers are continued.
    trace_callers: bool,
}

impl Service {
    /// The service over `jobs`.
    pub(crate) fn new(jobs: Jobs, trace_callers: bool) -> Self {
        Self { jobs, trace_callers }
    }

    /// Where the caller of a request is in a trace, if traces of callers are continued.
    fn caller_trace<T>(&self, request: &Request<T>) -> Option<TraceContext> {
        if !self.trace_callers || !enabled!(target: TRACES, Level::INFO) {
            return None;
        }
        let mut values = request.metadata().get_all("traceparent").iter();
        // Several are as good as none, by the specification.
        let value = values.next().filter(|_| values.next().is_none())?;
        TraceContext::parse(value.to_str().ok()?)
    }

    /// Submits a job, and counts the outcome. Begins the trace of the job, or continues that of the
    /// caller.
    async fn submit(
        &self,
        origin: &Origin,
        submission: Submission,
        trace: Option<TraceContext>,
    ) -> Result<Job, Refusal> {
        let span = info_span!(
            target: TRACES,
            parent: None,
            "submit job",
            otel.kind = "server",
            rpc.system = "grpc",
            rpc.service = "solvemesh.v1.JobService",
            job = field::Empty,
            refusal = field::Empty,
        );
        if let Some(trace) = trace {
            trace.continue_in(&span);
        }
        let outcome = self.jobs.submit(origin, submission).instrument(span.clone()).await;
        match &outcome {
            Ok(job) => span.record("job", &job.job_id),
            Err(refusal) => span.record("refusal", reason(refusal)),
        };
        self.jobs.metrics().submitted(outcome.as_ref().err().map(reason));
        outcome
    }
}

#[tonic::async_trait]
impl JobService for Service {
    async fn submit_job(
        &self,
        request: Request<SubmitJobRequest>,
    ) -> Result<Response<SubmitJobResponse>, Status> {
        let origin = origin(&request)?;
        let trace = self.caller_trace(&request);
        let request = request.into_inner();
        let validate_only = request.validate_only;
        let submission = submission(&origin, request, None);
        let job = if validate_only {
            let plan = self.jobs.validate(&origin.caller, submission).await?;
            Job { job_id: String::new(), state: JobState::Unspecified.into(), ..plan.to_job() }
        } else {
            self.submit(&origin, submission, trace).await?
        };
        Ok(Response::new(SubmitJobResponse { job: Some(job) }))
    }

    type WatchResultsStream =
        Pin<Box<dyn Stream<Item = Result<WatchResultsResponse, Status>> + Send>>;

    async fn watch_results(
        &self,
        request: Request<WatchResultsRequest>,
    ) -> Result<Response<Self::WatchResultsStream>, Status> {
        let origin = origin(&request)?;
        let request = request.into_inner();
        let filter = event_filter(&request)?;
        let WatchResultsRequest { job_ids, resume_token, .. } = request;
        let limit = self.jobs.policy().max_jobs_per_watch;
        if job_ids.is_empty() {
            return Err(Refusal::missing("job_ids").into());
        }
        if job_ids.len() > limit {
            let wrong = format!("{} jobs exceed max_jobs_per_watch, {limit}", job_ids.len());
            return Err(Refusal::invalid("job_ids", wrong).into());
        }
        let events = self.jobs.watch(&origin.caller, job_ids, &resume_token, filter).await?;
        Ok(Response::new(events.map(|event| event.map_err(Status::from)).boxed()))
    }

    async fn solve(
        &self,
        request: Request<SolveRequest>,
    ) -> Result<Response<SolveResponse>, Status> {
        let arrival = Instant::now();
        let budget = remaining(&request).map(budget);
        let origin = origin(&request)?;
        let trace = self.caller_trace(&request);
        let time_left = budget.map(|Budget { solve, .. }| solve);
        let submission = submission(&origin, submission_of(request.into_inner()), time_left);
        let submitted = self.submit(&origin, submission, trace).await?;
        let end = budget.map(|Budget { response, .. }| arrival + response);
        let job = self.jobs.wait(&origin.caller, &submitted.job_id, end).await?;
        Ok(Response::new(SolveResponse { job: Some(job) }))
    }

    async fn get_job(
        &self,
        request: Request<GetJobRequest>,
    ) -> Result<Response<GetJobResponse>, Status> {
        let origin = origin(&request)?;
        let request = request.into_inner();
        let full = view(request.view, JobView::Full)? == JobView::Full;
        if request.job_id.is_empty() {
            return Err(Refusal::missing("job_id").into());
        }
        let job = self.jobs.get(&origin.caller, &request.job_id, full).await?;
        Ok(Response::new(GetJobResponse { job: Some(job) }))
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let origin = origin(&request)?;
        let ListJobsRequest { page_size, page_token, filter, view: requested } =
            request.into_inner();
        let full = view(requested, JobView::Basic)? == JobView::Full;
        let filter = job_filter(filter.unwrap_or_default())?;
        let page = self.jobs.list(&origin.caller, &filter, page_size, &page_token, full).await?;
        Ok(Response::new(ListJobsResponse {
            jobs: page.jobs,
            next_page_token: page.next_page_token,
        }))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        let origin = origin(&request)?;
        let job_id = request.into_inner().job_id;
        if job_id.is_empty() {
            return Err(Refusal::missing("job_id").into());
        }
        let job = self.jobs.cancel(&origin, &job_id).await?;
        Ok(Response::new(CancelJobResponse { job: Some(job) }))
    }

    async fn get_capabilities(
        &self,
        _: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<GetCapabilitiesResponse>, Status> {
        let policy = self.jobs.policy();
        let mut solvers = catalog::solvers();
        for entry in solvers.iter_mut().filter(|entry| !entry.available) {
            entry.available = self.jobs.is_available(entry.solver()).await.unwrap_or(false);
        }
        Ok(Response::new(GetCapabilitiesResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            solvers,
            limits: Some(policy.limits()),
            lanes: policy.lanes.iter().map(|lane| Lane { name: lane.to_string() }).collect(),
            ephemeral: policy.ephemeral,
        }))
    }

    async fn get_usage(
        &self,
        request: Request<GetUsageRequest>,
    ) -> Result<Response<GetUsageResponse>, Status> {
        let Origin { caller, .. } = origin(&request)?;
        Ok(Response::new(self.jobs.usage(&caller).await?))
    }

    type WatchMeshStream = Pin<Box<dyn Stream<Item = Result<WatchMeshResponse, Status>> + Send>>;

    async fn watch_mesh(
        &self,
        request: Request<WatchMeshRequest>,
    ) -> Result<Response<Self::WatchMeshStream>, Status> {
        let Origin { caller, .. } = origin(&request)?;
        let states = self.jobs.watch_mesh(caller, mesh_interval(&request.into_inner())?)?;
        Ok(Response::new(states.map(|state| state.map_err(Status::from)).boxed()))
    }
}

/// Who sent a request. The layer that recognises callers adds it to every request.
fn origin<T>(request: &Request<T>) -> Result<Origin, Status> {
    let origin = request.extensions().get::<Origin>().cloned();
    origin.ok_or_else(|| Status::internal("the caller of the request was not recognised"))
}

/// A submission of a caller.
fn submission(
    origin: &Origin,
    request: SubmitJobRequest,
    time_left: Option<Duration>,
) -> Submission {
    let Caller { key, tenant, .. } = &*origin.caller;
    Submission { request, tenant: tenant.clone(), submitter: key.clone(), time_left }
}

/// The remaining time until a call's own deadline; `None` if it has none.
fn remaining<T>(request: &Request<T>) -> Option<Duration> {
    grpc_timeout(request.metadata().get("grpc-timeout")?.to_str().ok()?)
}

/// The interval of a mesh stream.
fn mesh_interval(request: &WatchMeshRequest) -> Result<Duration, Refusal> {
    let Some(interval) = request.interval else { return Ok(MESH_INTERVAL) };
    let valid = MIN_MESH_INTERVAL..=MAX_INTERVAL;
    let interval = Duration::try_from(interval).ok().filter(|interval| valid.contains(interval));
    interval.ok_or_else(|| {
        let (min, max) = (MIN_MESH_INTERVAL.as_secs_f64(), MAX_INTERVAL.as_secs());
        Refusal::invalid("interval", format!("must be from {min} s to {max} s"))
    })
}

/// The event filter of a watch request.
fn event_filter(request: &WatchResultsRequest) -> Result<EventFilter, Refusal> {
    let interval = request.min_interval.map(Duration::try_from).transpose();
    let interval = interval.ok().filter(|interval| interval.is_none_or(|it| it <= MAX_INTERVAL));
    let Some(interval) = interval else {
        let wrong = format!("must be 0 or more, and at most {} s", MAX_INTERVAL.as_secs());
        return Err(Refusal::invalid("min_interval", wrong));
    };
    let kinds =
        request.kinds.iter().enumerate().map(|(index, kind)| match JobEventKind::try_from(*kind) {
            Ok(JobEventKind::Unspecified) | Err(_) => {
                Err(Refusal::invalid(format!("kinds[{index}]"), format!("unknown kind {kind}")))
            }
            Ok(kind) => Ok(kind),
        });
    let kinds: Vec<JobEventKind> = kinds.collect::<Result<_, _>>()?;
    Ok(EventFilter::new(&kinds, interval.filter(|interval| !interval.is_zero())))
}

/// The filter of a list of jobs.
fn job_filter(filter: JobFilter) -> Result<ListFilter, Refusal> {
    let JobFilter { states, labels } = filter;
    let states = states.into_iter().enumerate().map(|(index, state)| {
        match JobState::try_from(state) {
            // A client that sends it has most likely failed to set a state.
            Ok(JobState::Unspecified) | Err(_) => {
                let field = format!("filter.states[{index}]");
                Err(Refusal::invalid(field, format!("unknown state {state}")))
            }
            Ok(state) => Ok(state),
        }
    });
    Ok(ListFilter { states: states.collect::<Result<_, _>>()?, labels })
}

/// The submission of a `Solve`: its fields are a part of those of `SubmitJob`.
fn submission_of(request: SolveRequest) -> SubmitJobRequest {
    let SolveRequest {
        model,
        options,
        labels,
        request_id,
        lane,
        total_time_limit,
        queue_time_limit,
        starts,
        priority,
    } = request;
    SubmitJobRequest {
        model,
        options,
        labels,
        request_id,
        lane,
        total_time_limit,
        queue_time_limit,
        starts,
        priority,
        validate_only: false,
        sweep: None,
    }
}

fn view(requested: i32, default: JobView) -> Result<JobView, Refusal> {
    match JobView::try_from(requested) {
        Ok(JobView::Unspecified) => Ok(default),
        Ok(view) => Ok(view),
        Err(_) => Err(Refusal::invalid("view", format!("unknown view {requested}"))),
    }
}
