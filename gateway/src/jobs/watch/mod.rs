//! What a watcher sees: the histories of its jobs, merged in the order of the log,
//! read at its own pace. A watcher that does not read costs nothing.

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
        Event, Heartbeat, Solution, SolutionPart, WatchResultsResponse, event,
        watch_results_response::Kind,
    },
};
use solvemesh_broker::MeshError;
use tokio::{
    sync::{OwnedSemaphorePermit, TryAcquireError},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tracing::{info, warn};

pub(crate) use self::delivery::Deliveries;
use self::delivery::Source;
pub use self::filter::Wants;
use crate::{
    jobs::{Jobs, LARGE_SOLUTIONS},
    refusal::Refusal,
    table::{Fold, Happening, Listener, Position, ResumeToken, part_count},
};

/// The most events that are taken from the table at once.
const BATCH: usize = 64;

/// How often to look for watchers that don't read.
const LOOK: Duration = Duration::from_secs(1);

/// Cuts the watchers that take nothing for too long. Does not end by itself.
pub async fn keep_pace(jobs: Jobs) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        match jobs.deliveries.look() {
            0 => {}
            watchers => info!(watchers, "cut, because they took nothing for too long"),
        }
    }
}

impl Jobs {
    /// The events of some jobs after a resume token, or from the beginning if it is
    /// empty, until all the jobs have ended.
    ///
    /// # Errors
    ///
    /// When a job is not known, the token can't be honoured, or there are too many
    /// watchers. The stream ends with an error when this gateway stops, or when nothing
    /// is taken from it for too long.
    pub async fn watch(
        &self,
        job_ids: Vec<String>,
        resume_token: &str,
        wants: Wants,
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
            text => self.honour(text).await?,
        };
        let watcher = Watcher {
            listener: self.table.listen(&jobs),
            told: HashMap::new(),
            jobs,
            cursor,
            last: cursor,
            log_id: self.table.read(|fold| fold.log_id().unwrap_or_default().to_owned()),
            wants,
            next_look: Instant::now(),
            ready: VecDeque::new(),
            done: false,
            desk: self.clone(),
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

    /// The position of a resume token, if the log still has what comes after it.
    async fn honour(&self, text: &str) -> Result<Position, Refusal> {
        let token = ResumeToken::decode(text).map_err(|error| {
            Refusal::field("INVALID_ARGUMENT", "resume_token", error.to_string())
        })?;
        if self.table.read(|fold| fold.head()) < token.position {
            // Another gateway may have read further.
            self.table.catch_up(self.patience()).await?;
        }
        self.table.read(|fold| stale(&token, fold)).map_or(Ok(token.position), Err)
    }
}

fn shutting_down() -> Refusal {
    Refusal::ShuttingDown { job_id: String::new() }
}

/// Why a token can't be honoured, if it can't.
fn stale(token: &ResumeToken, fold: &Fold) -> Option<Refusal> {
    let (reason, message) = if fold.log_id().is_some_and(|id| id != token.log_id) {
        ("TOKEN_OF_ANOTHER_LOG", "the resume token belongs to another log: begin without one")
    } else if fold
        .first_offset()
        .is_some_and(|first| token.position.offset.saturating_add(1) < first)
    {
        ("TOKEN_TOO_OLD", "the log no longer has what follows the resume token")
    } else if token.position > fold.head() {
        ("TOKEN_BEYOND_LOG", "the resume token lies beyond the end of the log")
    } else {
        return None;
    };
    Some(Refusal::StaleToken { reason, message: message.to_owned() })
}

/// Tells of an end whose solution is lost.
fn without_solution(event: &mut Event) {
    if let Some(event::Kind::Finished(finished)) = &mut event.kind
        && let Some(result) = &mut finished.result
    {
        result.solution_parts = 0;
        let termination = result.termination.get_or_insert_default();
        termination.warnings.push("the solution is no longer stored".to_owned());
    }
}

pub(crate) struct Watcher {
    desk: Jobs,
    jobs: Vec<Arc<str>>,
    listener: Listener,
    /// Everything at or before it was told, or left out on purpose.
    cursor: Position,
    /// Where the latest event is that was told.
    last: Position,
    /// The sequence of the latest event told of each job.
    told: HashMap<Arc<str>, i32>,
    log_id: String,
    wants: Wants,
    /// When it looks again at how the solves go.
    next_look: Instant,
    ready: VecDeque<Ready>,
    done: bool,
    _permit: OwnedSemaphorePermit,
}

/// What a watcher will be told next.
enum Ready {
    /// As the table has it: it is copied as it is told.
    Event(Arc<Event>, Position),
    Parts(Box<Parts>),
}

/// A large solution, as it was stored. Its parts are decoded one by one as they are told.
struct Parts {
    /// The next one's event, without the part.
    event: Event,
    /// The next one's position.
    at: Position,
    /// The next one's number.
    index: i32,
    count: i32,
    left: VecDeque<Bytes>,
    _permit: OwnedSemaphorePermit,
}

/// What the table has for a watcher.
struct Glance {
    happenings: Vec<(Arc<str>, Happening)>,
    /// Whether all jobs have ended and `happenings` is the rest.
    last: bool,
    /// Where the watcher is once it has told `happenings`.
    cursor: Position,
    /// Whether none of them is worth a look before its time.
    may_wait: bool,
}

impl Source for Watcher {
    type Item = WatchResultsResponse;

