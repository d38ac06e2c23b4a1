use std::{collections::VecDeque, sync::Arc};

use prost::Message;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::BulkReference,
    v1::{
        Event, Finished, Incumbent, Job, JobDescription, JobState, Progress, ScenarioResult,
        ScenarioResults, event::Kind,
    },
};
use solvemesh_model::sweep::numbers_told;

use crate::table::{
    Position,
    tally::{Fresh, Tally},
};

/// The most progress events that a job's history keeps; the older half is thinned
/// when there are more.
pub const PROGRESS_KEPT: usize = 256;
/// The most incumbents, likewise.
pub const INCUMBENTS_KEPT: usize = 32;
/// The most batches of log lines, likewise.
pub const LOG_KEPT: usize = 1024;

/// What the log says about one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The job's id.
    pub id: Arc<str>,
    /// Where the log first speaks of it.
    pub first: Position,
    /// How many bytes of the log lie before that.
    pub bytes_before: u64,
    /// Whether the log no longer has its beginning: it is forgotten once it has ended.
    pub beheaded: bool,
    /// The digest of its payload, bound by the first entry that tells one.
    pub digest: Vec<u8>,
    /// What was submitted, as soon as an entry tells.
    pub description: JobDescription,
    /// When it was accepted.
    pub submit_time: Option<Timestamp>,
    /// Where it is in its life.
    pub state: JobState,
    /// Its attempts in the order in which they appear in the log.
    pub attempts: Vec<Attempt>,
    /// Whether someone asked to cancel it.
    pub cancel_requested: bool,
    /// The latest progress of the current attempt.
    pub progress: Option<Progress>,
    /// Of a sweep that has not ended: its answers so far.
    pub tally: Option<Tally>,
    /// When it ended.
    pub finish_time: Option<Timestamp>,
    /// The sequence of its latest event.
    pub last_sequence: i32,
    /// The weight that the fold has counted for it.
    pub(super) counted: usize,
    /// Whether its progress and its results were left to the log.
    pub(super) is_shed: bool,
    pub(super) history: VecDeque<Happening>,
    history_bytes: usize,
    /// How many events of each class are kept.
    kept: [usize; Class::KEPT.len()],
}

/// What there may be very many of in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Progress,
    Incumbent,
    Log,
}

impl Class {
    /// The most that are kept, in the order of the classes.
    const KEPT: [usize; 3] = [PROGRESS_KEPT, INCUMBENTS_KEPT, LOG_KEPT];

    fn of(kind: Option<&Kind>) -> Option<Self> {
        match kind? {
            Kind::Progress(_) => Some(Self::Progress),
            Kind::Incumbent(_) => Some(Self::Incumbent),
            Kind::Log(_) => Some(Self::Log),
            _ => None,
        }
    }
}

/// One attempt to solve a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Its random id.
    pub id: String,
    /// The number of its latest entry.
    pub last_number: u32,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// The worker's name.
    pub worker: String,
    /// The random id of the worker's process.
    pub worker_id: String,
}

/// An event in a job's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Where: the last of the positions that it takes.
    pub position: Position,
    /// What.
    pub event: Arc<Event>,
    /// Where the solution lies that belongs to it. Its parts are events of their own:
    /// they take the sequences and positions just before this one's.
    pub solution: Option<BulkReference>,
    /// Whether the event's solution, or its answers, were left to the log, which has them at
    /// this position.
    pub shed: bool,
    /// Of answers: the scenarios that the entry answers too, and that were answered before.
    pub answered_before: Vec<i32>,
}

impl Record {
    /// A job that the log speaks of for the first time.
    pub fn new(id: Arc<str>, first: Position) -> Self {
        Self {
            id,
            first,
            bytes_before: 0,
            beheaded: false,
            digest: Vec::new(),
            description: JobDescription::default(),
            submit_time: None,
            state: JobState::Queued,
            attempts: Vec::new(),
            cancel_requested: false,
            progress: None,
            tally: None,
            finish_time: None,
            last_sequence: 0,
            counted: 0,
            is_shed: false,
            history: VecDeque::new(),
            history_bytes: 0,
            kept: Default::default(),
        }
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        is_terminal(self.state)
    }

