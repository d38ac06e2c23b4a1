//! `solvemesh.v1.JobService`: wire types come in and go out here, and nowhere else.

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt};
use solvemesh::v1::{
    CancelJobRequest, CancelJobResponse, GetCapabilitiesRequest, GetCapabilitiesResponse,
    GetJobRequest, GetJobResponse, Job, JobState, JobView, ListJobsRequest, ListJobsResponse,
    SolveRequest, SolveResponse, SubmitJobRequest, SubmitJobResponse, WatchResultsRequest,
    WatchResultsResponse,
};
use solvemesh_rpc::job_service_server::JobService;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::deadline::{Budget, budget, grpc_timeout};
use crate::{
    jobs::{Jobs, listing, listing::Filter, watch::Wants},
    refusal::Refusal,
    submission::{Submission, catalog},
};

/// The longest interval between two looks of a watcher.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The service, over what the gateway does with jobs.
#[derive(Clone)]
pub struct Service {
    jobs: Jobs,
}

impl Service {
    /// The service over `jobs`.
    pub fn new(jobs: Jobs) -> Self {
        Self { jobs }
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
        let submission = Submission {
            model: request.model,
            options: request.options.unwrap_or_default(),
            labels: request.labels,
            request_id: request.request_id,
            lane: request.lane,
            deadline: request.deadline,
            queue_time_limit: request.queue_time_limit,
            sweep: request.sweep,
            time_left: None,
        };
        let job = if validate_only {
            let plan = self.jobs.validate(submission).await?;
            Job { job_id: String::new(), state: JobState::Unspecified.into(), ..plan.job() }
        } else {
            self.jobs.submit(submission).await?
        };
        Ok(Response::new(SubmitJobResponse { job: Some(job) }))
    }

    type WatchResultsStream =
        Pin<Box<dyn Stream<Item = Result<WatchResultsResponse, Status>> + Send>>;

    async fn watch_results(
        &self,
        request: Request<WatchResultsRequest>,
    ) -> Result<Response<Self::WatchResultsStream>, Status> {
        let request = request.into_inner();
        let wants = wants(&request)?;
        let WatchResultsRequest { job_ids, resume_token, .. } = request;
        let limit = self.jobs.policy.max_jobs_per_watch;
        if job_ids.is_empty() {
            return Err(required("job_ids").into());
        }
        if job_ids.len() > limit {
            let wrong = format!("{} jobs are over max_jobs_per_watch, {limit}", job_ids.len());
            return Err(Refusal::field("INVALID_ARGUMENT", "job_ids", wrong).into());
        }
        let events = self.jobs.watch(job_ids, &resume_token, wants).await?;
        Ok(Response::new(events.map(|event| event.map_err(Status::from)).boxed()))
    }

    async fn solve(
        &self,
        request: Request<SolveRequest>,
    ) -> Result<Response<SolveResponse>, Status> {
        let arrival = Instant::now();
        let spent = remaining(&request).map(budget);
        let SolveRequest { model, options, labels, request_id, lane } = request.into_inner();
        let submission = Submission {
            model,
            options: options.unwrap_or_default(),
            labels,
            request_id,
            lane,
            deadline: None,
            queue_time_limit: None,
            sweep: None,
            time_left: spent.map(|Budget { solve, .. }| solve),
        };
        let submitted = self.jobs.submit(submission).await?;
        let end = spent.map(|Budget { answer, .. }| arrival + answer);
        let job = self.jobs.wait(&submitted.job_id, end).await?;
        Ok(Response::new(SolveResponse { job: Some(job) }))
    }

    async fn get_job(
        &self,
        request: Request<GetJobRequest>,
    ) -> Result<Response<GetJobResponse>, Status> {
        let request = request.into_inner();
        let full = view(request.view, JobView::Full)? == JobView::Full;
        if request.job_id.is_empty() {
            return Err(required("job_id").into());
        }
        let job = self.jobs.get(&request.job_id, full).await?;
        Ok(Response::new(GetJobResponse { job: Some(job) }))
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let ListJobsRequest { page_size, page_token, states, labels, view: asked } =
            request.into_inner();
        let full = view(asked, JobView::Basic)? == JobView::Full;
        let states = states.into_iter().enumerate().map(|(index, state)| {
            JobState::try_from(state).map_err(|_| {
                let field = format!("states[{index}]");
                Refusal::field("INVALID_ARGUMENT", field, format!("{state} is no state"))
            })
        });
        let states: Vec<JobState> = states.collect::<Result<_, _>>()?;
        let any = states.contains(&JobState::Unspecified);
        let filter = Filter { states: if any { Vec::new() } else { states }, labels };
        // What another gateway accepted a moment ago is listed too.
        if page_token.is_empty() {
            self.jobs.table.catch_up(self.jobs.patience()).await.map_err(Refusal::from)?;
        }
        let page = self
            .jobs
            .table
            .read(|fold| listing::page(fold, &filter, page_size, &page_token, full))?;
        Ok(Response::new(ListJobsResponse { jobs: page.jobs, next_page_token: page.next }))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        let job_id = request.into_inner().job_id;
        if job_id.is_empty() {
            return Err(required("job_id").into());
        }
        let job = self.jobs.cancel(&job_id).await?;
        Ok(Response::new(CancelJobResponse { job: Some(job) }))
    }

    async fn get_capabilities(
        &self,
        _: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<GetCapabilitiesResponse>, Status> {
        let policy = &self.jobs.policy;
        let mut solvers = catalog::solvers();
        for told in solvers.iter_mut().filter(|told| !told.available) {
            told.available = self.jobs.is_available(told.solver()).await.unwrap_or(false);
        }
        Ok(Response::new(GetCapabilitiesResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            solvers,
            limits: Some(policy.limits()),
            lanes: policy.lanes.iter().map(ToString::to_string).collect(),
            ephemeral: policy.ephemeral,
        }))
    }
}

/// What remains of a call's own deadline.
fn remaining<T>(request: &Request<T>) -> Option<Duration> {
    grpc_timeout(request.metadata().get("grpc-timeout")?.to_str().ok()?)
}

/// What a watcher leaves out.
fn wants(request: &WatchResultsRequest) -> Result<Wants, Refusal> {
    let interval = request.interval.map(Duration::try_from).transpose();
    let interval =
        interval.ok().filter(|interval| interval.is_none_or(|it| it <= LONGEST_INTERVAL));
    let Some(interval) = interval else {
        let wrong = format!("must be 0 or more, and at most {} s", LONGEST_INTERVAL.as_secs());
        return Err(Refusal::field("INVALID_ARGUMENT", "interval", wrong));
    };
    Ok(Wants {
        skip_progress: request.skip_progress,
        skip_incumbents: request.skip_incumbents,
        skip_log: request.skip_log,
        interval: interval.filter(|interval| !interval.is_zero()),
    })
}

fn required(field: &str) -> Refusal {
    Refusal::field("INVALID_ARGUMENT", field, "is required")
}

fn view(asked: i32, default: JobView) -> Result<JobView, Refusal> {
    match JobView::try_from(asked) {
        Ok(JobView::Unspecified) => Ok(default),
        Ok(view) => Ok(view),
        Err(_) => Err(Refusal::field("INVALID_ARGUMENT", "view", format!("{asked} is no view"))),
    }
}
