use std::{collections::BTreeSet, fmt, time::Duration};

use futures::{FutureExt, Stream, future::BoxFuture, stream};
use solvemesh::v1::{
    Event, WatchResultsRequest, WatchResultsResponse, event, watch_results_response::Kind,
};
use solvemesh_rpc::job_service_client::JobServiceClient;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tonic::{Streaming, transport::Channel};

use crate::{Error, Rejection, Retry};

/// Gateways send heartbeats where nothing happens; a stream without even those is
/// given up for a new one.
const SILENCE: Duration = Duration::from_secs(120);

/// The events of jobs, each once and in order.
///
/// A stream that breaks, or that a gateway ends early because it shuts down, is opened
/// anew where it stopped, until it fails too often in a row without getting anywhere.
pub struct Watch {
    stub: JobServiceClient<Channel>,
    /// Always as it must be sent to go on.
    request: WatchResultsRequest,
    /// Jobs whose end was not seen.
    pending: BTreeSet<String>,
    /// Whether it began after a token of the caller's, so that ends may lie before it.
    resumed: bool,
    link: Link,
    retry: Retry,
    failures: u32,
    pause: Option<Instant>,
    ended: bool,
}

/// The way to the gateway. It is kept while it opens, so that a caller who drops
/// [`Watch::next`] now and then gets there too.
enum Link {
    Closed,
    Opening(BoxFuture<'static, Result<Open, Rejection>>),
    Open(Box<Open>),
}

/// An open stream.
struct Open {
    responses: Streaming<WatchResultsResponse>,
    since: Instant,
    /// When its silence becomes too long.
    deadline: Instant,
    any_event: bool,
}

impl Watch {
    pub(crate) fn new(
        stub: JobServiceClient<Channel>,
        retry: Retry,
        job_ids: Vec<String>,
        resume_token: String,
    ) -> Self {
        Self {
            stub,
            retry,
            pending: job_ids.iter().cloned().collect(),
            resumed: !resume_token.is_empty(),
            request: WatchResultsRequest { job_ids, resume_token, skip_progress: false },
            link: Link::Closed,
            failures: 0,
            pause: None,
            ended: false,
        }
    }

    /// Leaves progress events out. To be said before the first [`next`](Self::next).
    pub fn skip_progress(mut self) -> Self {
        self.request.skip_progress = true;
        self
    }

    /// The position after the last event: another watch goes on from here.
    pub fn resume_token(&self) -> &str {
        &self.request.resume_token
    }

    /// The next event; `None` once every job has ended, or after an error. Nothing is
    /// lost when the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when there is no such job, or the token is from before the
    /// beginning of the log; [`Error::Unavailable`] when no gateway can be reached for
    /// too long.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        while !self.ended {
            match self.step().await {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// The same events as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Event, Error>> {
        stream::unfold(self, async |mut watch| Some((watch.next().await?, watch)))
    }

    /// Waits for one thing to happen. Every state it leaves behind is one to go on
    /// from, so it may be dropped at any await.
    async fn step(&mut self) -> Result<Option<Event>, Error> {
        if let Some(pause) = self.pause {
            sleep_until(pause).await;
            self.pause = None;
        }
        match &mut self.link {
            Link::Closed => {
                let opening = open(self.stub.clone(), self.request.clone());
                self.link = Link::Opening(opening.boxed());
                Ok(None)
            }
            Link::Opening(opening) => match opening.await {
                Ok(open) => {
                    self.link = Link::Open(Box::new(open));
                    Ok(None)
                }
                Err(rejection) => self.failed(rejection),
            },
            Link::Open(open) => match timeout_at(open.deadline, open.responses.message()).await {
                Ok(Ok(Some(response))) => Ok(self.received(response)),
                Ok(Ok(None)) => self.closed(),
                Ok(Err(status)) => self.failed(status.into()),
                Err(_) => self.failed(Rejection::silent("the gateway fell silent")),
            },
        }
    }

    fn received(&mut self, response: WatchResultsResponse) -> Option<Event> {
        // Whoever was served once waits for a gateway to come back.
        self.retry = Retry::STREAM;
        if !response.resume_token.is_empty() {
            self.request.resume_token = response.resume_token;
        }
        let event = match response.kind {
            Some(Kind::Event(event)) => Some(event),
            Some(Kind::Heartbeat(_)) | None => None,
        };
        if let Link::Open(open) = &mut self.link {
            open.deadline = Instant::now() + SILENCE;
            open.any_event |= event.is_some();
        }
        let event = event?;
        self.failures = 0;
        if let Some(event::Kind::Finished(_)) = event.kind {
            self.pending.remove(&event.job_id);
            self.ended = self.pending.is_empty();
        }
        Some(event)
    }

    /// The gateway ended the stream although a job's end was not seen: either that lies
    /// before the caller's token, or the gateway shuts down.
    fn closed(&mut self) -> Result<Option<Event>, Error> {
        let any_event = matches!(&self.link, Link::Open(open) if open.any_event);
        if self.resumed && !any_event {
            self.ended = true;
            return Ok(None);
        }
        self.failed(Rejection::silent("the gateway ended the stream early"))
    }

    fn failed(&mut self, rejection: Rejection) -> Result<Option<Event>, Error> {
        // A stream that lived for a while is progress, even without an event.
        if let Link::Open(open) = &self.link
            && open.since.elapsed() > self.retry.longest_pause
        {
            self.failures = 0;
        }
        self.link = Link::Closed;
        self.failures += 1;
        self.pause = Some(Instant::now() + self.retry.judge(self.failures, rejection)?);
        Ok(None)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, pending, failures, ended, .. } = self;
        f.debug_struct("Watch")
            .field("request", request)
            .field("pending", pending)
            .field("failures", failures)
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}

async fn open(
    mut stub: JobServiceClient<Channel>,
    request: WatchResultsRequest,
) -> Result<Open, Rejection> {
    match timeout(SILENCE, stub.watch_results(request)).await {
        Ok(Ok(response)) => {
            let (since, responses) = (Instant::now(), response.into_inner());
            Ok(Open { responses, since, deadline: since + SILENCE, any_event: false })
        }
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(Rejection::silent("the gateway opened no stream in time")),
    }
}
