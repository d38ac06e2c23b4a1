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
    /// `None` if it is not recorded.
    span: Option<Span>,
    added: usize,
    /// The latest incumbent, if it was not added.
    latest: Option<Event>,
}

#[derive(Clone, Copy, Debug)]
struct Event {
    time: SystemTime,
    objective: f64,
    bound: Option<f64>,
}

impl IncumbentEvents {
    /// Those of the current span.
    pub(super) fn of_current_span() -> Self {
        let span = Some(Span::current()).filter(|span| !span.is_disabled());
        Self { span, added: 0, latest: None }
    }

    /// Adds an incumbent, or keeps it as the latest one.
    pub(super) fn record(&mut self, incumbent: &Incumbent) {
        let Some(span) = &self.span else { return };
        let Incumbent { objective, bound, .. } = *incumbent;
        let event = Event { time: SystemTime::now(), objective, bound };
        if self.added + 1 < MAX_EVENTS {
            event.add_to(span);
            self.added += 1;
        } else {
            self.latest = Some(event);
        }
    }

    /// Adds the last incumbent, at the end of the solve.
    pub(super) fn finish(self) {
        if let (Some(span), Some(event)) = (&self.span, self.latest) {
            event.add_to(span);
        }
    }
}

impl Event {
    fn add_to(self, span: &Span) {
        let bound = self.bound.map(|bound| ("bound", bound));
        let numbers = std::iter::once(("objective", self.objective)).chain(bound);
        trace_event(span, "incumbent", self.time, numbers);
    }
}
