//! The state of one job, and the job as the API shows it.

use std::sync::Arc;

use prost::Message;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::BulkReference,
    v1::{
        Incumbent, Job, JobDescription, JobFinished, JobState, ScenarioResult, ScenarioResults,
        job_event::Kind,
    },
};
use solvemesh_model::sweep::values_per_scenario;

use crate::table::{
    HistoryEvent, Position,
    history::History,
    stage::{Live, Results, Stage},
    tally::{NewAnswers, Tally},
    usage::{Load, Owner},
};

/// About how many bytes of memory a job takes beside its history and its description.
pub(super) const FIXED_BYTES: usize = 512;

/// One job of the table: its state and its history, folded from the entries of the results log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// The job's id.
    pub(crate) id: Arc<str>,
    /// The position of its first entry in the log.
    pub(crate) first: Position,
    /// About how many bytes of the log were folded before its first entry.
    pub(crate) bytes_before: u64,
    /// The digest of its payload, set by the first entry that contains one. Entries with another
    /// digest are ignored.
    pub(crate) digest: Vec<u8>,
    /// The description of what was submitted; empty until an entry contains it.
    pub(crate) description: JobDescription,
    /// Who it is counted for: the owner by its description.
    pub(super) owner: Arc<Owner>,
    /// When a gateway accepted it.
    pub(crate) submit_time: Option<Timestamp>,
    /// Whether it is live or has finished, with the fields that exist only then.
    pub(super) stage: Stage,
    /// Its attempts in the order in which they appear in the log.
    pub(crate) attempts: Vec<Attempt>,
    /// Whether a cancel was requested.
    pub(crate) cancel_requested: bool,
    /// The weight with which the fold's totals currently include this job, in bytes.
    pub(super) counted_weight: usize,
    pub(super) history: History,
}

/// One attempt to solve a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attempt {
    /// The attempt's random id.
    pub(crate) id: String,
    /// The number of its latest entry, by which duplicates are dropped.
    pub(crate) last_number: u32,
    /// When it started.
    pub(crate) start_time: Option<Timestamp>,
    /// The worker's name.
    pub(crate) worker: String,
    /// The random id of the worker's process.
    pub(crate) worker_id: String,
}

impl Record {
    /// A queued job without events, whose first entry is at `first`.
    pub(crate) fn new(id: Arc<str>, first: Position) -> Self {
        Self {
            id,
            first,
            bytes_before: 0,
            digest: Vec::new(),
            description: JobDescription::default(),
            owner: Owner::nobody(),
            submit_time: None,
            stage: Stage::Live(Live::default()),
            attempts: Vec::new(),
            cancel_requested: false,
            counted_weight: 0,
            history: History::default(),
        }
    }

    /// Its current state.
    pub(crate) fn state(&self) -> JobState {
        self.stage.state()
    }

