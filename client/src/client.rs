use std::{fmt, sync::Arc, time::Duration};

use futures::{Stream, TryStreamExt, stream};
use solvemesh::v1::{
    CancelJobRequest, GetCapabilitiesRequest, GetCapabilitiesResponse, GetJobRequest,
    GetUsageRequest, GetUsageResponse, Job, JobEventKind, JobView, ListJobsRequest,
    ListJobsResponse, MeshState, SubmitJobRequest,
};
use tonic::{Response, Status};
use uuid::Uuid;

use crate::{
    Assembly, ConnectOptions, Error, MeshUpdate, MeshWatch, Outcome, Rejection, Retry,
    SweepResults, Watch, connect::Stub, retry::RetryState, sweep::SweepCollector,
};

/// Minimum timeout of each try of a submission, however little is left of the retry budget: a
/// large model takes long to send and to parse.
const SUBMISSION_TIMEOUT: Duration = Duration::from_secs(60);

/// Callback for the first failure of a call: the cause, and how long the call will be retried.
type OnRetry = dyn Fn(&Rejection, Duration) + Send + Sync;

/// A client of one mesh. Cheap to clone: clones share the connection.
#[derive(Clone)]
pub struct Client {
    stub: Stub,
    url: Arc<str>,
    retry: Retry,
    on_retry: Arc<OnRetry>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, retry, .. } = self;
        f.debug_struct("Client").field("url", url).field("retry", retry).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client of the gateway at `url`, such as `http://127.0.0.1:50051`, or
    /// `https://mesh.example` with TLS and the system's CA certificates. Connects lazily, at the first call; a lost connection is reopened by the next call. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] when `url` is not `http://HOST:PORT` or `https://HOST:PORT`. Other parts
    /// of a URL are rejected because they would have no effect. [`Error::Credentials`] when the
    /// system has no CA certificates for `https://`.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, &ConnectOptions::default())
    }

    /// As [`connect`](Self::connect), with certificates and a token. Their files are read now, and
    /// not again.
    ///
    /// # Errors
    ///
    /// [`Error::Credentials`] when a file can't be read or does not contain what it should, and
    /// [`Error::Address`] also when the options need `https://` and `url` does not begin with it.
    pub fn connect_with(url: &str, options: &ConnectOptions) -> Result<Self, Error> {
        let stub = options.stub(url)?;
        Ok(Self { stub, url: url.into(), retry: Retry::CALL, on_retry: Arc::new(|_, _| {}) })
    }

    /// Sets how calls, and the opening of a watch, are retried. [`Retry::CALL`] is the default. A
    /// watch that has received a response is retried by [`Retry::STREAM`] instead.
    pub fn with_retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// Sets a callback that is called when a call fails for the first time and is retried, with
    /// the cause and how long the call will be retried. A [`Watch`] and a [`MeshWatch`] do not call
    /// it, but report the loss of their stream in their updates ([`Watch::update`],
    /// [`MeshWatch::update`]).
    pub fn on_retry(self, callback: impl Fn(&Rejection, Duration) + Send + Sync + 'static) -> Self {
        Self { on_retry: Arc::new(callback), ..self }
    }

    /// The URL of the gateway, as given to [`connect`](Self::connect).
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Submits a model. Returns once the mesh has stored the job durably.
    ///
    /// A request without a `request_id` gets one, so that the submission can be retried without
    /// creating a second job.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with [violations](crate::Rejection::violations) when the model or an
    /// option is invalid. After [`Error::Unavailable`] the job may or may not exist.
    pub async fn submit(&self, mut request: SubmitJobRequest) -> Result<Job, Error> {
        if request.request_id.is_empty() {
            request.request_id = Uuid::new_v4().to_string();
        }
        let answer = self.call_with_min_timeout(
            SUBMISSION_TIMEOUT,
            request,
            |mut stub, request| async move { stub.submit_job(request).await },
        );
        require_job(answer.await?.job)
    }

    /// Watches jobs: all their events, or those after `resume_token` if it is not empty. The
    /// stream is opened by the first [`Watch::next`].
    pub fn watch(
        &self,
        job_ids: impl IntoIterator<Item = impl Into<String>>,
        resume_token: impl Into<String>,
    ) -> Watch {
        let job_ids = job_ids.into_iter().map(Into::into).collect();
        Watch::new(self.stub.clone(), self.retry_state(), job_ids, resume_token.into())
    }

    /// Waits for a job to finish, without a timeout, and returns its outcome.
    ///
    /// # Errors
    ///
    /// Those of [`Watch::next`], and [`Error::Malformed`] when parts of the solution are missing.
    pub async fn result(&self, job_id: &str) -> Result<Outcome, Error> {
        let mut watch = self.watch([job_id], "").kinds([JobEventKind::SolutionPart]);
        let mut assembly = Assembly::default();
        while let Some(event) = watch.next().await {
            if let Some(outcome) = assembly.add(event?)? {
                return Ok(outcome);
            }
        }
        Err(Error::Malformed(format!(
            "the event stream of job {job_id} ended before the job finished"
        )))
    }

    /// Waits for a sweep to finish, without a timeout, and collects its results. To receive them
    /// as they arrive, use [`watch`](Self::watch).
    ///
    /// ```no_run
    /// use solvemesh_client::{Client, v1::{self, ParameterKind}};
    ///
    /// # async fn example(client: Client, model: v1::Model) -> Result<(), solvemesh_client::Error> {
    /// let kind = ParameterKind::Objective.into();
    /// let variable = "Windows".into();
    /// let windows = v1::ScenarioParameter { kind, variable, ..Default::default() };
    /// let axis = v1::GridAxis {
    ///     parameter: Some(windows),
    ///     first: Some(100.0),
    ///     last: Some(1000.0),
    ///     point_count: 10,
    ///     ..Default::default()
    /// };
    /// let grid = v1::sweep::Scenarios::Grid(v1::ScenarioGrid { axes: vec![axis] });
    /// let sweep = Some(v1::Sweep { scenarios: Some(grid), ..Default::default() });
    /// let request = v1::SubmitJobRequest { model: Some(model), sweep, ..Default::default() };
    /// let job = client.submit(request).await?;
    /// for result in client.sweep_results(&job.job_id).await?.results {
    ///     println!("{} {:?}", result.index, result.objective);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Watch::next`], and [`Error::Malformed`] when a scenario has two results.
    pub async fn sweep_results(&self, job_id: &str) -> Result<SweepResults, Error> {
        let mut watch = self.watch([job_id], "").kinds([JobEventKind::ScenarioResults]);
        let mut collector = SweepCollector::default();
        while let Some(event) = watch.next().await {
            if let Some(results) = collector.add(event?)? {
                return Ok(results);
            }
        }
        Err(Error::Malformed(format!(
            "the event stream of job {job_id} ended before the job finished"
        )))
    }

    /// Returns the current state of a job, with its solution if that fits into one message.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with code `NotFound` when there is no such job.
    pub async fn get(&self, job_id: &str) -> Result<Job, Error> {
        let request = GetJobRequest { job_id: job_id.to_owned(), view: JobView::Full.into() };
        let answer =
            self.call(request, |mut stub, request| async move { stub.get_job(request).await });
        require_job(answer.await?.job)
    }

    /// Lists jobs, newest first, from the page that `request` asks for to the last one. Pages are
    /// requested as the stream is read.
    pub fn list(&self, request: ListJobsRequest) -> impl Stream<Item = Result<Job, Error>> + use<> {
        let client = self.clone();
        stream::try_unfold(Some(request), move |request| {
            let client = client.clone();
            async move {
                let Some(mut request) = request else { return Ok(None) };
                let page = client.page(request.clone()).await?;
                // Would be an endless loop.
                if !page.next_page_token.is_empty() && page.next_page_token == request.page_token {
                    return Err(Error::Malformed("the next page of jobs is the same page".into()));
                }
                let more = !page.next_page_token.is_empty();
                request.page_token = page.next_page_token;
                Ok(Some((stream::iter(page.jobs.into_iter().map(Ok)), more.then_some(request))))
            }
        })
        .try_flatten()
    }

    async fn page(&self, request: ListJobsRequest) -> Result<ListJobsResponse, Error> {
        self.call(request, |mut stub, request| async move { stub.list_jobs(request).await }).await
    }

    /// Cancels a job: a queued job is cancelled at once, a running one is asked to stop with its
    /// best solution so far. Returns the job once the request is stored; watch the job to wait
    /// until it has finished.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with code `NotFound` when there is no such job.
    pub async fn cancel(&self, job_id: &str) -> Result<Job, Error> {
        let request = CancelJobRequest { job_id: job_id.to_owned() };
        let answer =
            self.call(request, |mut stub, request| async move { stub.cancel_job(request).await });
        require_job(answer.await?.job)
    }

    /// Returns the solvers, options and limits of the mesh.
    ///
    /// # Errors
    ///
    /// When no gateway can be reached.
    pub async fn capabilities(&self) -> Result<GetCapabilitiesResponse, Error> {
        let request = GetCapabilitiesRequest {};
        self.call(request, |mut stub, request| async move { stub.get_capabilities(request).await })
            .await
    }

    /// Returns what the caller's tenant has in the mesh and has used.
    ///
    /// # Errors
    ///
    /// When no gateway can be reached, or the caller may not ask.
    pub async fn usage(&self) -> Result<GetUsageResponse, Error> {
        let request = GetUsageRequest {};
        self.call(request, |mut stub, request| async move { stub.get_usage(request).await }).await
    }

    /// Returns the current state of the mesh: its lanes, workers and gateways.
    ///
    /// # Errors
    ///
    /// Those of [`MeshWatch::next`].
    pub async fn mesh(&self) -> Result<MeshState, Error> {
        let mut watch = self.watch_mesh();
        while let Some(update) = watch.update().await {
            match update? {
                MeshUpdate::State(state) => return Ok(state),
                MeshUpdate::Lost { cause, remaining_budget } => {
                    (self.on_retry)(&cause, remaining_budget);
                }
                MeshUpdate::Restored => {}
            }
        }
        Err(Error::Malformed("the stream ended before a state of the mesh".into()))
    }

    /// Watches the state of the mesh: at once, and then at an interval, until the watch is dropped.
    /// The stream is opened by the first [`MeshWatch::next`].
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # use solvemesh_client::{Client, Error};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let mut watch = client.watch_mesh().interval(Duration::from_secs(10));
    /// while let Some(state) = watch.next().await {
    ///     for lane in state?.lanes {
    ///         println!("{}: {} jobs are queued", lane.name, lane.queued_count);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch_mesh(&self) -> MeshWatch {
        MeshWatch::new(self.stub.clone(), self.retry_state())
    }

    fn retry_state(&self) -> RetryState {
        RetryState::new(self.retry.clone(), Arc::clone(&self.url))
    }

    /// Sends a small request, with retries until the budget is used up.
    async fn call<Q: Clone, A, F>(
        &self,
        request: Q,
        send: impl Fn(Stub, Q) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.call_with_min_timeout(Duration::ZERO, request, send).await
    }

    /// Sends a request, with retries until the budget is used up. `min_timeout` is the minimum
    /// timeout of each try.
    async fn call_with_min_timeout<Q: Clone, A, F>(
        &self,
        min_timeout: Duration,
        request: Q,
        send: impl Fn(Stub, Q) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let send = || send(self.stub.clone(), request.clone());
        let answer = self.retry_state().run(min_timeout, send, |cause, remaining_budget| {
            (self.on_retry)(cause, remaining_budget);
        });
        Ok(answer.await?.into_inner())
    }
}

/// The job of a response, which must have one.
fn require_job(job: Option<Job>) -> Result<Job, Error> {
    job.ok_or_else(|| Error::Malformed("no job".into()))
}
