//! The incumbents of a solve, as events of its span.

use std::time::SystemTime;

use solvemesh::solver::v1::Incumbent;
use solvemesh_daemon::trace_event;
use tracing::Span;

/// Maximum number of events of a solve: its first incumbents and its last one. Some models have
/// thousands, and tools that show traces cut or drop spans with too many events.
const MAX_EVENTS: usize = 32;

/// Adds incumbents to the span of a solve.
#[derive(Debug)]
pub(super) struct IncumbentEvents {
    /// `None` if this process exports no traces.
    span: Option<Span>,
    choice: Choice,
}

/// Which incumbents become events.
#[derive(Debug, Default)]
struct Choice {
    added: usize,
    /// The latest incumbent, if it was not added.
    latest: Option<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Event {
    time: SystemTime,
    objective: f64,
    bound: Option<f64>,
}

impl IncumbentEvents {
    /// Those of the current span.
    pub(super) fn of_current_span() -> Self {
        let span = Some(Span::current()).filter(|span| !span.is_disabled());
        Self { span, choice: Choice::default() }
    }

    /// Adds an incumbent, or keeps it as the latest one.
    pub(super) fn record(&mut self, incumbent: &Incumbent) {
        let Some(span) = &self.span else { return };
        let Incumbent { objective, bound, .. } = *incumbent;
        let event = Event { time: SystemTime::now(), objective, bound };
        if let Some(event) = self.choice.next(event) {
            event.add_to(span);
        }
    }

    /// Adds the last incumbent, at the end of the solve.
    pub(super) fn finish(self) {
        if let (Some(span), Some(event)) = (&self.span, self.choice.latest) {
            event.add_to(span);
        }
    }
}

impl Choice {
    /// The event, if it is to be added now. One place is left for the last one.
    fn next(&mut self, event: Event) -> Option<Event> {
        if self.added + 1 < MAX_EVENTS {
            self.added += 1;
            return Some(event);
        }
        self.latest = Some(event);
        None
    }
}

impl Event {
    fn add_to(self, span: &Span) {
        let bound = self.bound.map(|bound| ("bound", bound));
        let numbers = std::iter::once(("objective", self.objective)).chain(bound);
        trace_event(span, "incumbent", self.time, numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(count: u32) -> Vec<f64> {
        let mut choice = Choice::default();
        let event = |objective| Event { time: SystemTime::UNIX_EPOCH, objective, bound: None };
        let events = (1..=count).map(|number| event(f64::from(number)));
        let mut added: Vec<Event> = events.filter_map(|event| choice.next(event)).collect();
        added.extend(choice.latest);
        added.into_iter().map(|event| event.objective).collect()
    }

    #[test]
    fn the_first_incumbents_and_the_last_one_are_added() {
        assert_eq!(added(0), [0.0; 0]);
        assert_eq!(added(2), [1.0, 2.0]);
        let all: Vec<f64> = (1..=32).map(f64::from).collect();
        assert_eq!(added(32), all);
        let few = added(1000);
        assert_eq!((few.len(), few[30], few[31]), (32, 31.0, 1000.0));
    }
}
