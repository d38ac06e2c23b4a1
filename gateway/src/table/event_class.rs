//! Which events of a history can be numerous.

use solvemesh::v1::job_event::Kind;

/// The kinds of events that report how a solve progresses. They can be numerous: a history keeps
/// a limited number of each, and a watch stream with an interval throttles them. All other events
/// change the state of a job or carry results, and are never dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventClass {
    /// Progress of the solver.
    Progress,
    /// A better solution.
    Incumbent,
    /// A batch of the solver's log lines.
    Log,
}

impl EventClass {
    /// The number of classes. `class as usize` is below it, as `Log` is the last one.
    pub(super) const COUNT: usize = Self::Log as usize + 1;

    /// The class of an event; `None` for an event that is never dropped.
    pub(crate) fn of(kind: Option<&Kind>) -> Option<Self> {
        match kind? {
            Kind::Progress(_) => Some(Self::Progress),
            Kind::Incumbent(_) => Some(Self::Incumbent),
            Kind::Log(_) => Some(Self::Log),
            Kind::Queued(_)
            | Kind::Started(_)
            | Kind::CancelRequested(_)
            | Kind::SolutionPart(_)
            | Kind::Finished(_)
            | Kind::AttemptFailed(_)
            | Kind::ScenarioResults(_) => None,
        }
    }

    /// Maximum number of events of this class in a job's history. When there are more, every
    /// second event of the older half is dropped.
    pub(super) fn max_events(self) -> usize {
        match self {
            Self::Progress => 256,
            // Each has the values of all variables, up to 64 KiB.
            Self::Incumbent => 32,
            Self::Log => 1024,
        }
    }
}
