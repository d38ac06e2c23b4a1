use std::{fmt, time::Duration};

use futures::{Stream, stream};
use solvemesh::v1::{MeshState, WatchMeshRequest, WatchMeshResponse};

use crate::{
    Error, Rejection,
    connect::Stub,
    reopening::{Lost, Reopening, Signal},
    retry::RetryState,
};

/// Timeout of an open stream, in addition to its interval: without a state for this long, it is
/// replaced by a new one.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// The interval of a request without one.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

/// An update of a [`MeshWatch`].
#[derive(Clone, Debug, PartialEq)]
pub enum MeshUpdate {
    /// The latest state of the mesh.
    State(MeshState),
    /// The stream broke, or could not be opened, and is retried. Reported once, however often the
    /// retries fail.
    Lost {
        /// The cause.
        cause: Rejection,
        /// How long the stream will be retried: what is left of the retry budget.
        remaining_budget: Duration,
    },
    /// The lost stream is open again.
    Restored,
}

/// The states of a mesh, one after another, without an end.
///
/// If the stream breaks, or the gateway closes it because it shuts down, it is opened again, until
/// the retry budget is used up without progress.
pub struct MeshWatch {
    stub: Stub,
    request: WatchMeshRequest,
    stream: Reopening<WatchMeshResponse>,
    /// The state in the response that restored the stream, returned after `MeshUpdate::Restored`.
    buffered_state: Option<MeshState>,
    ended: bool,
}

impl MeshWatch {
    pub(crate) fn new(stub: Stub, retry_state: RetryState) -> Self {
        Self {
            stub,
            request: WatchMeshRequest::default(),
            stream: Reopening::new(retry_state, DEFAULT_INTERVAL + SILENCE_TIMEOUT),
            buffered_state: None,
            ended: false,
        }
    }

    /// Sets the time between two states, from 0.5 s to an hour; 2 s without this call. Must be
    /// called before the first [`next`](Self::next).
    pub fn interval(mut self, interval: Duration) -> Self {
        // The gateway refuses what is out of range; one that has no form in the request would be
        // taken for none.
        let interval = interval.min(Duration::from_secs(u32::MAX.into()));
        self.request.interval = interval.try_into().ok();
        self.stream.set_silence_timeout(interval.saturating_add(SILENCE_TIMEOUT));
        self
    }

    /// Waits for the next state; the first one is sent at once. `None` only after an error. Cancel
    /// safe: no state is lost when the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when the interval is out of range, or the gateway is older than this
    /// call; [`Error::Unavailable`] when the retry budget is used up.
    pub async fn next(&mut self) -> Option<Result<MeshState, Error>> {
        loop {
            match self.update().await? {
                Ok(MeshUpdate::State(state)) => return Some(Ok(state)),
                Ok(MeshUpdate::Lost { .. } | MeshUpdate::Restored) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// As [`next`](Self::next), but also reports when the stream is lost and restored.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub async fn update(&mut self) -> Option<Result<MeshUpdate, Error>> {
        if let Some(state) = self.buffered_state.take() {
            return Some(Ok(MeshUpdate::State(state)));
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

    /// Converts the watch into a [`Stream`] of its states.
    pub fn into_stream(self) -> impl Stream<Item = Result<MeshState, Error>> {
        stream::unfold(self, async |mut watch| Some((watch.next().await?, watch)))
    }

    /// Waits for one state transition of the stream. The future may be dropped at any time.
    async fn step(&mut self) -> Result<Option<MeshUpdate>, Error> {
        let open = || {
            let (mut stub, request) = (self.stub.clone(), self.request);
            async move { stub.watch_mesh(request).await }
        };
        match self.stream.step(open).await? {
            Some(Signal::Response { response, restored }) => self.received(response, restored),
            Some(Signal::Ended(Ok(()))) => {
                self.failed(Rejection::unavailable("the gateway closed the stream"))
            }
            Some(Signal::Ended(Err(rejection))) => self.failed(rejection),
            None => Ok(None),
        }
    }

    fn received(
        &mut self,
        response: WatchMeshResponse,
        restored: bool,
    ) -> Result<Option<MeshUpdate>, Error> {
        let missing = || Error::Malformed("no state of the mesh".into());
        let state = response.mesh.ok_or_else(missing)?;
        if restored {
            self.buffered_state = Some(state);
            return Ok(Some(MeshUpdate::Restored));
        }
        Ok(Some(MeshUpdate::State(state)))
    }

    fn failed(&mut self, rejection: Rejection) -> Result<Option<MeshUpdate>, Error> {
        // With a long interval, the last state may be from long before the loss, and the budget of
        // an earlier loss used up by the time since then.
        if self.stream.has_lasted() {
            self.stream.progressed();
        }
        let lost = self.stream.retry(rejection)?;
        let update =
            |Lost { cause, remaining_budget }| MeshUpdate::Lost { cause, remaining_budget };
        Ok(lost.map(update))
    }
}

impl fmt::Debug for MeshWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, stream, ended, .. } = self;
        f.debug_struct("MeshWatch")
            .field("request", request)
            .field("retry_state", stream.retry_state())
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}
