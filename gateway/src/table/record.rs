use std::{collections::VecDeque, sync::Arc};

use prost::Message;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::BulkReference,
    v1::{
        Incumbent, Job, JobDescription, JobEvent, JobFinished, JobState, Progress, ScenarioResult,
        ScenarioResults, job_event::Kind,
    },
};
use solvemesh_model::sweep::values_per_scenario;

use crate::table::{
    Position,
    tally::{NewAnswers, Tally},
};

/// Maximum number of progress events in a job's history. When there are more, every second event
/// of the older half is dropped.
pub const PROGRESS_KEPT: usize = 256;
/// Maximum number of incumbents in a job's history, thinned in the same way.
pub const INCUMBENTS_KEPT: usize = 32;
/// Maximum number of batches of log lines in a job's history, thinned in the same way.
pub const LOG_KEPT: usize = 1024;

/// About how many bytes of memory a job takes beside its history and its description.
const FIXED_BYTES: usize = 512;

/// One job of the table: its state and its history, folded from the entries of the results log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The job's id.
    pub id: Arc<str>,
    /// The position of its first entry in the log.
    pub first: Position,
    /// About how many bytes of the log were folded before its first entry.
    pub bytes_before: u64,
    /// Whether the log has lost its first entries to truncation. Such a job is forgotten once it
    /// has finished.
    pub start_truncated: bool,
    /// The digest of its payload, set by the first entry that contains one. Entries with another
    /// digest are ignored.
    pub digest: Vec<u8>,
    /// The description of what was submitted; empty until an entry contains it.
    pub description: JobDescription,
    /// When a gateway accepted it.
    pub submit_time: Option<Timestamp>,
    /// Its current state.
    pub state: JobState,
    /// Its attempts in the order in which they appear in the log.
    pub attempts: Vec<Attempt>,
    /// Whether a cancel was requested.
    pub cancel_requested: bool,
    /// The latest progress of the current attempt.
    pub progress: Option<Progress>,
    /// The answers so far, for a sweep that has not finished.
    pub tally: Option<Tally>,
    /// When it finished.
    pub finish_time: Option<Timestamp>,
    /// The sequence number of its latest event.
    pub last_sequence: i32,
    /// The weight with which the fold's totals currently include this job, in bytes.
    pub(super) counted: usize,
    /// Whether its progress and its results were evicted from memory; the log still has the
    /// results.
    pub(super) results_evicted: bool,
    pub(super) history: VecDeque<HistoryEvent>,
    history_bytes: usize,
    /// Number of events in the history, by [`Class`].
    kept: [usize; Class::KEPT.len()],
}

/// The kinds of events that can be numerous, and whose number in a history is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Progress,
    Incumbent,
    Log,
}

impl Class {
    /// The maximum of each class, in the order of the variants.
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
    /// The attempt's random id.
    pub id: String,
    /// The number of its latest entry, by which duplicates are dropped.
    pub last_number: u32,
    /// When it started.
    pub start_time: Option<Timestamp>,
    /// The worker's name.
    pub worker: String,
    /// The random id of the worker's process.
    pub worker_id: String,
}

/// An event in a job's history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    /// Its position. An event with a large solution occupies several, of which this is the last.
    pub position: Position,
    /// The event as the API shows it, without what is stored elsewhere.
    pub event: Arc<JobEvent>,
    /// Reference to its large solution in the bulk store. Each part of that is an event of its
    /// own: the parts occupy the sequence numbers and positions directly before this event's.
    pub solution: Option<BulkReference>,
    /// Whether the event's solution, or its answers, were evicted from memory. The log has them
    /// at this position.
    pub evicted: bool,
    /// For answers of a sweep: scenarios that the entry answers too but that earlier entries had
    /// answered already. Needed to filter the entry when it is read back from the log.
    pub duplicate_scenarios: Vec<i32>,
}

impl Record {
    /// A queued job without events, whose first entry is at `first`.
    pub fn new(id: Arc<str>, first: Position) -> Self {
        Self {
            id,
            first,
            bytes_before: 0,
            start_truncated: false,
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
            results_evicted: false,
            history: VecDeque::new(),
            history_bytes: 0,
            kept: Default::default(),
        }
    }

    /// Whether it has finished.
    pub fn ended(&self) -> bool {
        is_terminal(self.state)
    }

    /// The number of the latest attempt, from 1; 0 before the first.
    pub fn attempt(&self) -> i32 {
        i32::try_from(self.attempts.len()).unwrap_or(i32::MAX)
    }

    /// The outcome, if it has finished: always the last event.
    pub fn outcome(&self) -> Option<&JobFinished> {
        match self.history.back()?.event.kind.as_ref()? {
            Kind::Finished(finished) => Some(finished),
            _ => None,
        }
    }

