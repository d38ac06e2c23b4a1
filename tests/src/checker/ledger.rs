//! The checker's own fold of the log, written from the contract of the log and not from the
//! gateway's code.

use std::collections::BTreeMap;

use solvemesh::{
    broker::v1::{AttemptStarted, JobEnd, LogEntry, log_entry},
    v1::{
        Failure, JobAttemptFailed, JobCancelRequested, JobDescription, JobEvent, JobFinished,
        JobQueued, JobStarted, JobState, ScenarioResult, ScenarioResults, SolutionPart,
        job_event::Kind,
    },
};
use solvemesh_broker::LogMessage;

use super::sweep::Answers;

/// The state of all jobs according to the log.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The jobs by their ids.
    pub jobs: BTreeMap<String, Account>,
    /// The offsets of undecodable messages.
    pub unreadable: Vec<u64>,
}

/// The state of one job according to the log.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Number of attempts that died in the solver.
    pub deaths: usize,
    /// Number of terminal entries after the first one.
    pub late_ends: usize,
    /// Number of attempts that started after its end.
    pub late_starts: usize,
    digest: Vec<u8>,
    description: Option<JobDescription>,
    state: State,
    cancel_asked: bool,
    attempts: Vec<(String, u32)>,
    answers: Answers,
    events: Vec<LoggedEvent>,
}

/// An event that watchers must receive. The first one of a job has the sequence number 1.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEvent {
    /// The attempt that it belongs to.
    pub attempt: i32,
    /// What happened. A solution part has no solution here: the log has only the number of
    /// parts.
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
    /// Folds the messages of a log, from the first one on.
    pub fn read(log: &[LogMessage]) -> Self {
        let mut ledger = Self::default();
        for message in log {
            match &message.batch {
                Ok(batch) => batch.entries.iter().for_each(|entry| ledger.apply(entry)),
                Err(_) => ledger.unreadable.push(message.offset),
            }
        }
        ledger
    }

    fn apply(&mut self, entry: &LogEntry) {
        let Some(kind) = entry.kind.as_ref().filter(|_| !entry.job_id.is_empty()) else { return };
        // Only an entry with a payload digest creates a job.
        if entry.digest.is_empty() && !self.jobs.contains_key(&entry.job_id) {
            return;
        }
        let job = self.jobs.entry(entry.job_id.clone()).or_default();
        // The first digest is bound to the job id: entries of another payload are ignored.
        if !entry.digest.is_empty() {
            if job.digest.is_empty() {
                job.digest.clone_from(&entry.digest);
            } else if job.digest != entry.digest {
                return;
            }
        }
        job.apply(entry, kind);
    }
}

impl Account {
    /// The request id of its submission.
    pub fn request_id(&self) -> &str {
        self.description.as_ref().map_or("", |description| &description.request_id)
    }

    /// The name of its model.
    pub fn model(&self) -> &str {
        self.description.as_ref().map_or("", |description| &description.model_name)
    }

    /// Its outcome, by the first terminal entry.
    pub fn end(&self) -> Option<&JobFinished> {
        match &self.events.last()?.kind {
            Kind::Finished(finished) => Some(finished),
            _ => None,
        }
    }

    /// Number of attempts that started before its end.
    pub fn starts(&self) -> usize {
        self.attempts.len()
    }

    /// The event with this sequence number.
    pub fn event(&self, sequence: i32) -> Option<&LoggedEvent> {
        self.events.get(usize::try_from(sequence).ok()?.checked_sub(1)?)
    }

    fn apply(&mut self, entry: &LogEntry, kind: &log_entry::Kind) {
        use log_entry::Kind as Entry;
        match kind {
            Entry::Submitted(it) => self.describe(it.description.as_ref()),
            _ => self.describe(entry.attempt_start().and_then(|it| it.description.as_ref())),
        }
        // The first terminal entry wins: what follows is only counted.
        if self.state == State::Ended {
            self.late_starts += usize::from(entry.attempt_start().is_some());
            self.late_ends += usize::from(matches!(kind, Entry::Finished(_)));
            return;
        }
        if self.was_seen(entry) {
            return;
        }
        // Of attempts that were superseded by a later one, only the end and answers count.
        let current = self.attempts.last().is_some_and(|(id, _)| *id == entry.attempt_id);
        match kind {
            Entry::Submitted(_) => self.queued(),
            Entry::Started(started) => self.started(entry, started),
            Entry::Progress(progress) if current => self.push_event(Kind::Progress(*progress)),
            Entry::Incumbent(incumbent) if current => {
                self.push_event(Kind::Incumbent(incumbent.clone()))
            }
            Entry::Log(log) if current => self.push_event(Kind::Log(log.clone())),
            Entry::ScenarioResults(it) => self.answered(entry, &it.results),
            Entry::AttemptLost(lost) if current => {
                self.deaths += 1;
                self.state = State::Queued;
                self.push_event(Kind::AttemptFailed(JobAttemptFailed {
                    failure: lost.failure.clone(),
                }));
                // A job whose cancel was requested gets no other attempt.
                if self.cancel_asked {
                    self.ended(self.attempt(), cancelled());
                }
            }
            Entry::Finished(finished) => self.finished(entry, finished),
            Entry::CancelRequested(_) if self.state == State::Queued => {
                self.ended(self.attempt(), cancelled());
            }
            Entry::CancelRequested(_) if !self.cancel_asked => {
                self.cancel_asked = true;
                self.push_event(Kind::CancelRequested(JobCancelRequested {}));
            }
            Entry::QueueTimePassed(_) if self.state == State::Queued => {
                self.ended(self.attempt(), expired());
            }
            // Progress and deaths of superseded attempts, a repeated cancel, …
            _ => {}
        }
    }

