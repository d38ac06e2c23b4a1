//! Clients of a mesh as they should be: they ask again with the same request id until they
//! know, resume their watches where they were cut, and write down all of it.

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

/// How long one call may take: more than a gateway's own bounds together.
const CALL: Duration = Duration::from_secs(40);
/// How long a submission is repeated without any success.
const PATIENCE: Duration = Duration::from_secs(150);
/// When to ask again where nobody says.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that a client keeps, whatever it is told.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The clients of a mesh, and their common record.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The ways in.
    pub doors: Doors,
    /// What they did and saw.
    pub recorder: Arc<Recorder>,
}

impl Clients {
    /// Clients that come in by these doors.
    pub fn new(doors: Doors) -> Self {
        Self { doors, recorder: Arc::default() }
    }

    /// Submits a job until it is acknowledged or refused for good, at one door after the
    /// other; tells the last answer. [`Answer::Unknown`] and what passes come back only when
    /// the patience is over.
    pub async fn submit(&self, door: usize, request_id: &str, payload: Payload) -> Answer {
        let begun = Instant::now();
        for door in door.. {
            let (answer, pause) = self.submit_once(door, request_id, payload).await;
            if !answer.passes() || begun.elapsed() > PATIENCE {
                return answer;
            }
            time::sleep(pause).await;
        }
        unreachable!("doors don't end")
    }

    /// Submits a job once, and tells the answer and when to ask again.
    pub async fn submit_once(
        &self,
        door: usize,
        request_id: &str,
        payload: Payload,
    ) -> (Answer, Duration) {
        let call = self.recorder.ask(door % self.doors.count(), request_id, payload);
        let mut api = self.doors.api(door);
        let asking = api.submit_job(payload.request(request_id));
        let (answer, pause) = match time::timeout(CALL, asking).await {
            Ok(Ok(response)) => {
                let job_id = response.into_inner().job.expect("a job").job_id;
                (Answer::Acknowledged { job_id }, PAUSE)
            }
            Ok(Err(status)) => {
                let told = status.get_error_details().retry_info().and_then(|it| it.retry_delay);
                (Answer::of(&status), told.unwrap_or(PAUSE).min(LONGEST_PAUSE))
            }
            Err(_) => (Answer::Unknown { why: String::new() }, PAUSE),
        };
        self.recorder.answer(call, answer.clone());
        (answer, pause)
    }

    /// Submits a job as [`Clients::submit`] does, and tells its id.
    ///
    /// # Panics
    ///
    /// When it is not acknowledged in time.
    pub async fn accepted(&self, door: usize, request_id: &str, payload: Payload) -> String {
        match self.submit(door, request_id, payload).await {
            Answer::Acknowledged { job_id } => job_id,
            answer => panic!("{request_id} was never acknowledged: {answer:?}"),
        }
    }
}
