//! A watcher that goes on wherever it was cut, at the next gateway if need be.

use std::time::Instant;

use solvemesh::v1::{WatchResultsRequest, watch_results_response::Kind};
use tokio::time;
use tonic::{Code, Status};

use super::{Clients, PATIENCE, PAUSE};
use crate::history::{Entry, WatchEnd, reason};

impl Clients {
    /// Watches jobs from their beginning until all of them have ended, first at one door,
    /// and each time it is cut at the next, with the token of what it saw last.
    ///
    /// # Panics
    ///
    /// When it is cut again and again for longer than the patience.
    pub async fn watch(&self, door: usize, jobs: Vec<String>) {
        let watch = self.recorder.watch(&jobs);
        let mut request = WatchResultsRequest { job_ids: jobs, ..WatchResultsRequest::default() };
        let mut moved = Instant::now();
        for door in door.. {
            match self.watch_once(door, watch, &mut request, &mut moved).await {
                Ok(()) => return self.recorder.end(watch, WatchEnd::Complete),
                Err(status) if passes(&status) => {
                    self.recorder.cut(watch, reason(&status));
                    assert!(moved.elapsed() < PATIENCE, "a watch is cut for ever: {status:?}");
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
        let mut stream = self.doors.api(door).watch_results(request.clone()).await?.into_inner();
        while let Some(response) = stream.message().await? {
            *moved = Instant::now();
            request.resume_token = response.resume_token;
            if let Some(Kind::Event(event)) = response.kind {
                self.recorder.see(watch, door % self.doors.count(), event);
            }
        }
        Ok(())
    }
}

/// Whether a watch that ended this way is to be resumed: its gateway stops, is behind or
/// gone. What a gateway says of the jobs or the token stays.
fn passes(status: &Status) -> bool {
    !matches!(status.code(), Code::NotFound | Code::OutOfRange | Code::InvalidArgument)
}
