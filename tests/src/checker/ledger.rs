//! What the log means, folded once more: not by the gateway's code but by its contract.

use std::collections::BTreeMap;

use solvemesh::{
    broker::v1::{AttemptStarted, JobFinished, LogEntry, log_entry},
    v1::{
        AttemptFailed, CancelRequested, Event, Failure, Finished, JobDescription, JobState, Queued,
        ScenarioResult, ScenarioResults, SolutionPart, Started, event::Kind,
    },
};
use solvemesh_broker::LogMessage;

use super::sweep::Answers;

/// What the log says of every job.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The jobs by their ids.
    pub jobs: BTreeMap<String, Account>,
    /// The offsets of messages that can't be read.
    pub unreadable: Vec<u64>,
}

/// What the log says of one job.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// How many attempts died in the solver.
    pub deaths: usize,
    /// How many entries tried to end it again after its end.
    pub late_ends: usize,
    /// How many attempts began after its end.
    pub late_starts: usize,
    digest: Vec<u8>,
    description: Option<JobDescription>,
    state: State,
    cancel_asked: bool,
    attempts: Vec<(String, u32)>,
    answers: Answers,
    told: Vec<Told>,
}

/// An event that watchers are told: the first has the sequence 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The attempt that it belongs to.
    pub attempt: i32,
    /// What happened. A part of a solution is here without the solution.
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Queued,
    Running,
    Ended,
}

impl Ledger {
    /// Reads the messages of a log from its first one on.
    pub fn read(log: &[LogMessage]) -> Self {
        let mut ledger = Self::default();
        for message in log {
            match &message.batch {
                Ok(batch) => batch.entries.iter().for_each(|entry| ledger.enter(entry)),
                Err(_) => ledger.unreadable.push(message.offset),
            }
        }
        ledger
    }

    fn enter(&mut self, entry: &LogEntry) {
        let Some(kind) = entry.kind.as_ref().filter(|_| !entry.job_id.is_empty()) else { return };
        // What brings no payload makes no job.
        if entry.digest.is_empty() && !self.jobs.contains_key(&entry.job_id) {
            return;
        }
        let job = self.jobs.entry(entry.job_id.clone()).or_default();
        // The first payload binds the id.
        if !entry.digest.is_empty() {
            if job.digest.is_empty() {
                job.digest.clone_from(&entry.digest);
            } else if job.digest != entry.digest {
                return;
            }
        }
        job.enter(entry, kind);
    }
}

impl Account {
    /// The request id of its submission.
    pub fn request_id(&self) -> &str {
        self.description.as_ref().map_or("", |description| &description.request_id)
    }

    /// The name of its model.
    pub fn model(&self) -> &str {
        self.description.as_ref().map_or("", |description| &description.name)
    }

    /// How it ended: by the first entry that ends it.
    pub fn end(&self) -> Option<&Finished> {
        match &self.told.last()?.kind {
            Kind::Finished(finished) => Some(finished),
            _ => None,
        }
    }

    /// How many attempts began before its end.
    pub fn starts(&self) -> usize {
        self.attempts.len()
    }

    /// The event with a sequence.
    pub fn told(&self, sequence: i32) -> Option<&Told> {
        self.told.get(usize::try_from(sequence).ok()?.checked_sub(1)?)
    }

    fn enter(&mut self, entry: &LogEntry, kind: &log_entry::Kind) {
        use log_entry::Kind as Entry;
        match kind {
            Entry::Submitted(it) => self.describe(it.description.as_ref()),
            Entry::Started(it) => self.describe(it.description.as_ref()),
            _ => {}
        }
        if self.state == State::Ended {
            match kind {
                Entry::Finished(_) => self.late_ends += 1,
                Entry::Started(_) => self.late_starts += 1,
                _ => {}
            }
            return;
        }
        if self.was_seen(entry) {
            return;
        }
        let current = self.attempts.last().is_some_and(|(id, _)| *id == entry.attempt_id);
        match kind {
            Entry::Submitted(_) => self.queued(),
            Entry::Started(started) => self.started(entry, started),
            Entry::Progress(progress) if current => self.tell(Kind::Progress(*progress)),
            Entry::Incumbent(incumbent) if current => self.tell(Kind::Incumbent(incumbent.clone())),
            Entry::Log(log) if current => self.tell(Kind::Log(log.clone())),
            Entry::ScenarioResults(it) => self.answered(entry, &it.results),
            Entry::AttemptLost(lost) if current => {
                self.deaths += 1;
                self.state = State::Queued;
                self.tell(Kind::AttemptFailed(AttemptFailed { failure: lost.failure.clone() }));
                if self.cancel_asked {
                    self.ended(self.attempt(), cancelled());
                }
            }
            Entry::Finished(finished) => self.finished(entry, finished),
            Entry::CancelAsked(_) if self.state == State::Queued => {
                self.ended(self.attempt(), cancelled());
            }
            Entry::CancelAsked(_) if !self.cancel_asked => {
                self.cancel_asked = true;
                self.tell(Kind::CancelRequested(CancelRequested {}));
            }
            Entry::QueueTimePassed(_) if self.state == State::Queued => {
                self.ended(self.attempt(), expired());
            }
            // Progress and deaths of attempts that were superseded, a cancel once more, …
            _ => {}
        }
    }

