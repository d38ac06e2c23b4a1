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
        /// How long the stream will be retried.
        patience: Duration,
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
    link: Link,
    tries: RetryState,
    /// The time of the next try, after a failure.
    pause: Option<Instant>,
    /// Whether `Update::Lost` was returned, and not yet followed by `Update::Restored`.
    lost: bool,
    /// The event in the response that restored the stream, returned after `Update::Restored`.
    held: Option<JobEvent>,
    ended: bool,
}

/// The state of the stream. The future that opens it is kept here, so that it makes progress even
/// if the caller drops [`Watch::next`] again and again.
enum Link {
    Closed,
    /// The error is `None` after a timeout.
    Opening(BoxFuture<'static, Result<Open, Option<Rejection>>>),
    Open(Box<Open>),
}

/// An open stream.
struct Open {
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
        tries: RetryState,
        job_ids: Vec<String>,
        resume_token: String,
    ) -> Self {
        Self {
            stub,
            tries,
            pending: job_ids.iter().cloned().collect(),
            resumed: !resume_token.is_empty(),
            request: WatchResultsRequest { job_ids, resume_token, ..Default::default() },
            link: Link::Closed,
            pause: None,
            lost: false,
            held: None,
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
        if let Some(event) = self.held.take() {
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
        if let Some(pause) = self.pause {
            sleep_until(pause).await;
            self.pause = None;
        }
        match &mut self.link {
            Link::Closed => {
                if self.tries.failures() == 0 {
                    self.tries.reset();
                }
                let patience = self.tries.patience();
                let opening = open(self.stub.clone(), self.request.clone(), patience);
                self.link = Link::Opening(opening.boxed());
                Ok(None)
            }
            Link::Opening(opening) => match opening.await {
                Ok(open) => {
                    self.link = Link::Open(Box::new(open));
                    Ok(None)
                }
                Err(Some(rejection)) => self.failed(rejection),
                Err(None) => Err(self.tries.unanswered()),
            },
            Link::Open(open) => match timeout_at(open.deadline, open.responses.message()).await {
                Ok(Ok(Some(response))) => Ok(self.received(response)),
                Ok(Ok(None)) => self.closed(),
                Ok(Err(status)) => self.failed(status),
                Err(_) => self.failed(Rejection::silent("the gateway sent no heartbeat")),
            },
        }
    }

    fn received(&mut self, response: WatchResultsResponse) -> Option<Update> {
        // This mesh works, so an outage is likely the restart of a gateway: retry for longer.
        self.tries.use_policy(Retry::STREAM);
        if !response.resume_token.is_empty() {
            self.request.resume_token = response.resume_token;
        }
        let event = match response.kind {
            Some(Kind::Event(event)) => Some(event),
            Some(Kind::Heartbeat(_)) | None => None,
        };
        if let Link::Open(open) = &mut self.link {
            open.deadline = Instant::now() + SILENCE_TIMEOUT;
            open.any_response = true;
            open.any_event |= event.is_some();
            // A heartbeat is progress too, unless it arrives right after the opening: a gateway
            // that opens streams and fails at once must use up the budget.
            if event.is_some() || open.since.elapsed() > self.tries.longest_pause() {
                self.tries.reset();
            }
        }
        if let Some(JobEvent { job_id, kind: Some(job_event::Kind::Finished(_)), .. }) = &event {
            self.pending.remove(job_id);
            self.ended = self.pending.is_empty();
        }
        if std::mem::take(&mut self.lost) {
            self.held = event;
            return Some(Update::Restored);
        }
        event.map(Update::Event)
    }

    /// Handles the end of the stream before all jobs have finished: either they finished before
    /// the caller's resume token, or the gateway is shutting down.
    fn closed(&mut self) -> Result<Option<Update>, Error> {
        let any_event = matches!(&self.link, Link::Open(open) if open.any_event);
        if self.resumed && !any_event {
            self.ended = true;
            return Ok(None);
        }
        self.failed(Rejection::silent("the gateway closed the stream early"))
    }

    fn failed(&mut self, rejection: impl Into<Rejection>) -> Result<Option<Update>, Error> {
        // The budget runs from the loss of the stream, not from its last response.
        if matches!(&self.link, Link::Open(open) if open.any_response && self.tries.failures() == 0)
        {
            self.tries.reset();
        }
        self.link = Link::Closed;
        let again = self.tries.failed(rejection)?;
        self.pause = Some(Instant::now() + again.pause);
        let news = !std::mem::replace(&mut self.lost, true);
        Ok(news.then_some(Update::Lost { cause: again.cause, patience: again.patience }))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, pending, tries, ended, .. } = self;
        f.debug_struct("Watch")
            .field("request", request)
            .field("pending", pending)
            .field("tries", tries)
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}

async fn open(
    mut stub: JobServiceClient<Channel>,
    request: WatchResultsRequest,
    patience: Duration,
) -> Result<Open, Option<Rejection>> {
    match timeout(patience, stub.watch_results(request)).await {
        Ok(Ok(response)) => {
            let (since, responses) = (Instant::now(), response.into_inner());
            Ok(Open {
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
