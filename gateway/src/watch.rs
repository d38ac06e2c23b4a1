//! What a watcher sees: the histories of its jobs, merged in the order of the log,
//! read at its own pace. A watcher that does not read costs nothing.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use futures::{Stream, stream};
use prost::Message;
use solvemesh::v1::{
    Event, Heartbeat, Solution, SolutionPart, WatchResultsResponse, event,
    watch_results_response::Kind,
};
use solvemesh_broker::MeshError;
use tokio::{
    sync::{OwnedSemaphorePermit, TryAcquireError},
    time::sleep,
};

use crate::{
    jobs::Jobs,
    refusal::Refusal,
    table::{Fold, Happening, Listener, Position, ResumeToken, part_count},
};

/// The most events that are taken from the table at once.
const BATCH: usize = 64;

impl Jobs {
    /// The events of some jobs after a resume token, or from the beginning if it is
    /// empty, until all the jobs have ended.
    ///
    /// # Errors
    ///
    /// When a job is not known, the token can't be honoured, or there are too many
    /// watchers. The stream ends with an error when this gateway stops.
    pub async fn watch(
        &self,
        job_ids: Vec<String>,
        resume_token: &str,
        skip_progress: bool,
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
            log_id: self.table.read(|fold| fold.log_id().unwrap_or_default().to_owned()),
            skip_progress,
            ready: VecDeque::new(),
            done: false,
            desk: self.clone(),
            _permit: permit,
        };
        Ok(stream::unfold(watcher, |mut watcher| async move {
            let response = watcher.next().await?;
            Some((response, watcher))
        }))
    }

    fn watcher_permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if self.stopping.is_cancelled() {
            return Err(Refusal::ShuttingDown);
        }
        self.watchers.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => {
                Refusal::Exhausted { limit: "max_watchers", value: self.policy.max_watchers }
            }
            TryAcquireError::Closed => Refusal::ShuttingDown,
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

/// Why a token can't be honoured, if it can't.
fn stale(token: &ResumeToken, fold: &Fold) -> Option<Refusal> {
    let (reason, message) = if fold.log_id().is_some_and(|id| id != token.log_id) {
        ("TOKEN_OF_ANOTHER_LOG", "the resume token belongs to another log: begin without one")
    } else if fold.first_offset().is_some_and(|first| token.position.offset + 1 < first) {
        ("TOKEN_TOO_OLD", "the log no longer has what follows the resume token")
    } else if token.position > fold.head() {
        ("TOKEN_BEYOND_LOG", "the resume token lies beyond the end of the log")
    } else {
        return None;
    };
    Some(Refusal::StaleToken { reason, message: message.to_owned() })
}

struct Watcher {
    desk: Jobs,
    jobs: Vec<Arc<str>>,
    listener: Listener,
    /// Everything at or before it was told, or left out on purpose.
    cursor: Position,
    /// The sequence of the latest event told of each job.
    told: HashMap<Arc<str>, i32>,
    log_id: String,
    skip_progress: bool,
    ready: VecDeque<WatchResultsResponse>,
    done: bool,
    _permit: OwnedSemaphorePermit,
}