    /// The number of the latest attempt, from 1; 0 before the first.
    pub fn attempt(&self) -> i32 {
        i32::try_from(self.attempts.len()).unwrap_or(i32::MAX)
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<&Finished> {
        match self.history.back()?.event.kind.as_ref()? {
            Kind::Finished(finished) => Some(finished),
            _ => None,
        }
    }

    /// Where it ended, if it has; else where it is now.
    pub fn end(&self) -> Position {
        self.history.back().map_or(self.first, |last| last.position)
    }

    /// The position at which the log has its result, if that was left there.
    pub fn left_in_log(&self) -> Option<Position> {
        self.history.back().filter(|last| last.shed).map(|last| last.position)
    }

    /// The events after a position, in order.
    pub fn after(&self, cursor: Position) -> impl Iterator<Item = &Happening> + Clone {
        let from = self.history.partition_point(|happening| happening.position <= cursor);
        self.history.range(from..)
    }

    /// The sequence of the latest event at or before a position; 0 before the first.
    pub fn sequence_at(&self, cursor: Position) -> i32 {
        let after = self.history.partition_point(|happening| happening.position <= cursor);
        if let Some(next) = self.history.get(after)
            && next.position.offset == cursor.offset
            && next.position.entry == cursor.entry
            && cursor.event > 0
            && next.solution.is_some()
        {
            // Between the parts of its solution.
            let before = next.event.sequence - part_count(next) - 1;
            return before + i32::try_from(cursor.event).unwrap_or(i32::MAX - before);
        }
        after.checked_sub(1).map_or(0, |last| self.history[last].event.sequence)
    }

    /// About how many bytes of memory it takes, or is going to: a sweep that has not ended
    /// weighs all of its answers from the beginning, so that no more are taken in than have
    /// room.
    pub fn weight(&self) -> usize {
        let tally = self.tally.as_ref().map_or(0, Tally::weight);
        let promised = self.tally.as_ref().map_or(0, |_| promised(&self.description));
        self.history_bytes.max(promised) + self.description.encoded_len() + tally + 512
    }

    /// Adds an event; a terminal one with its solution takes as many more sequences and
    /// positions as that has parts.
    pub(super) fn happen(
        &mut self,
        at: Position,
        time: Option<Timestamp>,
        attempt: i32,
        kind: Kind,
        solution: Option<BulkReference>,
    ) {
        let parts = solution.as_ref().map_or(0, |solution| solution.parts);
        let class = Class::of(Some(&kind));
        let taken = i32::try_from(parts).unwrap_or(i32::MAX - 1).saturating_add(1);
        self.last_sequence = self.last_sequence.saturating_add(taken);
        let event = Event {
            job_id: self.id.to_string(),
            sequence: self.last_sequence,
            time,
            attempt,
            kind: Some(kind),
            skipped: 0,
        };
        let happening = Happening {
            position: at.later(parts),
            event: Arc::new(event),
            solution,
            shed: false,
            answered_before: Vec::new(),
        };
        self.history_bytes += bytes_of(&happening);
        self.history.push_back(happening);
        if let Some(class) = class {
            self.kept[class as usize] += 1;
            if self.kept[class as usize] > Class::KEPT[class as usize] {
                self.thin(class);
            }
        }
    }

    /// Adds answers of scenarios.
    pub(super) fn answer(
        &mut self,
        at: Position,
        time: Option<Timestamp>,
        attempt: i32,
        fresh: Fresh,
    ) {
        let Fresh { results, answered_before } = fresh;
        self.happen(at, time, attempt, Kind::ScenarioResults(ScenarioResults { results }), None);
        if let Some(last) = self.history.back_mut() {
            self.history_bytes += size_of_val(answered_before.as_slice());
            last.answered_before = answered_before;
        }
    }

    /// Leaves the results of an ended job, and how its solve went, to the log.
    pub(super) fn shed(&mut self) {
        self.is_shed = true;
        self.progress = None;
        self.history.retain(|happening| class_of(happening).is_none());
        self.kept = Default::default();
        for happening in &mut self.history {
            happening.shed |= leave(&mut happening.event);
        }
        self.history_bytes = self.history.iter().map(bytes_of).sum();
    }

    /// The record with this history, as it was kept elsewhere.
    pub(super) fn with_history(mut self, history: impl IntoIterator<Item = Happening>) -> Self {
        self.history = history.into_iter().collect();
        self.history_bytes = self.history.iter().map(bytes_of).sum();
        self.kept = Default::default();
        for class in self.history.iter().filter_map(class_of) {
            self.kept[class as usize] += 1;
        }
        self.counted = self.weight();
        self
    }

    /// Drops every second of the older half of the events of a class.
    fn thin(&mut self, class: Class) {
        let older = self.kept[class as usize] / 2;
        let mut seen = 0;
        let mut dropped = 0;
        self.history.retain(|happening| {
            if class_of(happening) != Some(class) {
                return true;
            }
            seen += 1;
            let keep = seen > older || seen % 2 == 0;
            if !keep {
                dropped += bytes_of(happening);
            }
            keep
        });
        self.history_bytes -= dropped;
        self.kept[class as usize] -= older.div_ceil(2);
    }

    /// The best solution of the current attempt so far, unless the job has ended.
    fn incumbent(&self) -> Option<&Incumbent> {
        if self.ended() {
            return None;
        }
        let current = self.history.iter().rev().take_while(|h| h.event.attempt == self.attempt());
        current.into_iter().find_map(|happening| match &happening.event.kind {
            Some(Kind::Incumbent(incumbent)) => Some(incumbent),
            _ => None,
        })
    }

    /// The job as the API tells it; `full` with its result.
    pub fn job(&self, full: bool) -> Job {
        let outcome = self.outcome();
        let so_far = self.tally.as_ref().map(Tally::summary);
        let sweep = outcome.map_or(so_far, |outcome| outcome.sweep.as_ref()).cloned();
        let mut result = outcome.and_then(|outcome| outcome.result.clone());
        let mut solution_omitted = false;
        if let Some(result) = &mut result {
            solution_omitted = full && (result.solution_parts > 0 || self.left_in_log().is_some());
            if !full {
                result.solution = None;
            }
        }
        let current = self.attempts.last();
        Job {
            job_id: self.id.to_string(),
            state: self.state.into(),
            description: Some(self.description.clone()),
            submit_time: self.submit_time,
            start_time: current.and_then(|attempt| attempt.start_time),
            finish_time: self.finish_time,
            attempt: self.attempt(),
            worker: current.map(|attempt| attempt.worker.clone()).unwrap_or_default(),
            cancel_requested: self.cancel_requested,
            progress: self.progress,
            result,
            solution_omitted,
            failure: outcome.and_then(|outcome| outcome.failure.clone()),
            last_sequence: self.last_sequence,
            incumbent: self.incumbent().filter(|_| full).cloned(),
            sweep,
        }
    }
}

fn class_of(happening: &Happening) -> Option<Class> {
    Class::of(happening.event.kind.as_ref())
}

/// Takes out of an event what the log has at its position; false if it has nothing of that
/// kind.
fn leave(event: &mut Arc<Event>) -> bool {
    match &event.kind {
        Some(Kind::ScenarioResults(_)) => {
            let left = Kind::ScenarioResults(ScenarioResults::default());
            Arc::make_mut(event).kind = Some(left);
            true
        }
        Some(Kind::Finished(Finished { result: Some(result), .. }))
            if result.solution.is_some() =>
        {
            if let Some(Kind::Finished(finished)) = &mut Arc::make_mut(event).kind
                && let Some(result) = &mut finished.result
            {
                result.solution = None;
            }
            true
        }
        _ => false,
    }
}

/// About how many bytes of memory an event of a history takes.
fn bytes_of(happening: &Happening) -> usize {
    let event = match &happening.event.kind {
        // Most of its numbers take more room here than in a message.
        Some(Kind::ScenarioResults(answers)) => answers.results.iter().map(bytes_of_result).sum(),
        _ => happening.event.encoded_len(),
    };
    event + size_of_val(happening.answered_before.as_slice()) + 128
}

fn bytes_of_result(result: &ScenarioResult) -> usize {
    let numbers = size_of_val(result.values.as_slice()) + size_of_val(result.duals.as_slice());
    size_of::<ScenarioResult>() + numbers + result.label.len() + result.detail.len()
}

/// About how many bytes of memory all answers of a sweep are going to take.
fn promised(description: &JobDescription) -> usize {
    let Some(sweep) = &description.sweep else { return 0 };
    let size = description.size.unwrap_or_default();
    let count = |count: i32| usize::try_from(count).unwrap_or(0);
    let (variables, constraints) = (count(size.variables), count(size.constraints));
    let told = |report| numbers_told(report, variables, constraints);
    let numbers = sweep.report.as_ref().map_or(0, told);
    let each = size_of::<ScenarioResult>().saturating_add(numbers.saturating_mul(8));
    count(sweep.scenarios).saturating_mul(each)
}

/// How many events the parts of a happening's solution are.
pub fn part_count(happening: &Happening) -> i32 {
    happening
        .solution
        .as_ref()
        .map_or(0, |solution| i32::try_from(solution.parts).unwrap_or(i32::MAX - 1))
}

/// Whether a job in this state has ended.
pub fn is_terminal(state: JobState) -> bool {
    match state {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Expired => true,
        JobState::Unspecified | JobState::Queued | JobState::Running => false,
    }
}