    fn describe(&mut self, description: Option<&JobDescription>) {
        if self.description.is_none() {
            self.description = description.cloned();
        }
    }

    /// Whether an entry came before: messages are sent again when their confirm is lost.
    fn was_seen(&mut self, entry: &LogEntry) -> bool {
        match self.attempts.iter_mut().find(|(id, _)| *id == entry.attempt_id) {
            Some((_, last)) if entry.number <= *last => true,
            Some((_, last)) => {
                *last = entry.number;
                false
            }
            None => false,
        }
    }

    fn queued(&mut self) {
        if self.told.is_empty() {
            let description = Some(self.description.clone().unwrap_or_default());
            let kind = Kind::Queued(Queued { description });
            self.told.push(Told { attempt: 0, kind });
        }
    }

    fn started(&mut self, entry: &LogEntry, started: &AttemptStarted) {
        self.queued();
        self.state = State::Running;
        self.attempts.push((entry.attempt_id.clone(), entry.number));
        let (worker, start_objective) = (started.worker.clone(), started.start_objective);
        self.tell(Kind::Started(Started { worker, start_objective }));
    }

    fn finished(&mut self, entry: &LogEntry, finished: &JobFinished) {
        let Some(outcome) = finished.outcome.clone() else { return };
        let place = self.place(entry);
        let attempt = place.map_or(self.attempt(), ordinal);
        let count = finished.solution.as_ref().map_or(0, |solution| solution.parts);
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        for index in 0..count {
            let kind = Kind::SolutionPart(SolutionPart { index, count, solution: None });
            self.told.push(Told { attempt, kind });
        }
        if outcome.state() == JobState::Failed && place.is_some() && self.state == State::Running {
            self.deaths += 1;
        }
        self.ended(attempt, outcome);
    }

    /// Answers of scenarios count whoever gives them; the job ends with the last.
    fn answered(&mut self, entry: &LogEntry, results: &[ScenarioResult]) {
        let sweep = self.description.as_ref().and_then(|description| description.sweep.clone());
        let Some(sweep) = sweep else { return };
        let results = self.answers.take(&sweep, results);
        if results.is_empty() {
            return;
        }
        if self.attempts.is_empty() {
            self.state = State::Running;
        }
        let attempt = self.place(entry).map_or(self.attempt(), ordinal);
        self.told.push(Told { attempt, kind: Kind::ScenarioResults(ScenarioResults { results }) });
        if self.answers.are_enough(&sweep) {
            let state = JobState::Succeeded.into();
            self.ended(attempt, Finished { state, ..Finished::default() });
        }
    }

    fn ended(&mut self, attempt: i32, mut outcome: Finished) {
        let sweep = self.description.as_ref().and_then(|description| description.sweep.as_ref());
        outcome.sweep = sweep.map(|sweep| self.answers.summary(sweep));
        self.state = State::Ended;
        self.told.push(Told { attempt, kind: Kind::Finished(outcome) });
    }

    fn tell(&mut self, kind: Kind) {
        self.told.push(Told { attempt: self.attempt(), kind });
    }

    /// The place of the attempt that writes an entry.
    fn place(&self, entry: &LogEntry) -> Option<usize> {
        self.attempts.iter().position(|(id, _)| *id == entry.attempt_id)
    }

    fn attempt(&self) -> i32 {
        self.attempts.len().checked_sub(1).map_or(0, ordinal)
    }
}

impl Told {
    /// Whether an event is this one.
    pub fn is(&self, event: &Event) -> bool {
        let same = match (&self.kind, &event.kind) {
            (Kind::SolutionPart(part), Some(Kind::SolutionPart(seen))) => {
                (part.index, part.count) == (seen.index, seen.count) && seen.solution.is_some()
            }
            (kind, Some(seen)) => kind == seen,
            (_, None) => false,
        };
        same && self.attempt == event.attempt
    }
}

/// The number of an attempt from its place.
fn ordinal(place: usize) -> i32 {
    i32::try_from(place + 1).unwrap_or(i32::MAX)
}

fn cancelled() -> Finished {
    Finished { state: JobState::Cancelled.into(), ..Finished::default() }
}

fn expired() -> Finished {
    let failure = Failure {
        reason: "DEADLINE_EXCEEDED".to_owned(),
        message: "the job's time in the queue was over".to_owned(),
    };
    Finished { state: JobState::Expired.into(), failure: Some(failure), ..Finished::default() }
}
