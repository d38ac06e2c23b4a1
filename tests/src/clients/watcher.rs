//! A watcher that goes on wherever it was cut, at the next gateway if need be.

use std::time::Duration;

use solvemesh::v1::{WatchResultsRequest, watch_results_response::Kind};
use tokio::time::{self, Instant};
use tonic::{Code, Status};

use super::{Clients, PAUSE};
use crate::history::{Entry, WatchEnd, reason};

/// How long nothing may happen to any of the jobs.
const SILENCE: Duration = Duration::from_secs(60);

impl Clients {
    /// Watches jobs from their beginning until all of them have ended, first at one door,
    /// and each time it is cut at the next, with the token of what it saw last. Gives up
    /// when nothing happens for too long.
    pub async fn watch(&self, door: usize, jobs: Vec<String>) {
        let watch = self.recorder.watch(&jobs);
        let mut request = WatchResultsRequest { job_ids: jobs, ..WatchResultsRequest::default() };
        let mut moved = Instant::now();
        for door in door.. {
            match self.watch_once(door, watch, &mut request, &mut moved).await {
                Ok(()) => return self.recorder.end(watch, WatchEnd::Complete),
                Err(_) if moved.elapsed() >= SILENCE => {
                    return self.recorder.end(watch, WatchEnd::GivenUp);
                }
                Err(status) if passes(&status) => {
                    self.recorder.cut(watch, reason(&status));
                    time::sleep(PAUSE).await;
                }
                Err(status) => {
                    let reason = reason(&status);
                    return self.recorder.end(watch, WatchEnd::Refused { reason });
                }
            }
        }
    }

    async fn watch_once(
        &self,
        door: usize,
        watch: Entry,
        request: &mut WatchResultsRequest,
        moved: &mut Instant,
    ) -> Result<(), Status> {
        let mut api = self.doors.api(door);
        let end = |_| Status::cancelled("nothing happened for too long");
        let begun = time::timeout_at(*moved + SILENCE, api.watch_results(request.clone()));
        let mut stream = begun.await.map_err(end)??.into_inner();
        loop {
            let next = time::timeout_at(*moved + SILENCE, stream.message());
            let Some(response) = next.await.map_err(end)?? else { return Ok(()) };
            request.resume_token = response.resume_token;
            // A sign of life is not enough: jobs that are lost would be watched for ever.
            if let Some(Kind::Event(event)) = response.kind {
                *moved = Instant::now();
                self.recorder.see(watch, door % self.doors.count(), event);
            }
        }
    }
}

/// Whether a watch that ended this way is to be resumed: its gateway stops, is behind or
/// gone. What a gateway says of the jobs or the token stays.
fn passes(status: &Status) -> bool {
    !matches!(status.code(), Code::NotFound | Code::OutOfRange | Code::InvalidArgument)
}