/// What the table has for a watcher.
struct Glance {
    happenings: Vec<(Arc<str>, Happening)>,
    /// Whether all jobs have ended and `happenings` is the rest.
    last: bool,
    /// Where the watcher is once it has told `happenings`.
    cursor: Position,
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<WatchResultsResponse, Refusal>> {
        loop {
            if let Some(response) = self.ready.pop_front() {
                return Some(Ok(response));
            }
            if self.done {
                return None;
            }
            match self.look() {
                Ok(glance) if glance.happenings.is_empty() && !glance.last => {
                    self.cursor = glance.cursor;
                    let response = self.wait().await;
                    if let Some(response) = response {
                        self.done = response.is_err();
                        return Some(response);
                    }
                }
                Ok(glance) => {
                    if let Err(refusal) = self.tell(glance).await {
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

    /// Takes what comes next from the table.
    fn look(&mut self) -> Result<Glance, Refusal> {
        let Self { jobs, cursor, told, .. } = self;
        self.desk.table.read(|fold| {
            let mut happenings = Vec::new();
            let mut last = true;
            for id in jobs.iter() {
                let forgotten = || Refusal::Forgotten { job_id: id.to_string() };
                let job = fold.job(id).ok_or_else(forgotten)?;
                told.entry(id.clone()).or_insert_with(|| job.sequence_at(*cursor));
                last &= job.ended();
                let next = job.after(*cursor).take(BATCH + 1).cloned();
                happenings.extend(next.map(|happening| (id.clone(), happening)));
            }
            happenings.sort_by_key(|(_, happening)| happening.position);
            let mut cursor = fold.head();
            if happenings.len() > BATCH {
                happenings.truncate(BATCH);
                last = false;
                cursor = happenings.last().map_or(cursor, |(_, last)| last.position);
            }
            Ok(Glance { happenings, last, cursor })
        })
    }

    /// Makes responses of what was taken.
    async fn tell(&mut self, glance: Glance) -> Result<(), Refusal> {
        for (id, happening) in glance.happenings {
            if self.skip_progress && matches!(happening.event.kind, Some(event::Kind::Progress(_)))
            {
                continue;
            }
            if happening.solution.is_some() {
                self.tell_parts(&id, &happening).await?;
            }
            self.push(&id, happening.position, Event::clone(&happening.event));
        }
        self.cursor = glance.cursor;
        self.done = glance.last;
        Ok(())
    }

    /// The parts of a solution, which lie outside the log, as events of their own.
    async fn tell_parts(&mut self, id: &Arc<str>, happening: &Happening) -> Result<(), Refusal> {
        let Some(reference) = &happening.solution else { return Ok(()) };
        let gone = |cause: String| Refusal::SolutionGone { job_id: id.to_string(), cause };
        let parts = self.desk.mesh.load(reference).await.map_err(|error| match error {
            MeshError::Gone(cause) => gone(cause),
            error => Refusal::Unavailable { message: error.to_string() },
        })?;
        let count = part_count(happening);
        let first = happening.event.sequence - count;
        let place = Position { event: 0, ..happening.position };
        let before = happening.position.event - reference.parts;
        for (index, part) in (0..count).zip(parts) {
            let at = place.later(before + u32::try_from(index).unwrap_or(u32::MAX));
            if at <= self.cursor {
                continue;
            }
            let solution = Solution::decode(part).map_err(|error| gone(error.to_string()))?;
            let part = SolutionPart { index, count, solution: Some(solution) };
            let event = Event {
                sequence: first + index,
                kind: Some(event::Kind::SolutionPart(part)),
                job_id: id.to_string(),
                time: happening.event.time,
                attempt: happening.event.attempt,
                skipped: 0,
            };
            self.push(id, at, event);
        }
        Ok(())
    }

    fn push(&mut self, id: &Arc<str>, at: Position, mut event: Event) {
        let told = self.told.entry(id.clone()).or_default();
        event.skipped = (event.sequence - *told - 1).max(0);
        *told = event.sequence;
        self.ready.push_back(self.response(Kind::Event(event), at));
    }

    fn response(&self, kind: Kind, at: Position) -> WatchResultsResponse {
        let token = ResumeToken { log_id: self.log_id.clone(), position: at };
        WatchResultsResponse { kind: Some(kind), resume_token: token.encode() }
    }

    /// Waits until a job moves. Returns what to say meanwhile, if anything.
    async fn wait(&self) -> Option<Result<WatchResultsResponse, Refusal>> {
        tokio::select! {
            () = self.listener.moved() => None,
            () = self.desk.stopping.cancelled() => Some(Err(Refusal::ShuttingDown)),
            () = sleep(self.desk.policy.heartbeat) => {
                Some(Ok(self.response(Kind::Heartbeat(Heartbeat {}), self.cursor)))
            }
        }
    }
}