    /// The position of its latest event; its end, if it has finished.
    pub fn end(&self) -> Position {
        self.history.back().map_or(self.first, |last| last.position)
    }

    /// The position at which the log has its result, if that was evicted from memory.
    pub fn evicted_at(&self) -> Option<Position> {
        self.history.back().filter(|last| last.evicted).map(|last| last.position)
    }

    /// The events after a position, in order.
    pub fn after(&self, cursor: Position) -> impl Iterator<Item = &HistoryEvent> + Clone {
        let from = self.history.partition_point(|history_event| history_event.position <= cursor);
        self.history.range(from..)
    }

    /// The sequence number of the latest event at or before a position; 0 before the first.
    pub fn sequence_at(&self, cursor: Position) -> i32 {
        let after = self.history.partition_point(|history_event| history_event.position <= cursor);
        if let Some(next) = self.history.get(after)
            && next.position.offset == cursor.offset
            && next.position.entry == cursor.entry
            && cursor.event > 0
            && next.solution.is_some()
        {
            // The cursor is among the parts of a large solution, which the history stores as one
            // event. With P parts and the sequence number S of the event itself, the parts have
            // S - P to S - 1. A solution's parts are the first events of their entry, so the
            // cursor's `event`, counted from 1, is the number of parts at or before it.
            let before = next.event.sequence - part_count(next) - 1;
            return before + i32::try_from(cursor.event).unwrap_or(i32::MAX - before);
        }
        after.checked_sub(1).map_or(0, |last| self.history[last].event.sequence)
    }

    /// About how many bytes of memory it takes, or will take: a sweep that has not finished is
    /// charged for all of its answers from the start, so that no more sweeps are admitted than
    /// memory can hold.
    pub fn weight(&self) -> usize {
        let tally = self.tally.as_ref().map_or(0, Tally::weight);
        let expected = self.tally.as_ref().map_or(0, |_| expected_answer_bytes(&self.description));
        self.history_bytes.max(expected) + self.description.encoded_len() + tally + FIXED_BYTES
    }

    /// Appends an event. A terminal one with a large solution occupies one more sequence number
    /// and position for each part of that.
    pub(super) fn push_event(
        &mut self,
        at: Position,
        time: Option<Timestamp>,
        attempt: i32,
        kind: Kind,
        solution: Option<BulkReference>,
    ) {
        let parts = solution.as_ref().map_or(0, |solution| solution.parts);
        let class = Class::of(Some(&kind));
        let events = i32::try_from(parts).unwrap_or(i32::MAX - 1).saturating_add(1);
        self.last_sequence = self.last_sequence.saturating_add(events);
        let event = JobEvent {
            job_id: self.id.to_string(),
            sequence: self.last_sequence,
            time,
            attempt,
            kind: Some(kind),
            skipped_count: 0,
        };
        let history_event = HistoryEvent {
            position: at.later(parts),
            event: Arc::new(event),
            solution,
            evicted: false,
            duplicate_scenarios: Vec::new(),
        };
        self.history_bytes += bytes_of(&history_event);
        self.history.push_back(history_event);
        if let Some(class) = class {
            self.kept[class as usize] += 1;
            if self.kept[class as usize] > Class::KEPT[class as usize] {
                self.thin(class);
            }
        }
    }

    /// Appends an event with answers of scenarios.
    pub(super) fn answer(
        &mut self,
        at: Position,
        time: Option<Timestamp>,
        attempt: i32,
        fresh: NewAnswers,
    ) {
        let NewAnswers { results, duplicate_scenarios } = fresh;
        self.push_event(
            at,
            time,
            attempt,
            Kind::ScenarioResults(ScenarioResults { results }),
            None,
        );
        if let Some(last) = self.history.back_mut() {
            self.history_bytes += size_of_val(duplicate_scenarios.as_slice());
            last.duplicate_scenarios = duplicate_scenarios;
        }
    }

    /// Evicts the results of a finished job, its progress, incumbents and log lines from memory.
    /// Results can be read again from the log; the others are dropped.
    pub(super) fn evict_results(&mut self) {
        self.results_evicted = true;
        self.progress = None;
        self.history.retain(|history_event| class_of(history_event).is_none());
        self.kept = Default::default();
        for history_event in &mut self.history {
            history_event.evicted |= strip_results(&mut history_event.event);
        }
        self.history_bytes = self.history.iter().map(bytes_of).sum();
    }

    /// The record with a history from a snapshot; recomputes all counts.
    pub(super) fn with_history(mut self, history: impl IntoIterator<Item = HistoryEvent>) -> Self {
        self.history = history.into_iter().collect();
        self.history_bytes = self.history.iter().map(bytes_of).sum();
        self.kept = Default::default();
        for class in self.history.iter().filter_map(class_of) {
            self.kept[class as usize] += 1;
        }
        self.counted = self.weight();
        self
    }

