//! Selects the events that a watcher receives. Pure.

use std::time::Duration;

use solvemesh::v1::{JobEventKind, job_event::Kind};

use crate::table::{EventClass, HistoryEvent};

/// Which events a watcher receives. The default is to send all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventFilter {
    /// A bit for each kind that is omitted, by the number of the kind.
    omitted: u32,
    /// Minimum time between two batches that only report how solves progress. Of each job, a
    /// batch contains only the latest progress and the latest incumbent.
    pub(crate) interval: Option<Duration>,
}

/// The kinds that are always sent: without them a watcher can't know the state of a job.
const ALWAYS_SENT: [JobEventKind; 3] =
    [JobEventKind::Queued, JobEventKind::Started, JobEventKind::Finished];

impl EventFilter {
    /// Sends events of these kinds and the states of jobs; all events if there are no kinds.
    pub(crate) fn new(kinds: &[JobEventKind], interval: Option<Duration>) -> Self {
        let sent = kinds.iter().chain(&ALWAYS_SENT).fold(0, |bits, kind| bits | bit(*kind));
        Self { omitted: if kinds.is_empty() { 0 } else { !sent }, interval }
    }

    /// The events to send out of a job's next ones.
    pub(super) fn select<'a>(
        &self,
        next: impl Iterator<Item = &'a HistoryEvent> + Clone,
    ) -> impl Iterator<Item = &'a HistoryEvent> {
        let last = |class| next.clone().filter(|it| it.class() == Some(class)).last();
        // The positions of the only progress and the only incumbent to send.
        let latest = self.interval.map(|_| {
            LATEST_ONLY.map(|class| last(class).map(|history_event| history_event.position))
        });
        let omitted = self.omitted;
        next.filter(move |history_event| {
            let class = history_event.class();
            let index = LATEST_ONLY.iter().position(|it| Some(*it) == class);
            let is_replaced = match (index, &latest) {
                (Some(index), Some(latest)) => latest[index] != Some(history_event.position),
                _ => false,
            };
            omitted & bit(kind_of(history_event)) == 0 && !is_replaced
        })
    }

    /// Whether an event is sent at once, without waiting for the interval.
    pub(super) fn bypasses_interval(history_event: &HistoryEvent) -> bool {
        history_event.class().is_none()
    }
}

/// The classes of which an interval leaves only the latest event: each replaces the one before.
const LATEST_ONLY: [EventClass; 2] = [EventClass::Progress, EventClass::Incumbent];

fn bit(kind: JobEventKind) -> u32 {
    1 << kind as u32
}

fn kind_of(history_event: &HistoryEvent) -> JobEventKind {
    match history_event.event.kind {
        None => JobEventKind::Unspecified,
        Some(Kind::Queued(_)) => JobEventKind::Queued,
        Some(Kind::Started(_)) => JobEventKind::Started,
        Some(Kind::Progress(_)) => JobEventKind::Progress,
        Some(Kind::CancelRequested(_)) => JobEventKind::CancelRequested,
        Some(Kind::SolutionPart(_)) => JobEventKind::SolutionPart,
        Some(Kind::Finished(_)) => JobEventKind::Finished,
        Some(Kind::AttemptFailed(_)) => JobEventKind::AttemptFailed,
        Some(Kind::Incumbent(_)) => JobEventKind::Incumbent,
        Some(Kind::Log(_)) => JobEventKind::Log,
        Some(Kind::ScenarioResults(_)) => JobEventKind::ScenarioResults,
    }
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::{Incumbent, JobEvent, JobStarted, LogLines, Progress};

    use super::*;
    use crate::table::Position;

    fn history() -> Vec<HistoryEvent> {
        let kinds = [
            Kind::Started(JobStarted::default()),
            Kind::Progress(Progress::default()),
            Kind::Incumbent(Incumbent::default()),
            Kind::Log(LogLines::default()),
            Kind::Incumbent(Incumbent::default()),
            Kind::Progress(Progress::default()),
            Kind::Log(LogLines::default()),
        ];
        let history_event = |(index, kind)| {
            let sequence = i32::try_from(index + 1).unwrap_or_default();
            let event = JobEvent { sequence, kind: Some(kind), ..JobEvent::default() };
            let position = Position::new(index as u64, 0);
            HistoryEvent {
                position,
                event: event.into(),
                solution: None,
                evicted: false,
                duplicate_scenarios: Vec::new(),
            }
        };
        kinds.into_iter().enumerate().map(history_event).collect()
    }

    fn sent(filter: EventFilter) -> Vec<i32> {
        filter.select(history().iter()).map(|history_event| history_event.event.sequence).collect()
    }

    #[test]
    fn only_requested_kinds_are_sent_and_the_states_of_the_job() {
        let of = |kinds: &[JobEventKind]| sent(EventFilter::new(kinds, None));
        assert_eq!(sent(EventFilter::default()), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(of(&[]), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(of(&[JobEventKind::Log]), [1, 4, 7]);
        assert_eq!(of(&[JobEventKind::Progress, JobEventKind::Incumbent]), [1, 2, 3, 5, 6]);
        assert_eq!(of(&[JobEventKind::Finished]), [1]);
    }

    #[test]
    fn interval_keeps_only_the_latest_progress_and_incumbent() {
        let interval = Some(Duration::from_secs(1));
        assert_eq!(sent(EventFilter { interval, ..EventFilter::default() }), [1, 4, 5, 6, 7]);
    }
}
