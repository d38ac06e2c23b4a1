//! One watch stream: the histories of its jobs, merged in the order of the log.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use solvemesh::v1::{Heartbeat, JobEvent, WatchResultsResponse, watch_results_response::Kind};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, sleep_until},
};

use super::{
    EventFilter,
    large_solution::{LargeSolution, mark_solution_lost},
    shutting_down,
    streams::Source,
};
use crate::{
    jobs::Jobs,
    refusal::Refusal,
    table::{HistoryEvent, Listener, Position, Rest, ResumeTokens},
};

/// Maximum number of events that are read from the table at once.
const MAX_BATCH: usize = 64;

/// Whether an event has content that has to be loaded. Such an event is the last of its batch, so that
/// a watcher buffers at most one.
fn must_load(event: &HistoryEvent) -> bool {
    event.solution.is_some() || event.evicted
}

/// The position after which no event fits into a batch, by the events that were found so far in any
/// order. Drops those that do not, if there are many.
fn end_of_batch(events: &mut Vec<HistoryEvent>) -> Position {
    if events.len() > 2 * MAX_BATCH {
        events.sort_unstable_by_key(|event| event.position);
        events.truncate(MAX_BATCH + 1);
    }
    let full = (events.len() == MAX_BATCH + 1).then(|| events.iter().map(|it| it.position).max());
    let loaded = events.iter().filter(|event| must_load(event)).map(|event| event.position).min();
    full.flatten().into_iter().chain(loaded).min().unwrap_or(Position::MAX)
}

/// The state of one watch stream.
pub(crate) struct Watcher {
    gateway: Jobs,
    jobs: Vec<Arc<str>>,
    listener: Listener,
    /// Everything at or before it is in `outgoing`, was sent, or was omitted on purpose.
    cursor: Position,
    /// The position of the latest event that was sent.
    last: Position,
    /// The sequence number of the latest event that was sent, by job.
    sent: HashMap<Arc<str>, i32>,
    tokens: ResumeTokens,
    filter: EventFilter,
    /// Earliest time of the next batch without urgent events.
    next_batch_at: Instant,
    /// The events to send next.
    outgoing: VecDeque<Outgoing>,
    /// Whether nothing comes after `outgoing`.
    done: bool,
    _permit: OwnedSemaphorePermit,
}

/// An item that will be sent next.
enum Outgoing {
    /// An event, shared with the table; copied when it is sent.
    Event(Arc<JobEvent>, Position),
    /// The parts of a large solution.
    Solution(Box<LargeSolution>),
}