    /// Drops every second event of the older half of a class: keeps the recent past in full and
    /// an ever coarser view of the time before.
    fn thin(&mut self, class: Class) {
        let older = self.kept[class as usize] / 2;
        let mut seen = 0;
        let mut dropped = 0;
        self.history.retain(|history_event| {
            if class_of(history_event) != Some(class) {
                return true;
            }
            seen += 1;
            let keep = seen > older || seen % 2 == 0;
            if !keep {
                dropped += bytes_of(history_event);
            }
            keep
        });
        self.history_bytes -= dropped;
        self.kept[class as usize] -= older.div_ceil(2);
    }

    /// The best solution of the current attempt so far, unless the job has finished.
    fn incumbent(&self) -> Option<&Incumbent> {
        if self.ended() {
            return None;
        }
        let current = self.history.iter().rev().take_while(|h| h.event.attempt == self.attempt());
        current.into_iter().find_map(|history_event| match &history_event.event.kind {
            Some(Kind::Incumbent(incumbent)) => Some(incumbent),
            _ => None,
        })
    }

    /// The job as the API shows it. With `full`, includes the solution, if that is in memory, and
    /// the incumbent.
    pub fn job(&self, full: bool) -> Job {
        let outcome = self.outcome();
        // The summary of a sweep moves from the tally into the outcome when the job finishes.
        let so_far = self.tally.as_ref().map(Tally::summary);
        let sweep = outcome.map_or(so_far, |outcome| outcome.sweep_summary.as_ref()).cloned();
        let mut result = outcome.and_then(|outcome| outcome.result.clone());
        let mut solution_omitted = false;
        if let Some(result) = &mut result {
            solution_omitted =
                full && (result.solution_part_count > 0 || self.evicted_at().is_some());
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
            sweep_summary: sweep,
        }
    }
}

fn class_of(history_event: &HistoryEvent) -> Option<Class> {
    Class::of(history_event.event.kind.as_ref())
}

/// Removes solution or answers from an event; false if it has none. Kinds that this strips are
/// those that `Jobs::recall` can read back from the log.
fn strip_results(event: &mut Arc<JobEvent>) -> bool {
    match &event.kind {
        Some(Kind::ScenarioResults(_)) => {
            let empty = Kind::ScenarioResults(ScenarioResults::default());
            Arc::make_mut(event).kind = Some(empty);
            true
        }
        Some(Kind::Finished(JobFinished { result: Some(result), .. }))
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

/// About how many bytes of memory an event of a history takes: its content and 128 bytes for the
/// fixed fields.
fn bytes_of(history_event: &HistoryEvent) -> usize {
    let event = match &history_event.event.kind {
        // Larger in memory than encoded: zeros are left out, small integers take fewer bytes.
        Some(Kind::ScenarioResults(answers)) => answers.results.iter().map(bytes_of_result).sum(),
        _ => history_event.event.encoded_len(),
    };
    event + size_of_val(history_event.duplicate_scenarios.as_slice()) + 128
}

fn bytes_of_result(result: &ScenarioResult) -> usize {
    let numbers = size_of_val(result.values.as_slice()) + size_of_val(result.duals.as_slice());
    size_of::<ScenarioResult>() + numbers + result.label.len() + result.detail.len()
}

/// About how many bytes of memory all answers of a sweep will take.
fn expected_answer_bytes(description: &JobDescription) -> usize {
    let Some(sweep) = &description.sweep else { return 0 };
    let size = description.size.unwrap_or_default();
    let count = |count: i32| usize::try_from(count).unwrap_or(0);
    let (variables, constraints) = (count(size.variable_count), count(size.constraint_count));
    let numbers_of = |report| values_per_scenario(report, variables, constraints);
    let numbers = sweep.report.as_ref().map_or(0, numbers_of);
    // A number is an f64.
    let each = size_of::<ScenarioResult>().saturating_add(numbers.saturating_mul(8));
    count(sweep.scenario_count).saturating_mul(each)
}

/// Number of parts of an event's large solution, each of which is an event too; 0 without one.
pub fn part_count(history_event: &HistoryEvent) -> i32 {
    history_event
        .solution
        .as_ref()
        .map_or(0, |solution| i32::try_from(solution.parts).unwrap_or(i32::MAX - 1))
}

/// Whether a job in this state has finished.
pub fn is_terminal(state: JobState) -> bool {
    match state {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Expired => true,
        JobState::Unspecified | JobState::Queued | JobState::Running => false,
    }
}
