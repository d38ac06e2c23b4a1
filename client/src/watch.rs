use std::{collections::BTreeSet, fmt, time::Duration};

use futures::{FutureExt, Stream, future::BoxFuture, stream};
use solvemesh::v1::{
    Event, WatchResultsRequest, WatchResultsResponse, event, watch_results_response::Kind,
};
use solvemesh_rpc::job_service_client::JobServiceClient;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tonic::{Streaming, transport::Channel};

use crate::{Error, Rejection, Retry, retry::Tries};

/// Gateways send heartbeats where nothing happens; a stream without even those is
/// given up for a new one.
const SILENCE: Duration = Duration::from_secs(120);

/// What a [`Watch`] has to tell.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every update is an event")]
pub enum Update {
    /// Something happened to a job.
    Event(Event),
    /// The stream broke, or could not be opened, and is tried again. Told once, however
    /// often that fails.
    Lost {
        /// Why.
        cause: Rejection,
        /// For how long it will be tried.
        patience: Duration,
    },
    /// The stream that was lost is there, and goes on where it stopped.
    Restored,
}

/// The events of jobs, each once and in order.
///
/// A stream that breaks, or that a gateway ends early because it shuts down, is opened
/// anew where it stopped, until that gets nowhere for too long.
pub struct Watch {
    stub: JobServiceClient<Channel>,
    /// Always as it must be sent to go on.
    request: WatchResultsRequest,
    /// Jobs whose end was not seen.
    pending: BTreeSet<String>,
    /// Whether it began after a token of the caller's, so that ends may lie before it.
    resumed: bool,
    link: Link,
    tries: Tries,
    pause: Option<Instant>,
    /// Whether its loss was told, and its return was not.
    lost: bool,
    /// An event that came with the return.
    held: Option<Event>,
    ended: bool,
}

/// The way to the gateway. It is kept while it opens, so that a caller who drops
/// [`Watch::next`] now and then gets there too.
enum Link {
    Closed,
    /// `None` when there was no answer in time.
    Opening(BoxFuture<'static, Result<Open, Option<Rejection>>>),
    Open(Box<Open>),
}

/// An open stream.
struct Open {
    responses: Streaming<WatchResultsResponse>,
    since: Instant,
    /// When its silence becomes too long.
    deadline: Instant,
    any_response: bool,
    any_event: bool,
}

impl Watch {
    pub(crate) fn new(
        stub: JobServiceClient<Channel>,
        tries: Tries,
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

    /// Leaves progress events out. To be said before the first [`next`](Self::next).
    pub fn skip_progress(mut self) -> Self {
        self.request.skip_progress = true;
        self
    }

    /// Leaves incumbents out. To be said before the first [`next`](Self::next).
    pub fn skip_incumbents(mut self) -> Self {
        self.request.skip_incumbents = true;
        self
    }

    /// Leaves the solver's log out. To be said before the first [`next`](Self::next).
    pub fn skip_log(mut self) -> Self {
        self.request.skip_log = true;
        self
    }

    /// Looks at how the solves go once in this time, of at most an hour: each time the latest
    /// progress and the latest incumbent of each job are told, and what else happens at once.
    /// To be said before the first [`next`](Self::next).
    pub fn interval(mut self, interval: Duration) -> Self {
        self.request.interval = interval.try_into().ok();
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
        loop {
            match self.update().await? {
                Ok(Update::Event(event)) => return Some(Ok(event)),
                Ok(Update::Lost { .. } | Update::Restored) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// As [`next`](Self::next), and tells besides when the stream is lost and when it is
    /// there again.
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

    /// The same events as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Event, Error>> {
        stream::unfold(self, async |mut watch| Some((watch.next().await?, watch)))
    }

    /// Waits for one thing to happen. Every state it leaves behind is one to go on
    /// from, so it may be dropped at any await.
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
                Err(_) => self.failed(Rejection::silent("the gateway fell silent")),
            },
        }
    }

    fn received(&mut self, response: WatchResultsResponse) -> Option<Update> {
        // Whoever was served once waits for a gateway to come back.
        self.tries.go_by(Retry::STREAM);
        if !response.resume_token.is_empty() {
            self.request.resume_token = response.resume_token;
        }
        let event = match response.kind {
            Some(Kind::Event(event)) => Some(event),
            Some(Kind::Heartbeat(_)) | None => None,
        };
        if let Link::Open(open) = &mut self.link {
            open.deadline = Instant::now() + SILENCE;
            open.any_response = true;
            open.any_event |= event.is_some();
            // A sign of life is progress too, if it does not come with the opening.
            if event.is_some() || open.since.elapsed() > self.tries.longest_pause() {
                self.tries.reset();
            }
        }
        if let Some(Event { job_id, kind: Some(event::Kind::Finished(_)), .. }) = &event {
            self.pending.remove(job_id);
            self.ended = self.pending.is_empty();
        }
        if std::mem::take(&mut self.lost) {
            self.held = event;
            return Some(Update::Restored);
        }
        event.map(Update::Event)
    }

    /// The gateway ended the stream although a job's end was not seen: either that lies
    /// before the caller's token, or the gateway shuts down.
    fn closed(&mut self) -> Result<Option<Update>, Error> {
        let any_event = matches!(&self.link, Link::Open(open) if open.any_event);
        if self.resumed && !any_event {
            self.ended = true;
            return Ok(None);
        }
        self.failed(Rejection::silent("the gateway ended the stream early"))
    }

    fn failed(&mut self, rejection: impl Into<Rejection>) -> Result<Option<Update>, Error> {
        // The time for tries runs from the loss, not from the last that was heard.
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
                deadline: since + SILENCE,
                any_response: false,
                any_event: false,
            })
        }
        Ok(Err(status)) => Err(Some(status.into())),
        Err(_) => Err(None),
    }
}
