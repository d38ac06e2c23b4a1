//! Well-behaved clients of a mesh: they retry a submission with the same request id until
//! they know its outcome, resume a watch where it was cut, and record everything.

mod doors;
mod load;
mod watcher;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time;
use tonic_types::StatusExt;

pub use self::{doors::Doors, load::Load};
use crate::{
    history::{Answer, Recorder},
    payload::Payload,
};

/// Timeout of one call: longer than a gateway's own timeouts together, so that a gateway
/// which is alive answers first.
const CALL_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a submission is retried without success.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(150);
/// Pause before a retry where the answer has no `RetryInfo`.
const PAUSE: Duration = Duration::from_millis(100);
/// Maximum pause before a retry, even where `RetryInfo` asks for more.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Clients of a mesh, with a common record.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Channels to the gateways.
    pub doors: Doors,
    /// The record of what they do and see.
    pub recorder: Arc<Recorder>,
}

impl Clients {
    /// Clients that use these channels, with an empty record.
    pub fn new(doors: Doors) -> Self {
        Self { doors, recorder: Arc::default() }
    }

    /// Submits a job until it is acknowledged or refused for good, at one gateway after the
    /// other, beginning with `door`. Returns the last answer: an [`Answer::Unknown`] or a
    /// temporary refusal only when the retries have timed out.
    pub async fn submit(&self, door: usize, request_id: &str, payload: Payload) -> Answer {
        let started = Instant::now();
        for door in door.. {
            let (answer, pause) = self.submit_once(door, request_id, payload).await;
            if !answer.passes() || started.elapsed() > SUBMIT_TIMEOUT {
                return answer;
            }
            time::sleep(pause).await;
        }
        unreachable!("the range has no end")
    }

    /// Submits a job once. Returns the answer, and the pause before a retry.
    pub async fn submit_once(
        &self,
        door: usize,
        request_id: &str,
        payload: Payload,
    ) -> (Answer, Duration) {
        let call = self.recorder.ask(door % self.doors.count(), request_id, payload);
        let mut api = self.doors.api(door);
        let asking = api.submit_job(payload.request(request_id));
        let (answer, pause) = match time::timeout(CALL_TIMEOUT, asking).await {
            Ok(Ok(response)) => {
                let job_id = response.into_inner().job.expect("a job").job_id;
                (Answer::Acknowledged { job_id }, PAUSE)
            }
            Ok(Err(status)) => {
                let delay = status.get_error_details().retry_info().and_then(|it| it.retry_delay);
                (Answer::of(&status), delay.unwrap_or(PAUSE).min(MAX_PAUSE))
            }
            Err(_) => (Answer::Unknown { why: String::new() }, PAUSE),
        };
        self.recorder.answer(call, answer.clone());
        (answer, pause)
    }

    /// Submits a job as [`Clients::submit`] does, and returns its id.
    ///
    /// # Panics
    ///
    /// If it is refused, or not acknowledged in time.
    pub async fn accepted(&self, door: usize, request_id: &str, payload: Payload) -> String {
        match self.submit(door, request_id, payload).await {
            Answer::Acknowledged { job_id } => job_id,
            answer => panic!("{request_id} was never acknowledged: {answer:?}"),
        }
    }
}