/// The next events of a watcher, as read from the table.
struct Batch {
    events: Vec<HistoryEvent>,
    /// Whether all jobs have finished and `events` is all that is left.
    last: bool,
    /// The watcher's position after `events`.
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
                self.outgoing.clear();
                self.done = true;
                return Some(Err(shutting_down()));
            }
            match self.outgoing.pop_front() {
                Some(Outgoing::Event(event, at)) => {
                    return Some(Ok(self.event_response(Arc::unwrap_or_clone(event), at)));
                }
                Some(Outgoing::Solution(mut solution)) => match solution.next_part() {
                    Some((event, at)) => {
                        self.outgoing.push_front(Outgoing::Solution(solution));
                        return Some(Ok(self.event_response(event, at)));
                    }
                    None => continue,
                },
                None => {}
            }
            if self.done {
                return None;
            }
            match self.next_batch() {
                Ok(batch) if !batch.last && self.should_wait(&batch) => {
                    // Skips events that are filtered out, so that heartbeats carry a recent resume
                    // token.
                    if batch.events.is_empty() {
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
        let has_solution = self.outgoing.iter().any(|next| matches!(next, Outgoing::Solution(_)));
        if has_solution && self.gateway.large_solution_permits.available_permits() == 0 {
            self.outgoing.clear();
            (self.cursor, self.done) = (self.last, false);
        }
    }
}

impl Watcher {
    /// A watcher that sends the events after `cursor`.
    pub(super) fn new(
        gateway: &Jobs,
        jobs: Vec<Arc<str>>,
        cursor: Position,
        filter: EventFilter,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            listener: gateway.table.listen(&jobs),
            sent: HashMap::new(),
            jobs,
            cursor,
            last: cursor,
            tokens: gateway.resume_tokens(),
            filter,
            next_batch_at: Instant::now(),
            outgoing: VecDeque::new(),
            done: false,
            gateway: gateway.clone(),
            _permit: permit,
        }
    }

    /// Reads the next events of all jobs from the table, in the order of the log.
    fn next_batch(&mut self) -> Result<Batch, Refusal> {
        let Self { jobs, cursor, sent, filter, .. } = self;
        self.gateway.table.read(|fold| {
            let mut next: Vec<(Position, &Arc<str>)> = Vec::with_capacity(jobs.len());
            for id in jobs.iter() {
                match fold.rest_after(id, *cursor) {
                    None => return Err(Refusal::Forgotten { job_id: id.to_string() }),
                    // Counted before its last event was sent.
                    Some(Rest::Nothing) if sent.contains_key(id) => {}
                    Some(Rest::Nothing) => next.push((*cursor, id)),
                    Some(Rest::From(position)) => next.push((position, id)),
                }
            }
            // So that a job is decoded only for batches that have events of it.
            next.sort_unstable();
            let mut events: Vec<HistoryEvent> = Vec::new();
            // Later events do not fit into the batch.
            let mut end = Position::MAX;
            let mut last = true;
            let mut is_cut = false;
            for (position, id) in next {
                if position > end {
                    is_cut = true;
                    break;
                }
                let Some(job) = fold.job(id) else { continue };
                sent.entry(id.clone()).or_insert_with(|| job.sequence_at(*cursor));
                last &= job.is_finished();
                // One more than fits shows whether anything is left.
                events
                    .extend(filter.select(job.events_after(*cursor)).take(MAX_BATCH + 1).cloned());
                end = end.min(end_of_batch(&mut events));
            }
            events.sort_by_key(|history_event| history_event.position);
            let mut cursor = fold.head();
            let large = events.iter().position(must_load);
            let max = large.map_or(MAX_BATCH, |at| MAX_BATCH.min(at + 1));
            if events.len() > max || is_cut {
                events.truncate(max);
                last = false;
                cursor = events.last().map_or(cursor, |last| last.position);
            }
            let may_wait = !events.iter().any(EventFilter::bypasses_interval);
            Ok(Batch { events, last, cursor, may_wait })
        })
    }

    /// Whether there is nothing to send now.
    fn should_wait(&self, batch: &Batch) -> bool {
        let early = || Instant::now() < self.next_batch_at;
        batch.events.is_empty() || self.filter.interval.is_some() && batch.may_wait && early()
    }

    /// Moves a batch into `outgoing`, and loads what is not in memory.
    async fn prepare(&mut self, batch: Batch) -> Result<(), Refusal> {
        if let Some(interval) = self.filter.interval {
            self.next_batch_at = Instant::now() + interval;
        }
        for history_event in batch.events {
            let mut event = history_event.event.clone();
            if history_event.evicted {
                let kind = self.gateway.reload_event(&history_event).await?;
                Arc::make_mut(&mut event).kind = Some(kind);
            }
            if let Some(reference) = &history_event.solution {
                let loading =
                    LargeSolution::load(&self.gateway, &history_event, reference, self.cursor);
                match loading.await? {
                    Some(solution) => self.outgoing.push_back(Outgoing::Solution(solution)),
                    None => mark_solution_lost(Arc::make_mut(&mut event)),
                }
            }
            self.outgoing.push_back(Outgoing::Event(event, history_event.position));
        }
        self.cursor = batch.cursor;
        self.done = batch.last;
        Ok(())
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
        WatchResultsResponse { kind: Some(kind), resume_token: self.tokens.encode(at) }
    }

    /// Waits until it is worth reading the table again: a job has new events, or the interval is
    /// over. Returns the response to send instead, if any: a heartbeat or an error.
    async fn wait(&self) -> Option<Result<WatchResultsResponse, Refusal>> {
        let early = self.filter.interval.is_some() && Instant::now() < self.next_batch_at;
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
