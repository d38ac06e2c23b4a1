use std::{collections::BTreeSet, fmt, time::Duration};

use futures::{Stream, stream};
use solvemesh::v1::{
    JobEvent, JobEventKind, WatchResultsRequest, WatchResultsResponse, job_event,
    watch_results_response::Kind,
};

use crate::{
    Error, Rejection,
    connect::Stub,
    reopening::{Lost, Reopening, Signal},
    retry::RetryState,
};

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
    stub: Stub,
    /// The request that continues the stream: its resume token is updated by every response.
    request: WatchResultsRequest,
    /// The jobs that have not finished.
    pending: BTreeSet<String>,
    /// Whether the caller passed a resume token, so that jobs may have finished before it.
    resumed: bool,
    stream: Reopening<WatchResultsResponse>,
    /// Whether any event was received on the stream that is open.
    any_event: bool,
    /// The event in the response that restored the stream, returned after `Update::Restored`.
    buffered_event: Option<JobEvent>,
    ended: bool,
}

impl Watch {
    pub(crate) fn new(
        stub: Stub,
        retry_state: RetryState,
        job_ids: Vec<String>,
        resume_token: String,
    ) -> Self {
        Self {
            stub,
            pending: job_ids.iter().cloned().collect(),
            resumed: !resume_token.is_empty(),
            request: WatchResultsRequest { job_ids, resume_token, ..Default::default() },
            stream: Reopening::new(retry_state, SILENCE_TIMEOUT),
            any_event: false,
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

    /// Waits for one state transition of the stream. The future may be dropped at any time.
    async fn step(&mut self) -> Result<Option<Update>, Error> {
        let open = || {
            let (mut stub, request) = (self.stub.clone(), self.request.clone());
            async move { stub.watch_results(request).await }
        };
        match self.stream.step(open).await? {
            Some(Signal::Response { response, restored }) => Ok(self.received(response, restored)),
            Some(Signal::Ended(Ok(()))) => self.closed(),
            Some(Signal::Ended(Err(rejection))) => self.failed(rejection),
            None => Ok(None),
        }
    }

    fn received(&mut self, response: WatchResultsResponse, restored: bool) -> Option<Update> {
        if !response.resume_token.is_empty() {
            self.request.resume_token = response.resume_token;
        }
        let event = match response.kind {
            Some(Kind::Event(event)) => Some(event),
            Some(Kind::Heartbeat(_)) | None => None,
        };
        if event.is_some() {
            self.any_event = true;
            self.stream.progressed();
        }
        if let Some(JobEvent { job_id, kind: Some(job_event::Kind::Finished(_)), .. }) = &event {
            self.pending.remove(job_id);
            self.ended = self.pending.is_empty();
        }
        if restored {
            self.buffered_event = event;
            return Some(Update::Restored);
        }
        event.map(Update::Event)
    }

    /// Handles the end of the stream before all jobs have finished: either they finished before
    /// the caller's resume token, or the gateway is shutting down.
    fn closed(&mut self) -> Result<Option<Update>, Error> {
        if self.resumed && !self.any_event {
            self.ended = true;
            return Ok(None);
        }
        self.failed(Rejection::unavailable("the gateway closed the stream early"))
    }

    fn failed(&mut self, rejection: Rejection) -> Result<Option<Update>, Error> {
        self.any_event = false;
        let lost = self.stream.retry(rejection)?;
        Ok(lost.map(|Lost { cause, remaining_budget }| Update::Lost { cause, remaining_budget }))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, pending, stream, ended, .. } = self;
        f.debug_struct("Watch")
            .field("request", request)
            .field("pending", pending)
            .field("retry_state", stream.retry_state())
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}