    /// Whether it has finished.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished(_))
    }

    /// When it finished; `None` also if its terminal entry has no time.
    pub(super) fn finish_time(&self) -> Option<Timestamp> {
        self.stage.finish_time()
    }

    /// The answers so far, for a sweep that has not finished.
    pub(crate) fn tally(&self) -> Option<&Tally> {
        self.stage.tally()
    }

    /// The sequence number of its latest event; 0 before the first.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.history.last_sequence()
    }

    /// The number of the latest attempt, from 1; 0 before the first.
    pub(crate) fn latest_attempt(&self) -> i32 {
        i32::try_from(self.attempts.len()).unwrap_or(i32::MAX)
    }

    /// The outcome, if it has finished: always the last event.
    pub(crate) fn outcome(&self) -> Option<&JobFinished> {
        match self.history.last()?.event.kind.as_ref()? {
            Kind::Finished(finished) => Some(finished),
            _ => None,
        }
    }

    /// The position of its latest event; its end, if it has finished.
    pub(crate) fn last_position(&self) -> Position {
        self.history.last().map_or(self.first, |last| last.position)
    }

    /// The position at which the log has its result, if that was evicted from memory.
    pub(crate) fn evicted_position(&self) -> Option<Position> {
        self.history.last().filter(|last| last.evicted).map(|last| last.position)
    }

    /// The events after a position, in order.
    pub(crate) fn events_after(
        &self,
        cursor: Position,
    ) -> impl Iterator<Item = &HistoryEvent> + Clone {
        self.history.events_after(cursor)
    }

    /// The sequence number of the latest event at or before a position; 0 before the first.
    pub(crate) fn sequence_at(&self, cursor: Position) -> i32 {
        self.history.sequence_at(cursor)
    }

    /// About how many bytes of memory it takes, or will take: a sweep that has not finished is
    /// charged for all of its answers from the start, so that no more sweeps are admitted than
    /// memory can hold.
    pub(crate) fn weight(&self) -> usize {
        let tally = self.tally().map_or(0, Tally::weight);
        let expected = self.tally().map_or(0, |_| expected_answer_bytes(&self.description));
        self.history.bytes().max(expected) + self.description.encoded_len() + tally + FIXED_BYTES
    }

    /// What it adds to the load of its owner while it is live.
    pub(super) fn load(&self) -> Load {
        Load { bytes: self.counted_weight as u64, ..Load::of(&self.description) }
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
        self.history.push(&self.id, at, time, attempt, kind, solution);
    }

    /// Returns the memory that was reserved for more attempts and events: a finished job has no
    /// more, and there are many of those.
    pub(super) fn shrink(&mut self) {
        self.attempts.shrink_to_fit();
        self.history.shrink();
    }

    /// Appends an event with answers of scenarios.
    pub(super) fn answer(
        &mut self,
        at: Position,
        time: Option<Timestamp>,
        attempt: i32,
        new_answers: NewAnswers,
    ) {
        let NewAnswers { results, duplicate_scenarios } = new_answers;
        let kind = Kind::ScenarioResults(ScenarioResults { results });
        self.push_event(at, time, attempt, kind, None);
        self.history.set_duplicates(duplicate_scenarios);
    }

    /// Evicts the results of a finished job, its progress, incumbents and log lines from memory.
    /// Results can be read again from the log; the others are dropped. Does nothing to a job that
    /// has not finished.
    pub(super) fn evict_results(&mut self) {
        let Stage::Finished(finished) = &mut self.stage else { return };
        finished.results = Results::Evicted;
        self.history.evict_results();
    }

    /// The best solution of the current attempt so far, unless the job has finished.
    fn incumbent(&self) -> Option<&Incumbent> {
        if self.is_finished() {
            return None;
        }
        let current =
            self.history.events().rev().take_while(|h| h.event.attempt == self.latest_attempt());
        current.into_iter().find_map(|history_event| match &history_event.event.kind {
            Some(Kind::Incumbent(incumbent)) => Some(incumbent),
            _ => None,
        })
    }

    /// The job as the API shows it. With `full`, includes the solution, if that is in memory, and
    /// the incumbent.
    pub(crate) fn to_job(&self, full: bool) -> Job {
        let outcome = self.outcome();
        // The summary of a sweep moves from the tally into the outcome when the job finishes.
        let so_far = self.tally().map(Tally::summary);
        let sweep = outcome.map_or(so_far, |outcome| outcome.sweep_summary.as_ref()).cloned();
        let mut result = outcome.and_then(|outcome| outcome.result.clone());
        let mut solution_omitted = false;
        if let Some(result) = &mut result {
            solution_omitted =
                full && (result.solution_part_count > 0 || self.evicted_position().is_some());
            if !full {
                result.solution = None;
            }
        }
        let current = self.attempts.last();
        Job {
            job_id: self.id.to_string(),
            state: self.state().into(),
            description: Some(self.description.clone()),
            submit_time: self.submit_time,
            start_time: current.and_then(|attempt| attempt.start_time),
            finish_time: self.stage.finish_time(),
            attempt: self.latest_attempt(),
            worker: current.map(|attempt| attempt.worker.clone()).unwrap_or_default(),
            cancel_requested: self.cancel_requested,
            progress: self.stage.progress(),
            result,
            solution_omitted,
            failure: outcome.and_then(|outcome| outcome.failure.clone()),
            last_sequence: self.last_sequence(),
            incumbent: self.incumbent().filter(|_| full).cloned(),
            sweep_summary: sweep,
            // Not of the job alone: `Jobs` fills it in.
            queue_position: None,
        }
    }
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
