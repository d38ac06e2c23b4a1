//! A watcher that resumes at the next gateway whenever its stream is cut.

use std::time::Duration;

use solvemesh::v1::{WatchResultsRequest, watch_results_response::Kind};
use tokio::time::{self, Instant};
use tonic::{Code, Status};

use super::{Clients, PAUSE};
use crate::history::{Entry, WatchEnd, reason};

/// Timeout for the next event of any of the jobs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

impl Clients {
    /// Watches jobs from their beginning until all of them have finished. Starts at one
    /// gateway, and after each cut resumes at the next one with its last resume token. Times
    /// out when no event arrives for a minute.
    pub async fn watch(&self, door: usize, jobs: Vec<String>) {
        let watch = self.recorder.watch(&jobs);
        let mut request = WatchResultsRequest { job_ids: jobs, ..WatchResultsRequest::default() };
        let mut last_event = Instant::now();
        for door in door.. {
            match self.watch_once(door, watch, &mut request, &mut last_event).await {
                Ok(()) => return self.recorder.end(watch, WatchEnd::Complete),
                Err(_) if last_event.elapsed() >= IDLE_TIMEOUT => {
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
        last_event: &mut Instant,
    ) -> Result<(), Status> {
        let mut api = self.doors.api(door);
        let timed_out = |_| Status::cancelled("no event for too long");
        let opening = api.watch_results(request.clone());
        let opening = time::timeout_at(*last_event + IDLE_TIMEOUT, opening);
        let mut stream = opening.await.map_err(timed_out)??.into_inner();
        loop {
            let next = time::timeout_at(*last_event + IDLE_TIMEOUT, stream.message());
            let Some(response) = next.await.map_err(timed_out)?? else { return Ok(()) };
            request.resume_token = response.resume_token;
            // A heartbeat does not count: a lost job would be watched for ever.
            if let Some(Kind::Event(event)) = response.kind {
                *last_event = Instant::now();
                self.recorder.see(watch, door % self.doors.count(), event);
            }
        }
    }
}

/// Whether to resume a watch that ended with this status: its gateway is stopping, behind
/// or dead. Errors about the jobs or the token are permanent.
fn passes(status: &Status) -> bool {
    !matches!(status.code(), Code::NotFound | Code::OutOfRange | Code::InvalidArgument)
}
