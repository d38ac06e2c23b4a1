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
    table::{Fold, Position, ResumeToken},
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
            watchers => info!(watchers, "slow watch streams closed"),
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

    /// The position of a resume token, if the log still has all entries after it.
    async fn resume_position(&self, text: &str) -> Result<Position, Refusal> {
        let token = ResumeToken::decode(text)
            .map_err(|error| Refusal::invalid("resume_token", error.to_string()))?;
        if self.table.read(|fold| fold.head()) < token.position {
            // The token may be from a gateway that has read further than this one.
            self.catch_up().await?;
        }
        self.table.read(|fold| stale_token(&token, fold)).map_or(Ok(token.position), Err)
    }
}

pub(super) fn shutting_down() -> Refusal {
    Refusal::ShuttingDown { job_id: String::new() }
}

/// The error for a token from which a watcher can't continue; `None` for a valid one.
fn stale_token(token: &ResumeToken, fold: &Fold) -> Option<Refusal> {
    let (reason, message) = if fold.log_id().is_some_and(|id| id != token.log_id) {
        ("TOKEN_OF_ANOTHER_LOG", "the resume token belongs to another log: watch without one")
    } else if fold
        .first_offset()
        .is_some_and(|first| token.position.offset.saturating_add(1) < first)
    {
        ("TOKEN_TOO_OLD", "the log no longer has the entries after the resume token")
    } else if token.position > fold.head() {
        ("TOKEN_BEYOND_LOG", "the resume token lies beyond the end of the log")
    } else {
        return None;
    };
    Some(Refusal::StaleToken { reason, message: message.to_owned() })
}
