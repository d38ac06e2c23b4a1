//! Watch streams: the histories of some jobs, merged in the order of the log. Each stream pulls
//! from the job table when its client polls, so a slow client needs no buffer, and one that does
//! not read costs nothing.

mod delivery;
mod filter;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use prost::Message;
use solvemesh::{
    broker::v1::BulkReference,
    v1::{
        Heartbeat, JobEvent, Solution, SolutionPart, WatchResultsResponse, job_event,
        watch_results_response::Kind,
    },
};
use solvemesh_broker::MeshError;
use tokio::{
    sync::{OwnedSemaphorePermit, TryAcquireError},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tracing::{info, warn};

use self::delivery::Source;
pub(crate) use self::delivery::WatchStreams;
pub use self::filter::EventFilter;
use crate::{
    jobs::Jobs,
    refusal::Refusal,
    table::{Fold, HistoryEvent, Listener, Position, ResumeToken, part_count},
};

/// Maximum number of large solutions that are sent to watchers at the same time. Each is held in
/// memory while it is sent.
pub(crate) const LARGE_SOLUTIONS: usize = 32;

/// Maximum number of events that are read from the table at once.
const BATCH: usize = 64;

/// How often to check for clients that do not read.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Closes the streams of clients that read nothing for too long. Runs until its task is aborted.
pub async fn close_slow_watchers(jobs: Jobs) {
    let mut ticks = interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match jobs.deliveries.look() {
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
    pub async fn watch(
        &self,
        job_ids: Vec<String>,
        resume_token: &str,
        wants: EventFilter,
    ) -> Result<impl Stream<Item = Result<WatchResultsResponse, Refusal>> + use<>, Refusal> {
        let permit = self.watcher_permit()?;
        let mut jobs: Vec<Arc<str>> = job_ids.into_iter().map(Into::into).collect();
        jobs.sort_unstable();
        jobs.dedup();
        for job in &jobs {
            self.find(job, |_| ()).await?;
        }
        let cursor = match resume_token {
            "" => Position::default(),
            text => self.resume_position(text).await?,
        };
        let watcher = Watcher {
            listener: self.table.listen(&jobs),
            sent: HashMap::new(),
            jobs,
            cursor,
            last: cursor,
            log_id: self.table.read(|fold| fold.log_id().unwrap_or_default().to_owned()),
            wants,
            next_batch_at: Instant::now(),
            ready: VecDeque::new(),
            done: false,
            gateway: self.clone(),
            _permit: permit,
        };
        self.deliveries.open(watcher).ok_or_else(|| self.too_many_watchers())
    }

    fn too_many_watchers(&self) -> Refusal {
        Refusal::Exhausted { limit: "max_watchers", value: self.policy.max_watchers }
    }

    fn watcher_permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if self.stopping.is_cancelled() {
            return Err(shutting_down());
        }
        self.watchers.clone().try_acquire_owned().map_err(|error| match error {
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

fn shutting_down() -> Refusal {
    Refusal::ShuttingDown { job_id: String::new() }
}

/// The error for a token from which a watcher can't continue; `None` for a good one.
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

/// Changes the event of a finished job whose stored solution is lost: no parts, and a warning.
fn mark_solution_lost(event: &mut JobEvent) {
    if let Some(job_event::Kind::Finished(finished)) = &mut event.kind
        && let Some(result) = &mut finished.result
    {
        result.solution_part_count = 0;
        let termination = result.termination.get_or_insert_default();
        termination.warnings.push("the solution is no longer stored".to_owned());
    }
}

/// The state of one watch stream.
pub(crate) struct Watcher {
    gateway: Jobs,
    jobs: Vec<Arc<str>>,
    listener: Listener,
    /// Everything at or before it is in `ready`, was sent, or was omitted on purpose.
    cursor: Position,
    /// The position of the latest event that was sent.
    last: Position,
    /// The sequence number of the latest event that was sent, by job.
    sent: HashMap<Arc<str>, i32>,
    log_id: String,
    wants: EventFilter,
    /// Earliest time of the next batch without urgent events.
    next_batch_at: Instant,
    /// The events to send next.
    ready: VecDeque<Ready>,
    /// Whether nothing comes after `ready`.
    done: bool,
    _permit: OwnedSemaphorePermit,
}

/// An item that will be sent next.
enum Ready {
    /// An event, shared with the table; copied when it is sent.
    Event(Arc<JobEvent>, Position),
    Parts(Box<Parts>),
}

/// A large solution as it was stored. Its parts are decoded one at a time, when they are sent.
struct Parts {
    /// The next part's event, without the part itself.
    event: JobEvent,
    /// The next part's position.
    at: Position,
    /// The next part's index, from 0.
    index: i32,
    count: i32,
    /// The parts that have not been sent, encoded.
    left: VecDeque<Bytes>,
    _permit: OwnedSemaphorePermit,
}

/// The next events of a watcher, as read from the table.
struct Batch {
    happenings: Vec<(Arc<str>, HistoryEvent)>,
    /// Whether all jobs have finished and `happenings` is all that is left.
    last: bool,
    /// The watcher's position after `happenings`.
    cursor: Position,
    /// Whether none of them is urgent, so that the batch can wait for the interval.
    may_wait: bool,
}

impl Source for Watcher {
    type Item = WatchResultsResponse;

    async fn next(&mut self) -> Option<Result<WatchResultsResponse, Refusal>> {
        loop {
            // A stream that has read its last batch is completed even during a shutdown.
            if self.gateway.stopping.is_cancelled() && !self.done {
                self.ready.clear();
                self.done = true;
                return Some(Err(shutting_down()));
            }
            match self.ready.pop_front() {
                Some(Ready::Event(event, at)) => {
                    return Some(Ok(self.event_response(Arc::unwrap_or_clone(event), at)));
                }
                Some(Ready::Parts(parts)) => match self.part_response(parts) {
                    Some(response) => return Some(Ok(response)),
                    // No part is left, or this one can't be decoded.
                    None => continue,
                },
                None => {}
            }
            if self.done {
                return None;
            }
            match self.next_batch() {
                Ok(batch) if !batch.last && self.should_wait(&batch) => {
                    // Moves on past events that are filtered out, so that heartbeats carry a
                    // recent resume token.
                    if batch.happenings.is_empty() {
                        self.cursor = batch.cursor;
                    }
                    let response = self.wait().await;
                    if let Some(response) = response {
                        self.done = response.is_err();
                        return Some(response);
                    }
                }
                Ok(batch) => {
                    if let Err(refusal) = self.prepare(batch).await {
                        self.done = true;
                        return Some(Err(refusal));
                    }
                }
                Err(refusal) => {
                    self.done = true;
                    return Some(Err(refusal));
                }
            }
        }
    }

    /// Drops a buffered large solution if other streams are waiting for its permit. The watcher
    /// goes back to the last event that it sent, and loads the solution again when it is polled.
    fn release_buffers(&mut self) {
        let holds = self.ready.iter().any(|ready| matches!(ready, Ready::Parts(_)));
        if holds && self.gateway.large_solutions.available_permits() == 0 {
            self.ready.clear();
            (self.cursor, self.done) = (self.last, false);
        }
    }
}

impl Watcher {
    /// Reads the next events of all jobs from the table, in the order of the log.
    fn next_batch(&mut self) -> Result<Batch, Refusal> {
        let Self { jobs, cursor, sent, wants, .. } = self;
        self.gateway.table.read(|fold| {
            let mut happenings = Vec::new();
            let mut last = true;
            for id in jobs.iter() {
                let forgotten = || Refusal::Forgotten { job_id: id.to_string() };
                let job = fold.job(id).ok_or_else(forgotten)?;
                sent.entry(id.clone()).or_insert_with(|| job.sequence_at(*cursor));
                last &= job.ended();
                // One more than fits shows whether anything is left.
                let next = wants.of(job.after(*cursor)).take(BATCH + 1).cloned();
                happenings.extend(next.map(|history_event| (id.clone(), history_event)));
            }
            happenings.sort_by_key(|(_, history_event)| history_event.position);
            let mut cursor = fold.head();
            // An event with content that has to be loaded is the last of its batch, so that a
            // watcher buffers at most one.
            let must_load = |(_, next): &(_, HistoryEvent)| next.solution.is_some() || next.evicted;
            let large = happenings.iter().position(must_load);
            let max = large.map_or(BATCH, |at| BATCH.min(at + 1));
            if happenings.len() > max {
                happenings.truncate(max);
                last = false;
                cursor = happenings.last().map_or(cursor, |(_, last)| last.position);
            }
            let may_wait = !happenings.iter().any(|(_, next)| EventFilter::bypasses_interval(next));
            Ok(Batch { happenings, last, cursor, may_wait })
        })
    }

    /// Whether there is nothing to send now.
    fn should_wait(&self, batch: &Batch) -> bool {
        let early = || Instant::now() < self.next_batch_at;
        batch.happenings.is_empty() || self.wants.interval.is_some() && batch.may_wait && early()
    }

    /// Moves a batch into `ready`, and loads what is not in memory.
    async fn prepare(&mut self, batch: Batch) -> Result<(), Refusal> {
        if let Some(interval) = self.wants.interval {
            self.next_batch_at = Instant::now() + interval;
        }
        for (_, history_event) in batch.happenings {
            let mut event = history_event.event.clone();
            if history_event.evicted {
                let kind = self.gateway.recall(&history_event).await?;
                Arc::make_mut(&mut event).kind = Some(kind);
            }
            if let Some(reference) = &history_event.solution {
                match self.load(&history_event, reference).await? {
                    Some(parts) => self.ready.push_back(Ready::Parts(parts)),
                    None => mark_solution_lost(Arc::make_mut(&mut event)),
                }
            }
            self.ready.push_back(Ready::Event(event, history_event.position));
        }
        self.cursor = batch.cursor;
        self.done = batch.last;
        Ok(())
    }

    /// Loads a large solution from the bulk store, without the parts at or before the cursor;
    /// `None` if it is no longer stored. Waits for a permit, up to the broker timeout.
    async fn load(
        &self,
        history_event: &HistoryEvent,
        reference: &BulkReference,
    ) -> Result<Option<Box<Parts>>, Refusal> {
        let exhausted = || Refusal::Exhausted { limit: "large_solutions", value: LARGE_SOLUTIONS };
        let permit = self.gateway.large_solutions.clone().acquire_owned();
        let permit =
            timeout(self.gateway.broker_timeout(), permit).await.map_err(|_| exhausted())?;
        let _permit = permit.map_err(|_| shutting_down())?;
        let mut left: VecDeque<Bytes> = match self.gateway.mesh.load(reference).await {
            Ok(parts) => parts.into(),
            Err(MeshError::Gone(cause)) => {
                warn!(job = history_event.event.job_id, cause, "stored solution is lost");
                return Ok(None);
            }
            Err(error) => return Err(Refusal::Unavailable { message: error.to_string() }),
        };
        // The parts occupy the sequence numbers and positions directly before the event's own.
        let count = part_count(history_event);
        let mut event = JobEvent { kind: None, ..JobEvent::clone(&history_event.event) };
        event.sequence -= count;
        let before = history_event.position.event.saturating_sub(reference.parts);
        let mut at = Position { event: before, ..history_event.position };
        let mut index = 0;
        while at <= self.cursor && left.pop_front().is_some() {
            (at, index, event.sequence) = (at.later(1), index + 1, event.sequence + 1);
        }
        Ok(Some(Box::new(Parts { event, at, index, count, left, _permit })))
    }

    /// The response with the next part of a solution; puts the others back into `ready`. `None` if
    /// no part is left or this one can't be decoded.
    fn part_response(&mut self, mut parts: Box<Parts>) -> Option<WatchResultsResponse> {
        let bytes = parts.left.pop_front()?;
        let (mut event, at) = (parts.event.clone(), parts.at);
        match Solution::decode(bytes) {
            Ok(solution) => {
                let (index, count) = (parts.index, parts.count);
                let part = SolutionPart { index, count, solution: Some(solution) };
                event.kind = Some(job_event::Kind::SolutionPart(part));
            }
            // The digest matched, so the worker that stored it must have another version.
            Err(error) => warn!(job = event.job_id, cause = %error, "undecodable solution part"),
        }
        parts.index += 1;
        parts.event.sequence += 1;
        parts.at = parts.at.later(1);
        self.ready.push_front(Ready::Parts(parts));
        event.kind.is_some().then(|| self.event_response(event, at))
    }

    /// The response with an event, which includes the number of its job's events that were omitted
    /// before it.
    fn event_response(&mut self, mut event: JobEvent, at: Position) -> WatchResultsResponse {
        let sent = self.sent.entry(event.job_id.as_str().into()).or_default();
        event.skipped_count = (event.sequence - *sent - 1).max(0);
        *sent = event.sequence;
        self.last = at;
        self.response(Kind::Event(event), at)
    }

    fn response(&self, kind: Kind, at: Position) -> WatchResultsResponse {
        let token = ResumeToken { log_id: self.log_id.clone(), position: at };
        WatchResultsResponse { kind: Some(kind), resume_token: token.encode() }
    }

    /// Waits until it is worth reading the table again: a job has new events, or the interval is
    /// over. Returns the response to send instead, if any: a heartbeat or an error.
    async fn wait(&self) -> Option<Result<WatchResultsResponse, Refusal>> {
        let early = self.wants.interval.is_some() && Instant::now() < self.next_batch_at;
        tokio::select! {
            () = self.listener.changed() => None,
            () = sleep_until(self.next_batch_at), if early => None,
            () = self.gateway.stopping.cancelled() => Some(Err(shutting_down())),
            () = sleep(self.gateway.policy.heartbeat) => {
                Some(Ok(self.response(Kind::Heartbeat(Heartbeat {}), self.cursor)))
            }
        }
    }
}