    async fn next(&mut self) -> Option<Result<WatchResultsResponse, Refusal>> {
        loop {
            // The last of what ended is told even then.
            if self.desk.stopping.is_cancelled() && !self.done {
                self.ready.clear();
                self.done = true;
                return Some(Err(shutting_down()));
            }
            match self.ready.pop_front() {
                Some(Ready::Event(event, at)) => {
                    return Some(Ok(self.event(Arc::unwrap_or_clone(event), at)));
                }
                Some(Ready::Parts(parts)) => match self.part(parts) {
                    Some(response) => return Some(Ok(response)),
                    None => continue,
                },
                None => {}
            }
            if self.done {
                return None;
            }
            match self.look() {
                Ok(glance) if !glance.last && self.waits(&glance) => {
                    if glance.happenings.is_empty() {
                        self.cursor = glance.cursor;
                    }
                    let response = self.wait().await;
                    if let Some(response) = response {
                        self.done = response.is_err();
                        return Some(response);
                    }
                }
                Ok(glance) => {
                    if let Err(refusal) = self.take(glance).await {
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

    /// A large solution that is not read keeps others from theirs: the table tells again
    /// where it lies.
    fn lighten(&mut self) {
        let holds = self.ready.iter().any(|ready| matches!(ready, Ready::Parts(_)));
        if holds && self.desk.large_solutions.available_permits() == 0 {
            self.ready.clear();
            (self.cursor, self.done) = (self.last, false);
        }
    }
}

impl Watcher {
    /// Takes what comes next from the table.
    fn look(&mut self) -> Result<Glance, Refusal> {
        let Self { jobs, cursor, told, wants, .. } = self;
        self.desk.table.read(|fold| {
            let mut happenings = Vec::new();
            let mut last = true;
            for id in jobs.iter() {
                let forgotten = || Refusal::Forgotten { job_id: id.to_string() };
                let job = fold.job(id).ok_or_else(forgotten)?;
                told.entry(id.clone()).or_insert_with(|| job.sequence_at(*cursor));
                last &= job.ended();
                let next = wants.of(job.after(*cursor)).take(BATCH + 1).cloned();
                happenings.extend(next.map(|happening| (id.clone(), happening)));
            }
            happenings.sort_by_key(|(_, happening)| happening.position);
            let mut cursor = fold.head();
            // What is read from elsewhere is the last of its batch: one is held at a time.
            let apart = |(_, next): &(_, Happening)| next.solution.is_some() || next.shed;
            let large = happenings.iter().position(apart);
            let most = large.map_or(BATCH, |at| BATCH.min(at + 1));
            if happenings.len() > most {
                happenings.truncate(most);
                last = false;
                cursor = happenings.last().map_or(cursor, |(_, last)| last.position);
            }
            let may_wait = !happenings.iter().any(|(_, next)| Wants::is_urgent(next));
            Ok(Glance { happenings, last, cursor, may_wait })
        })
    }

    /// Whether there is nothing to be told now.
    fn waits(&self, glance: &Glance) -> bool {
        glance.happenings.is_empty()
            || self.wants.interval.is_some() && glance.may_wait && Instant::now() < self.next_look
    }

    /// Gets ready what was taken.
    async fn take(&mut self, glance: Glance) -> Result<(), Refusal> {
        if let Some(interval) = self.wants.interval {
            self.next_look = Instant::now() + interval;
        }
        for (_, happening) in glance.happenings {
            let mut event = happening.event.clone();
            if happening.shed {
                let kind = self.desk.recall(&happening).await?;
                Arc::make_mut(&mut event).kind = Some(kind);
            }
            if let Some(reference) = &happening.solution {
                match self.load(&happening, reference).await? {
                    Some(parts) => self.ready.push_back(Ready::Parts(parts)),
                    None => without_solution(Arc::make_mut(&mut event)),
                }
            }
            self.ready.push_back(Ready::Event(event, happening.position));
        }
        self.cursor = glance.cursor;
        self.done = glance.last;
        Ok(())
    }

    /// The parts of a solution, which lie outside the log, after the cursor; nothing if they
    /// are no longer there.
    async fn load(
        &self,
        happening: &Happening,
        reference: &BulkReference,
    ) -> Result<Option<Box<Parts>>, Refusal> {
        let exhausted = || Refusal::Exhausted { limit: "large_solutions", value: LARGE_SOLUTIONS };
        let permit = self.desk.large_solutions.clone().acquire_owned();
        let permit = timeout(self.desk.patience(), permit).await.map_err(|_| exhausted())?;
        let _permit = permit.map_err(|_| shutting_down())?;
        let mut left: VecDeque<Bytes> = match self.desk.mesh.load(reference).await {
            Ok(parts) => parts.into(),
            Err(MeshError::Gone(cause)) => {
                warn!(job = happening.event.job_id, cause, "a solution is no longer stored");
                return Ok(None);
            }
            Err(error) => return Err(Refusal::Unavailable { message: error.to_string() }),
        };
        let count = part_count(happening);
        let mut event = Event { kind: None, ..Event::clone(&happening.event) };
        event.sequence -= count;
        let before = happening.position.event.saturating_sub(reference.parts);
        let mut at = Position { event: before, ..happening.position };
        let mut index = 0;
        while at <= self.cursor && left.pop_front().is_some() {
            (at, index, event.sequence) = (at.later(1), index + 1, event.sequence + 1);
        }
        Ok(Some(Box::new(Parts { event, at, index, count, left, _permit })))
    }

    /// The next part of a solution; the others stay ready.
    fn part(&mut self, mut parts: Box<Parts>) -> Option<WatchResultsResponse> {
        let bytes = parts.left.pop_front()?;
        let (mut event, at) = (parts.event.clone(), parts.at);
        match Solution::decode(bytes) {
            Ok(solution) => {
                let (index, count) = (parts.index, parts.count);
                let part = SolutionPart { index, count, solution: Some(solution) };
                event.kind = Some(event::Kind::SolutionPart(part));
            }
            // Its digest was right, so only a worker of another version can have done this.
            Err(error) => warn!(job = event.job_id, cause = %error, "a part can't be decoded"),
        }
        parts.index += 1;
        parts.event.sequence += 1;
        parts.at = parts.at.later(1);
        self.ready.push_front(Ready::Parts(parts));
        event.kind.is_some().then(|| self.event(event, at))
    }

    /// An event as it is told, with the number of those that were left out before it.
    fn event(&mut self, mut event: Event, at: Position) -> WatchResultsResponse {
        let told = self.told.entry(event.job_id.as_str().into()).or_default();
        event.skipped = (event.sequence - *told - 1).max(0);
        *told = event.sequence;
        self.last = at;
        self.response(Kind::Event(event), at)
    }

    fn response(&self, kind: Kind, at: Position) -> WatchResultsResponse {
        let token = ResumeToken { log_id: self.log_id.clone(), position: at };
        WatchResultsResponse { kind: Some(kind), resume_token: token.encode() }
    }

    /// Waits until a job moves. Returns what to say meanwhile, if anything.
    async fn wait(&self) -> Option<Result<WatchResultsResponse, Refusal>> {
        let early = self.wants.interval.is_some() && Instant::now() < self.next_look;
        tokio::select! {
            () = self.listener.moved() => None,
            () = sleep_until(self.next_look), if early => None,
            () = self.desk.stopping.cancelled() => Some(Err(shutting_down())),
            () = sleep(self.desk.policy.heartbeat) => {
                Some(Ok(self.response(Kind::Heartbeat(Heartbeat {}), self.cursor)))
            }
        }
    }
}
