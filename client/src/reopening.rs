//! A stream of responses that is opened again when it breaks. What counts as progress, and where
//! the next stream begins, is decided by its user.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tonic::{Response, Status, Streaming};

use crate::{Error, Rejection, Retry, retry::RetryState};

/// A stream that is opened again until the retry budget is used up without progress.
pub(crate) struct Reopening<R> {
    stream: StreamState<R>,
    retry_state: RetryState,
    /// Timeout of an open stream: without a response for this long, it is replaced by a new one.
    silence_timeout: Duration,
    /// The time of the next try, after a failure.
    retry_at: Option<Instant>,
    /// Whether a loss was reported, and not yet followed by a response.
    lost: bool,
}

/// What happened to the stream.
pub(crate) enum Signal<R> {
    /// A response arrived. `restored` if it is the first one after a reported loss.
    Response { response: R, restored: bool },
    /// The stream broke, or could not be opened; `Ok` if the gateway closed it without an error.
    Ended(Result<(), Rejection>),
}

/// The first failure of a stream that is retried.
pub(crate) struct Lost {
    /// The cause.
    pub(crate) cause: Rejection,
    /// What is left of the retry budget.
    pub(crate) remaining_budget: Duration,
}

/// The state of the stream. The future that opens it is kept here, so that it makes progress even
/// if the caller drops [`Reopening::step`] again and again.
enum StreamState<R> {
    Closed,
    /// The error is `None` after a timeout.
    Opening(BoxFuture<'static, Result<OpenStream<R>, Option<Rejection>>>),
    Open(Box<OpenStream<R>>),
}

/// An open stream.
struct OpenStream<R> {
    responses: Streaming<R>,
    since: Instant,
    /// The time at which the silence timeout expires.
    deadline: Instant,
    /// Whether any response was received on this stream.
    any_response: bool,
}

impl<R: Send + 'static> Reopening<R> {
    /// A closed stream, which the first [`step`](Self::step) opens.
    pub(crate) fn new(retry_state: RetryState, silence_timeout: Duration) -> Self {
        let (stream, retry_at, lost) = (StreamState::Closed, None, false);
        Self { stream, retry_state, silence_timeout, retry_at, lost }
    }

    /// Sets the timeout of an open stream without a response.
    pub(crate) fn set_silence_timeout(&mut self, silence_timeout: Duration) {
        self.silence_timeout = silence_timeout;
    }

    /// Waits for one state transition. `open` opens a stream where the last one ended. Every await
    /// leaves a state that the next call can continue from, so the future may be dropped at any of
    /// them.
    ///
    /// # Errors
    ///
    /// When the budget is used up during the opening.
    pub(crate) async fn step<F>(
        &mut self,
        open: impl FnOnce() -> F,
    ) -> Result<Option<Signal<R>>, Error>
    where
        F: Future<Output = Result<Response<Streaming<R>>, Status>> + Send + 'static,
    {
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
                let opening = opened(open(), remaining_budget, self.silence_timeout);
                self.stream = StreamState::Opening(opening.boxed());
                Ok(None)
            }
            StreamState::Opening(opening) => match opening.await {
                Ok(open) => {
                    self.stream = StreamState::Open(Box::new(open));
                    Ok(None)
                }
                Err(Some(rejection)) => Ok(Some(Signal::Ended(Err(rejection)))),
                Err(None) => Err(self.retry_state.timeout_error()),
            },
            StreamState::Open(open) => {
                match timeout_at(open.deadline, open.responses.message()).await {
                    Ok(Ok(Some(response))) => Ok(Some(self.received(response))),
                    Ok(Ok(None)) => Ok(Some(Signal::Ended(Ok(())))),
                    Ok(Err(status)) => Ok(Some(Signal::Ended(Err(status.into())))),
                    Err(_) => {
                        let silent =
                            Rejection::unavailable("the gateway sent nothing for too long");
                        Ok(Some(Signal::Ended(Err(silent))))
                    }
                }
            }
        }
    }

    fn received(&mut self, response: R) -> Signal<R> {
        // This mesh works, so an outage is likely the restart of a gateway: retry for longer.
        self.retry_state.use_policy(Retry::STREAM);
        if let StreamState::Open(open) = &mut self.stream {
            open.deadline = Instant::now() + self.silence_timeout;
            open.any_response = true;
        }
        // A response is progress, unless it arrives right after the opening: a gateway that opens
        // streams and fails at once must use up the budget.
        if self.has_lasted() {
            self.retry_state.reset();
        }
        Signal::Response { response, restored: std::mem::take(&mut self.lost) }
    }

    /// Whether the stream has been open for longer than the maximum backoff.
    pub(crate) fn has_lasted(&self) -> bool {
        let max_backoff = self.retry_state.max_backoff();
        matches!(&self.stream, StreamState::Open(open) if open.since.elapsed() > max_backoff)
    }

    /// Resets the budget, after progress.
    pub(crate) fn progressed(&mut self) {
        self.retry_state.reset();
    }

    /// Closes the stream after a failure, to be opened again after the backoff. Returns the loss if
    /// it has not been reported yet.
    ///
    /// # Errors
    ///
    /// When the failure is permanent, and when the budget is used up.
    pub(crate) fn retry(&mut self, rejection: Rejection) -> Result<Option<Lost>, Error> {
        // The budget runs from the loss of the stream, not from its last response.
        let was_working = matches!(&self.stream, StreamState::Open(open) if open.any_response);
        if was_working && self.retry_state.failures() == 0 {
            self.retry_state.reset();
        }
        self.stream = StreamState::Closed;
        let next_try = self.retry_state.failed(rejection)?;
        self.retry_at = Some(Instant::now() + next_try.backoff);
        let first_failure = !std::mem::replace(&mut self.lost, true);
        Ok(first_failure
            .then_some(Lost { cause: next_try.cause, remaining_budget: next_try.remaining_budget }))
    }

    /// The retry state, for `Debug`.
    pub(crate) fn retry_state(&self) -> &RetryState {
        &self.retry_state
    }
}

/// Waits for a stream to open, for at most the remaining budget.
async fn opened<R>(
    opening: impl Future<Output = Result<Response<Streaming<R>>, Status>>,
    remaining_budget: Duration,
    silence_timeout: Duration,
) -> Result<OpenStream<R>, Option<Rejection>> {
    match timeout(remaining_budget, opening).await {
        Ok(Ok(response)) => {
            let (since, responses) = (Instant::now(), response.into_inner());
            let deadline = since + silence_timeout;
            Ok(OpenStream { responses, since, deadline, any_response: false })
        }
        Ok(Err(status)) => Err(Some(status.into())),
        Err(_) => Err(None),
    }
}