    fn describe(&mut self, description: Option<&JobDescription>) {
        if self.description.is_none() {
            self.description = description.cloned();
        }
    }

    /// Whether an entry is a duplicate: a message is sent again when its confirm is lost. The
    /// entries of an attempt are numbered, so that a duplicate has no higher number.
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
        if self.events.is_empty() {
            let description = Some(self.description.clone().unwrap_or_default());
            let kind = Kind::Queued(JobQueued { description }.into());
            self.events.push(LoggedEvent { attempt: 0, kind });
        }
    }

    fn started(&mut self, entry: &LogEntry, started: &AttemptStarted) {
        self.queued();
        self.state = State::Running;
        self.attempts.push((entry.attempt_id.clone(), entry.number));
        let (worker, start_objective) = (started.worker.clone(), started.start_objective);
        self.push_event(Kind::Started(JobStarted { worker, start_objective }));
    }

    fn finished(&mut self, entry: &LogEntry, finished: &JobEnd) {
        let Some(outcome) = finished.outcome.clone() else { return };
        // A short attempt has one entry.
        if let Some(started) = &finished.started {
            self.started(entry, started);
        }
        let place = self.place(entry);
        let attempt = place.map_or(self.attempt(), ordinal);
        let count = finished.solution.as_ref().map_or(0, |solution| solution.parts);
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        for index in 0..count {
            let kind = Kind::SolutionPart(SolutionPart { index, count, solution: None });
            self.events.push(LoggedEvent { attempt, kind });
        }
        // The death that fails the job has no entry of its own.
        if outcome.state() == JobState::Failed && place.is_some() && self.state == State::Running {
            self.deaths += 1;
        }
        self.ended(attempt, outcome);
    }

    /// Answers to scenarios count whichever attempt they are from; the last one ends the job.
    fn answered(&mut self, entry: &LogEntry, results: &[ScenarioResult]) {
        let sweep = self.description.as_ref().and_then(|description| description.sweep.clone());
        let Some(sweep) = sweep else { return };
        let results = self.answers.take(&sweep, results);
        if results.is_empty() {
            return;
        }
        // A part of a sweep has no start of its own: its answers may be the first entry.
        if self.attempts.is_empty() {
            self.state = State::Running;
        }
        let attempt = self.place(entry).map_or(self.attempt(), ordinal);
        self.events.push(LoggedEvent {
            attempt,
            kind: Kind::ScenarioResults(ScenarioResults { results }),
        });
        if self.answers.are_enough(&sweep) {
            let state = JobState::Succeeded.into();
            self.ended(attempt, JobFinished { state, ..JobFinished::default() });
        }
    }

    fn ended(&mut self, attempt: i32, mut outcome: JobFinished) {
        let sweep = self.description.as_ref().and_then(|description| description.sweep.as_ref());
        outcome.sweep_summary = sweep.map(|sweep| self.answers.summary(sweep));
        self.state = State::Ended;
        self.events.push(LoggedEvent { attempt, kind: Kind::Finished(outcome.into()) });
    }

    fn push_event(&mut self, kind: Kind) {
        self.events.push(LoggedEvent { attempt: self.attempt(), kind });
    }

    /// The index of the attempt that wrote an entry.
    fn place(&self, entry: &LogEntry) -> Option<usize> {
        self.attempts.iter().position(|(id, _)| *id == entry.attempt_id)
    }

    fn attempt(&self) -> i32 {
        self.attempts.len().checked_sub(1).map_or(0, ordinal)
    }
}

impl LoggedEvent {
    /// Whether a received event is this one.
    pub fn is(&self, event: &JobEvent) -> bool {
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

/// The number of an attempt, counted from 1, from its index.
fn ordinal(place: usize) -> i32 {
    i32::try_from(place + 1).unwrap_or(i32::MAX)
}

fn cancelled() -> JobFinished {
    JobFinished { state: JobState::Cancelled.into(), ..JobFinished::default() }
}

fn expired() -> JobFinished {
    let failure = Failure {
        reason: "DEADLINE_EXCEEDED".to_owned(),
        message: "the job's time in the queue was over".to_owned(),
    };
    JobFinished {
        state: JobState::Expired.into(),
        failure: Some(failure),
        ..JobFinished::default()
    }
}
