use std::{collections::BTreeSet, fmt, time::Duration};

use futures::{FutureExt, Stream, future::BoxFuture, stream};
use solvemesh::v1::{
    JobEvent, JobEventKind, WatchResultsRequest, WatchResultsResponse, job_event,
    watch_results_response::Kind,
};
use solvemesh_rpc::job_service_client::JobServiceClient;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tonic::{Streaming, transport::Channel};

use crate::{Error, Rejection, Retry, retry::RetryState};

/// Timeout of an open stream: without a response for this long, it is replaced by a new one.
/// Gateways send heartbeats while there are no events, so such a stream is broken.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(120);

/// An update of a [`Watch`].
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every update is an event")]
pub enum Update {
    /// An event of a job.
    Event(JobEvent),
    /// The stream broke, or could not be opened, and is retried. Reported once, however often the
    /// retries fail.
    Lost {
        /// The cause.
        cause: Rejection,
        /// How long the stream will be retried: what is left of the retry budget.
        remaining_budget: Duration,
    },
    /// The lost stream is open again, and continues where it stopped.
    Restored,
}

/// The events of jobs, each once and in order.
///
/// If the stream breaks, or a gateway closes it early because it shuts down, it is opened again
/// where it stopped, until the retry budget is used up without progress.
pub struct Watch {
    stub: JobServiceClient<Channel>,
    /// The request that continues the stream: its resume token is updated by every response.
    request: WatchResultsRequest,
    /// The jobs that have not finished.
    pending: BTreeSet<String>,
    /// Whether the caller passed a resume token, so that jobs may have finished before it.
    resumed: bool,
    stream: StreamState,
    retry_state: RetryState,
    /// The time of the next try, after a failure.
    retry_at: Option<Instant>,
    /// Whether `Update::Lost` was returned, and not yet followed by `Update::Restored`.
    lost: bool,
    /// The event in the response that restored the stream, returned after `Update::Restored`.
    buffered_event: Option<JobEvent>,
    ended: bool,
}

/// The state of the stream. The future that opens it is kept here, so that it makes progress even
/// if the caller drops [`Watch::next`] again and again.
enum StreamState {
    Closed,
    /// The error is `None` after a timeout.
    Opening(BoxFuture<'static, Result<OpenStream, Option<Rejection>>>),
    Open(Box<OpenStream>),
}

/// An open stream.
struct OpenStream {
    responses: Streaming<WatchResultsResponse>,
    since: Instant,
    /// The time at which the silence timeout expires.
    deadline: Instant,
    /// Whether any response, heartbeats included, was received on this stream.
    any_response: bool,
    /// Whether any event was received on this stream.
    any_event: bool,
}

impl Watch {
    pub(crate) fn new(
        stub: JobServiceClient<Channel>,
        retry_state: RetryState,
        job_ids: Vec<String>,
        resume_token: String,
    ) -> Self {
        Self {
            stub,
            retry_state,
            pending: job_ids.iter().cloned().collect(),
            resumed: !resume_token.is_empty(),
            request: WatchResultsRequest { job_ids, resume_token, ..Default::default() },
            stream: StreamState::Closed,
            retry_at: None,
            lost: false,
            buffered_event: None,
            ended: false,
        }
    }

    /// Only events of these kinds; `queued`, `started` and `finished` always arrive. Must be called
    /// before the first [`next`](Self::next).
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = JobEventKind>) -> Self {
        self.request.kinds = kinds.into_iter().map(Into::into).collect();
        self
    }

    /// Throttles progress and incumbents: of those within this interval, at most an hour, only the
    /// latest of each job arrives. Other events arrive at once. Must be called before the first
    /// [`next`](Self::next).
    pub fn interval(mut self, interval: Duration) -> Self {
        self.request.min_interval = interval.try_into().ok();
        self
    }

    /// The position after the last event, from which another watch can continue.
    pub fn resume_token(&self) -> &str {
        &self.request.resume_token
    }

