//! Watch streams: the histories of some jobs, merged in the order of the log. Each stream reads
//! the job table when its client polls, from its own position. So it needs no queue of events,
//! which a slow client would fill: a client that does not read costs no more than the state of its
//! stream, and misses only what its jobs' histories drop meanwhile (`JobEvent.skipped_count`).

mod filter;
mod large_solution;
mod streams;
mod watcher;

use std::{sync::Arc, time::Duration};

use futures::Stream;
use solvemesh::v1::WatchResultsResponse;
use tokio::{
    sync::{OwnedSemaphorePermit, TryAcquireError},
    time::{MissedTickBehavior, interval},
};
use tracing::info;

pub(crate) use self::{
    filter::EventFilter,
    large_solution::MAX_LARGE_SOLUTIONS,
    streams::{Source, WatchStreams},
    watcher::Watcher,
};
use crate::{
    access::Caller,
    jobs::Jobs,
    refusal::Refusal,
    table::{Fold, InvalidToken, Position, ResumeTokens},
};

/// How often to check for clients that do not read.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Closes the streams of clients that read nothing for too long. Runs until its task is aborted.
pub async fn close_slow_watchers(jobs: Jobs) {
    let mut ticks = interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match jobs.watch_streams.check_idle() + jobs.mesh_streams.check_idle() {
            0 => {}
            watchers => {
                jobs.metrics.rpc.slow_watchers_closed(watchers);
                info!(watchers, "slow watch streams closed");
            }
        }
    }
}

impl Jobs {
    /// The events of some jobs after a resume token, or from the start if that is empty, until
    /// all jobs have finished.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] or [`Refusal::Forgotten`] for a job; [`Refusal::Invalid`] or
    /// [`Refusal::StaleToken`] for the token; [`Refusal::Exhausted`] if there are too many
    /// watchers. The stream itself ends with [`Refusal::ShuttingDown`] when this gateway stops,
    /// and with [`Refusal::WatcherTooSlow`] when its client does not read for too long.
    pub(crate) async fn watch(
        &self,
        caller: &Caller,
        job_ids: Vec<String>,
        resume_token: &str,
        filter: EventFilter,
    ) -> Result<impl Stream<Item = Result<WatchResultsResponse, Refusal>> + use<>, Refusal> {
        let permit = self.watcher_permit()?;
        let mut jobs: Vec<Arc<str>> = job_ids.into_iter().map(Into::into).collect();
        jobs.sort_unstable();
        jobs.dedup();
        for job in &jobs {
            self.find(caller, job, |_| ()).await?;
        }
        let cursor = match resume_token {
            "" => Position::default(),
            text => self.resume_position(text).await?,
        };
        let watcher = Watcher::new(self, jobs, cursor, filter, permit);
        self.watch_streams.open(watcher).ok_or_else(|| self.too_many_watchers())
    }

    pub(super) fn too_many_watchers(&self) -> Refusal {
        Refusal::Exhausted { limit: "max_watchers", value: self.policy.max_watchers }
    }

    pub(super) fn watcher_permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if self.stopping.is_cancelled() {
            return Err(shutting_down());
        }
        self.watcher_permits.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => self.too_many_watchers(),
            TryAcquireError::Closed => shutting_down(),
        })
    }

    /// The resume tokens of the log.
    fn resume_tokens(&self) -> ResumeTokens {
        self.table.read(|fold| ResumeTokens::of(fold.log_id().unwrap_or_default()))
    }

    /// The position of a resume token, if the log still has all entries after it.
    async fn resume_position(&self, text: &str) -> Result<Position, Refusal> {
        let position = self.resume_tokens().decode(text).map_err(|error| match error {
            InvalidToken::Malformed => Refusal::invalid("resume_token", error.to_string()),
            InvalidToken::AnotherLog => {
                stale("TOKEN_OF_ANOTHER_LOG", &format!("{error}: watch without one"))
            }
        })?;
        if self.table.read(|fold| fold.head()) < position {
            // The token may be from a gateway that has read further than this one.
            self.catch_up().await?;
        }
        self.table.read(|fold| stale_position(position, fold)).map_or(Ok(position), Err)
    }
}

pub(super) fn shutting_down() -> Refusal {
    Refusal::ShuttingDown { job_id: String::new() }
}

/// The error for a position from which a watcher can't continue; `None` for a valid one.
fn stale_position(position: Position, fold: &Fold) -> Option<Refusal> {
    if fold.first_offset().is_some_and(|first| position.offset.saturating_add(1) < first) {
        let message = "the log no longer has the entries after the resume token";
        Some(stale("TOKEN_TOO_OLD", message))
    } else if position > fold.head() {
        Some(stale("TOKEN_BEYOND_LOG", "the resume token lies beyond the end of the log"))
    } else {
        None
    }
}

fn stale(reason: &'static str, message: &str) -> Refusal {
    Refusal::StaleToken { reason, message: message.to_owned() }
}
