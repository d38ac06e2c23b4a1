use std::{fmt, sync::Arc, time::Duration};

use futures::{Stream, TryStreamExt, stream};
use solvemesh::v1::{
    CancelJobRequest, GetCapabilitiesRequest, GetCapabilitiesResponse, GetJobRequest, Job, JobView,
    ListJobsRequest, ListJobsResponse, SubmitJobRequest,
};
use solvemesh_rpc::job_service_client::JobServiceClient;
use tonic::{
    Response, Status,
    transport::{Channel, Endpoint, Uri},
};
use uuid::Uuid;

use crate::{
    Answers, Assembly, Error, Outcome, Rejection, Retry, Watch, retry::Tries, sweep::Collected,
};

/// The largest message that is read. A gateway sends none over 1 MiB; one behind
/// another configuration may.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a connection in use is asked whether it still lives, and how long its
/// answer may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a submission may take, whatever is left of the budget for retries: a large
/// model is slow to send and to read.
const SUBMISSION_TIMEOUT: Duration = Duration::from_secs(60);

/// Hears of the first failure of a call: the cause, and for how long it will be tried.
type OnSetback = dyn Fn(&Rejection, Duration) + Send + Sync;

/// A client of one mesh. Cheap to clone: clones share a connection.
#[derive(Clone)]
pub struct Client {
    stub: JobServiceClient<Channel>,
    url: Arc<str>,
    retry: Retry,
    on_setback: Arc<OnSetback>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, retry, .. } = self;
        f.debug_struct("Client").field("url", url).field("retry", retry).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the gateway at `url`, such as `http://127.0.0.1:50051`. The first
    /// call connects; a connection that is lost is made anew by the next call. Needs
    /// a tokio runtime around it.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] when `url` is not `http://HOST:PORT`: what else a URL may have
    /// would have no effect.
    pub fn connect(url: &str) -> Result<Self, Error> {
        let bad = |reason: String| Error::Address { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|error| bad(format!("{error}")))?;
        if uri.scheme_str() != Some("http") {
            return Err(bad("it does not begin with http://".into()));
        }
        if url.contains('#') {
            return Err(bad("it has a fragment, behind the #".into()));
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            // Which may have a password behind it.
            let url = url.rsplit_once('@').map_or(url, |(_, host)| host);
            let (url, reason) = (format!("http://***@{url}"), "it has a user, before the @".into());
            return Err(Error::Address { url, reason });
        }
        if uri.query().is_some() {
            return Err(bad("it has a query, behind the ?".into()));
        }
        if !matches!(uri.path(), "" | "/") {
            let path = uri.path();
            return Err(bad(format!("it has a path, {path}: gRPC has paths of its own")));
        }
        let channel = Endpoint::from(uri)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .connect_lazy();
        let stub = JobServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self { stub, url: url.into(), retry: Retry::CALL, on_setback: Arc::new(|_, _| {}) })
    }

    /// The same client, with another way to retry calls and the opening of a watch.
    /// [`Retry::CALL`] is the default; a watch that was served goes by
    /// [`Retry::STREAM`].
    pub fn with_retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// The same client, which tells when a call fails for the first time and is tried
    /// again: the cause, and for how long it will be tried. A [`Watch`] tells by itself,
    /// in its [updates](Watch::update).
    pub fn on_setback(self, tell: impl Fn(&Rejection, Duration) + Send + Sync + 'static) -> Self {
        Self { on_setback: Arc::new(tell), ..self }
    }

    /// The address of its gateway, as given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Submits a model; returns once its job is safe with the mesh.
    ///
    /// A request without a `request_id` gets one, so that a submission whose outcome
    /// stays unknown can be repeated, and is, without making a second job.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with [violations](crate::Rejection::violations) when the
    /// model or an option is at fault; [`Error::Unavailable`] leaves open whether the
    /// job exists.
    pub async fn submit(&self, mut request: SubmitJobRequest) -> Result<Job, Error> {
        if request.request_id.is_empty() {
            request.request_id = Uuid::new_v4().to_string();
        }
        let answer = self.call(SUBMISSION_TIMEOUT, request, |mut stub, request| async move {
            stub.submit_job(request).await
        });
        present(answer.await?.job)
    }

    /// Watches jobs: their events from the beginning, or those after `resume_token`.
    /// The stream is opened by the first [`Watch::next`].
    pub fn watch(
        &self,
        job_ids: impl IntoIterator<Item = impl Into<String>>,
        resume_token: impl Into<String>,
    ) -> Watch {
        let job_ids = job_ids.into_iter().map(Into::into).collect();
        Watch::new(self.stub.clone(), self.tries(), job_ids, resume_token.into())
    }

    /// Waits for a job to end, however long that takes, and collects its result.
    ///
    /// # Errors
    ///
    /// Those of [`Watch::next`], and [`Error::Malformed`] when the solution does not
    /// come whole.
    pub async fn result(&self, job_id: &str) -> Result<Outcome, Error> {
        let mut watch = self.watch([job_id], "").skip_progress().skip_incumbents().skip_log();
        let mut assembly = Assembly::default();
        while let Some(event) = watch.next().await {
            if let Some(outcome) = assembly.add(event?)? {
                return Ok(outcome);
            }
        }
        Err(Error::Malformed(format!("the events of job {job_id} ended before it did")))
    }

    /// Waits for a sweep to end, however long that takes, and collects its answers. To see
    /// them as they come, [`watch`](Self::watch) it.
    ///
    /// ```no_run
    /// use solvemesh_client::{Client, v1::{self, ParameterKind}};
    ///
    /// # async fn example(client: Client, model: v1::Model) -> Result<(), solvemesh_client::Error> {
    /// let kind = ParameterKind::Objective.into();
    /// let windows = v1::Parameter { kind, variable: "Windows".into(), ..Default::default() };
    /// let axis = v1::GridAxis {
    ///     parameter: Some(windows),
    ///     from: Some(100.0),
    ///     to: Some(1000.0),
    ///     points: 10,
    ///     ..Default::default()
    /// };
    /// let grid = v1::sweep::Scenarios::Grid(v1::ScenarioGrid { axes: vec![axis] });
    /// let sweep = Some(v1::Sweep { scenarios: Some(grid), ..Default::default() });
    /// let request = v1::SubmitJobRequest { model: Some(model), sweep, ..Default::default() };
    /// let job = client.submit(request).await?;
    /// for result in client.answers(&job.job_id).await?.results {
    ///     println!("{} {:?}", result.index, result.objective);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Watch::next`], and [`Error::Malformed`] when a scenario is answered twice.
    pub async fn answers(&self, job_id: &str) -> Result<Answers, Error> {
        let mut watch = self.watch([job_id], "").skip_progress().skip_incumbents().skip_log();
        let mut collected = Collected::default();
        while let Some(event) = watch.next().await {
            if let Some(answers) = collected.add(event?)? {
                return Ok(answers);
            }
        }
        Err(Error::Malformed(format!("the events of job {job_id} ended before it did")))
    }

    /// Tells about a job, with its solution where that fits into one message.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with code `NotFound` when there is no such job.
    pub async fn get(&self, job_id: &str) -> Result<Job, Error> {
        let request = GetJobRequest { job_id: job_id.to_owned(), view: JobView::Full.into() };
        let answer =
            self.ask(request, |mut stub, request| async move { stub.get_job(request).await });
        present(answer.await?.job)
    }

    /// Lists jobs, the latest first, page by page as the stream is read, from the page
    /// that `request` asks for to the last one.
    pub fn list(&self, request: ListJobsRequest) -> impl Stream<Item = Result<Job, Error>> + use<> {
        let client = self.clone();
        stream::try_unfold(Some(request), move |request| {
            let client = client.clone();
            async move {
                let Some(mut request) = request else { return Ok(None) };
                let page = client.page(request.clone()).await?;
                if !page.next_page_token.is_empty() && page.next_page_token == request.page_token {
                    return Err(Error::Malformed("a page of jobs follows itself".into()));
                }
                let more = !page.next_page_token.is_empty();
                request.page_token = page.next_page_token;
                Ok(Some((stream::iter(page.jobs.into_iter().map(Ok)), more.then_some(request))))
            }
        })
        .try_flatten()
    }

    async fn page(&self, request: ListJobsRequest) -> Result<ListJobsResponse, Error> {
        self.ask(request, |mut stub, request| async move { stub.list_jobs(request).await }).await
    }

    /// Ends a queued job; asks a running one to stop with the best solution it has.
    /// Returns the job once the mesh knows of the cancel; watch it for the end.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with code `NotFound` when there is no such job.
    pub async fn cancel(&self, job_id: &str) -> Result<Job, Error> {
        let request = CancelJobRequest { job_id: job_id.to_owned() };
        let answer =
            self.ask(request, |mut stub, request| async move { stub.cancel_job(request).await });
        present(answer.await?.job)
    }

    /// Tells what the mesh can do.
    ///
    /// # Errors
    ///
    /// When no gateway can be reached.
    pub async fn capabilities(&self) -> Result<GetCapabilitiesResponse, Error> {
        let request = GetCapabilitiesRequest {};
        self.ask(request, |mut stub, request| async move { stub.get_capabilities(request).await })
            .await
    }

    fn tries(&self) -> Tries {
        Tries::new(self.retry.clone(), Arc::clone(&self.url))
    }

    /// Sends a small call until it is answered or the budget for retries is used up.
    async fn ask<Q: Clone, A, F>(
        &self,
        request: Q,
        send: impl Fn(JobServiceClient<Channel>, Q) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.call(Duration::ZERO, request, send).await
    }

    /// Sends a call until it is answered or given up; `least` is what each try is given.
    async fn call<Q: Clone, A, F>(
        &self,
        least: Duration,
        request: Q,
        send: impl Fn(JobServiceClient<Channel>, Q) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let send = || send(self.stub.clone(), request.clone());
        let answer = self.tries().run(least, send, |cause, time| (self.on_setback)(cause, time));
        Ok(answer.await?.into_inner())
    }
}

/// The job that an answer must have.
fn present(job: Option<Job>) -> Result<Job, Error> {
    job.ok_or_else(|| Error::Malformed("it tells of no job".into()))
}