    /// Waits for the next event; `None` when every job has finished, and after an error. Cancel
    /// safe: no event is lost when the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when there is no such job, or the token is from before the start of the
    /// log; [`Error::Unavailable`] when the retry budget is used up.
    pub async fn next(&mut self) -> Option<Result<JobEvent, Error>> {
        loop {
            match self.update().await? {
                Ok(Update::Event(event)) => return Some(Ok(event)),
                Ok(Update::Lost { .. } | Update::Restored) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// As [`next`](Self::next), but also reports when the stream is lost and restored.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub async fn update(&mut self) -> Option<Result<Update, Error>> {
        if let Some(event) = self.buffered_event.take() {
            return Some(Ok(Update::Event(event)));
        }
        while !self.ended {
            match self.step().await {
                Ok(Some(update)) => return Some(Ok(update)),
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Converts the watch into a [`Stream`] of its events.
    pub fn into_stream(self) -> impl Stream<Item = Result<JobEvent, Error>> {
        stream::unfold(self, async |mut watch| Some((watch.next().await?, watch)))
    }

    /// Waits for one state transition. Every await leaves a state that the next call can continue
    /// from, so the future may be dropped at any of them.
    async fn step(&mut self) -> Result<Option<Update>, Error> {
        if let Some(retry_at) = self.retry_at {
            sleep_until(retry_at).await;
            self.retry_at = None;
        }
        match &mut self.stream {
            StreamState::Closed => {
                // The budget of the first try runs from here, not from the creation of the watch:
                // the caller may have waited before its first call.
                if self.retry_state.failures() == 0 {
                    self.retry_state.reset();
                }
                let remaining_budget = self.retry_state.remaining_budget();
                let opening = open(self.stub.clone(), self.request.clone(), remaining_budget);
                self.stream = StreamState::Opening(opening.boxed());
                Ok(None)
            }
            StreamState::Opening(opening) => match opening.await {
                Ok(open) => {
                    self.stream = StreamState::Open(Box::new(open));
                    Ok(None)
                }
                Err(Some(rejection)) => self.failed(rejection),
                Err(None) => Err(self.retry_state.timeout_error()),
            },
            StreamState::Open(open) => {
                match timeout_at(open.deadline, open.responses.message()).await {
                    Ok(Ok(Some(response))) => Ok(self.received(response)),
                    Ok(Ok(None)) => self.closed(),
                    Ok(Err(status)) => self.failed(status),
                    Err(_) => self.failed(Rejection::unavailable("the gateway sent no heartbeat")),
                }
            }
        }
    }

    fn received(&mut self, response: WatchResultsResponse) -> Option<Update> {
        // This mesh works, so an outage is likely the restart of a gateway: retry for longer.
        self.retry_state.use_policy(Retry::STREAM);
        if !response.resume_token.is_empty() {
            self.request.resume_token = response.resume_token;
        }
        let event = match response.kind {
            Some(Kind::Event(event)) => Some(event),
            Some(Kind::Heartbeat(_)) | None => None,
        };
        if let StreamState::Open(open) = &mut self.stream {
            open.deadline = Instant::now() + SILENCE_TIMEOUT;
            open.any_response = true;
            open.any_event |= event.is_some();
            // A heartbeat is progress too, unless it arrives right after the opening: a gateway
            // that opens streams and fails at once must use up the budget.
            if event.is_some() || open.since.elapsed() > self.retry_state.max_backoff() {
                self.retry_state.reset();
            }
        }
        if let Some(JobEvent { job_id, kind: Some(job_event::Kind::Finished(_)), .. }) = &event {
            self.pending.remove(job_id);
            self.ended = self.pending.is_empty();
        }
        if std::mem::take(&mut self.lost) {
            self.buffered_event = event;
            return Some(Update::Restored);
        }
        event.map(Update::Event)
    }

    /// Handles the end of the stream before all jobs have finished: either they finished before
    /// the caller's resume token, or the gateway is shutting down.
    fn closed(&mut self) -> Result<Option<Update>, Error> {
        let any_event = matches!(&self.stream, StreamState::Open(open) if open.any_event);
        if self.resumed && !any_event {
            self.ended = true;
            return Ok(None);
        }
        self.failed(Rejection::unavailable("the gateway closed the stream early"))
    }

    fn failed(&mut self, rejection: impl Into<Rejection>) -> Result<Option<Update>, Error> {
        // The budget runs from the loss of the stream, not from its last response.
        let was_working = matches!(&self.stream, StreamState::Open(open) if open.any_response);
        if was_working && self.retry_state.failures() == 0 {
            self.retry_state.reset();
        }
        self.stream = StreamState::Closed;
        let next_try = self.retry_state.failed(rejection)?;
        self.retry_at = Some(Instant::now() + next_try.backoff);
        let first_failure = !std::mem::replace(&mut self.lost, true);
        Ok(first_failure.then_some(Update::Lost {
            cause: next_try.cause,
            remaining_budget: next_try.remaining_budget,
        }))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, pending, retry_state, ended, .. } = self;
        f.debug_struct("Watch")
            .field("request", request)
            .field("pending", pending)
            .field("retry_state", retry_state)
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}

async fn open(
    mut stub: JobServiceClient<Channel>,
    request: WatchResultsRequest,
    remaining_budget: Duration,
) -> Result<OpenStream, Option<Rejection>> {
    match timeout(remaining_budget, stub.watch_results(request)).await {
        Ok(Ok(response)) => {
            let (since, responses) = (Instant::now(), response.into_inner());
            Ok(OpenStream {
                responses,
                since,
                deadline: since + SILENCE_TIMEOUT,
                any_response: false,
                any_event: false,
            })
        }
        Ok(Err(status)) => Err(Some(status.into())),
        Err(_) => Err(None),
    }
}
