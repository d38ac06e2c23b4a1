//! The history of a job: its events with their sequence numbers, thinned where they are numerous.

use std::{collections::VecDeque, sync::Arc};

use prost::Message;
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::BulkReference,
    v1::{JobEvent, ScenarioResult, ScenarioResults, job_event::Kind},
};

use crate::table::{EventClass, Position};

/// The events of a job, in the order of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct History {
    events: VecDeque<HistoryEvent>,
    /// The sequence number of the latest event; 0 before the first.
    last_sequence: i32,
    /// About how many bytes of memory the events take.
    bytes: usize,
    /// Number of events, by [`EventClass`].
    counts: [usize; EventClass::COUNT],
}

/// An event in a job's history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HistoryEvent {
    /// Its position. An event with a large solution occupies several, of which this is the last.
    pub(crate) position: Position,
    /// The event as the API shows it, without what is stored elsewhere.
    pub(crate) event: Arc<JobEvent>,
    /// Reference to its large solution in the bulk store. Each part of that is an event of its
    /// own: the parts occupy the sequence numbers and positions directly before this event's.
    pub(crate) solution: Option<BulkReference>,
    /// Whether the event's solution, or its answers, were evicted from memory. The log has them
    /// at this position.
    pub(crate) evicted: bool,
    /// For answers of a sweep: scenarios that the entry answers too but that earlier entries had
    /// answered already. Needed to filter the entry when it is read back from the log.
    pub(crate) duplicate_scenarios: Vec<i32>,
}

impl HistoryEvent {
    /// Its class; `None` if it is never dropped.
    pub(crate) fn class(&self) -> Option<EventClass> {
        EventClass::of(self.event.kind.as_ref())
    }

    /// Number of parts of its large solution, each of which is an event too; 0 without one.
    pub(crate) fn part_count(&self) -> i32 {
        let parts = self.solution.as_ref().map_or(0, |solution| solution.parts);
        i32::try_from(parts).unwrap_or(i32::MAX - 1)
    }
}

impl History {
    /// A history from a snapshot; recomputes all counts.
    pub(super) fn new(events: impl IntoIterator<Item = HistoryEvent>, last_sequence: i32) -> Self {
        let events: VecDeque<HistoryEvent> = events.into_iter().collect();
        let bytes = events.iter().map(bytes_of).sum();
        let mut counts = <[usize; EventClass::COUNT]>::default();
        for class in events.iter().filter_map(HistoryEvent::class) {
            counts[class as usize] += 1;
        }
        Self { events, last_sequence, bytes, counts }
    }

    /// The sequence number of the latest event; 0 before the first.
    pub(super) fn last_sequence(&self) -> i32 {
        self.last_sequence
    }

    /// About how many bytes of memory the events take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The events that are left, in order.
    pub(super) fn events(&self) -> impl DoubleEndedIterator<Item = &HistoryEvent> {
        self.events.iter()
    }

    /// The events that are left, in order.
    pub(super) fn into_events(self) -> impl Iterator<Item = HistoryEvent> {
        self.events.into_iter()
    }

    /// The latest event.
    pub(super) fn last(&self) -> Option<&HistoryEvent> {
        self.events.back()
    }

    /// The events after a position, in order.
    pub(super) fn events_after(
        &self,
        cursor: Position,
    ) -> impl Iterator<Item = &HistoryEvent> + Clone {
        let from = self.events.partition_point(|history_event| history_event.position <= cursor);
        self.events.range(from..)
    }

    /// The sequence number of the latest event at or before a position; 0 before the first. From
    /// there, a watcher that resumes counts the events that it misses.
    pub(super) fn sequence_at(&self, cursor: Position) -> i32 {
        let after = self.events.partition_point(|history_event| history_event.position <= cursor);
        if let Some(next) = self.events.get(after)
            && next.position.offset == cursor.offset
            && next.position.entry == cursor.entry
            && cursor.event > 0
            && next.solution.is_some()
        {
            // The cursor is among the parts of a large solution, which the history stores as one
            // event: a watcher was disconnected after it had received some of them. With P parts
            // and the sequence number S of the event itself, the parts have S - P to S - 1. A
            // solution's parts are the first events of their entry, so the cursor's `event`,
            // counted from 1, is the number of parts at or before it. With 0 it is before all of
            // them, and the latest event is the one before this.
            let before = next.event.sequence - next.part_count() - 1;
            return before + i32::try_from(cursor.event).unwrap_or(i32::MAX - before);
        }
        after.checked_sub(1).map_or(0, |last| self.events[last].event.sequence)
    }

    /// Appends an event. A terminal one with a large solution occupies one more sequence number
    /// and position for each part of that.
    pub(super) fn push(
        &mut self,
        job_id: &str,
        at: Position,
        time: Option<Timestamp>,
        attempt: i32,
        kind: Kind,
        solution: Option<BulkReference>,
    ) {
        let parts = solution.as_ref().map_or(0, |solution| solution.parts);
        let class = EventClass::of(Some(&kind));
        let events = i32::try_from(parts).unwrap_or(i32::MAX - 1).saturating_add(1);
        self.last_sequence = self.last_sequence.saturating_add(events);
        let event = JobEvent {
            job_id: job_id.to_owned(),
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
        self.bytes += bytes_of(&history_event);
        self.events.push_back(history_event);
        if let Some(class) = class {
            self.counts[class as usize] += 1;
            if self.counts[class as usize] > class.max_events() {
                self.thin(class);
            }
        }
    }

    /// Returns the memory that was reserved for more events.
    pub(super) fn shrink(&mut self) {
        self.events.shrink_to_fit();
    }

    /// Notes which scenarios the entry of the latest event answered again.
    pub(super) fn set_duplicates(&mut self, duplicate_scenarios: Vec<i32>) {
        if let Some(last) = self.events.back_mut() {
            self.bytes += size_of_val(duplicate_scenarios.as_slice());
            last.duplicate_scenarios = duplicate_scenarios;
        }
    }

    /// Drops progress, incumbents and log lines, and evicts solution and answers, which the log
    /// still has.
    pub(super) fn evict_results(&mut self) {
        self.events.retain(|history_event| history_event.class().is_none());
        self.counts = Default::default();
        for history_event in &mut self.events {
            history_event.evicted |= strip_results(&mut history_event.event);
        }
        self.bytes = self.events.iter().map(bytes_of).sum();
    }

    /// Drops every second event of the older half of a class: keeps the recent past in full and
    /// an ever coarser view of the time before.
    fn thin(&mut self, class: EventClass) {
        let older = self.counts[class as usize] / 2;
        let mut seen = 0;
        let mut dropped = 0;
        self.events.retain(|history_event| {
            if history_event.class() != Some(class) {
                return true;
            }
            seen += 1;
            let keep = seen > older || seen % 2 == 0;
            if !keep {
                dropped += bytes_of(history_event);
            }
            keep
        });
        self.bytes -= dropped;
        self.counts[class as usize] -= older.div_ceil(2);
    }
}

/// Removes solution or answers from an event; false if it has none. Kinds that this strips are
/// those that `Jobs::reload_event` can read back from the log.
fn strip_results(event: &mut Arc<JobEvent>) -> bool {
    match &event.kind {
        Some(Kind::ScenarioResults(_)) => {
            let empty = Kind::ScenarioResults(ScenarioResults::default());
            Arc::make_mut(event).kind = Some(empty);
            true
        }
        Some(Kind::Finished(finished))
            if finished.result.as_ref().is_some_and(|result| result.solution.is_some()) =>
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
