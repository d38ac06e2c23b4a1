//! What a watcher wants to be told of how the solves go. Pure.

use std::time::Duration;

use solvemesh::v1::event::Kind;

use crate::table::Happening;

/// What a watcher leaves out. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Leaves progress out.
    pub skip_progress: bool,
    /// Leaves incumbents out.
    pub skip_incumbents: bool,
    /// Leaves the solver's log out.
    pub skip_log: bool,
    /// The shortest time between two looks at how the solves go. At each, the latest
    /// progress and the latest incumbent are told.
    pub interval: Option<Duration>,
}

impl Wants {
    /// Those of a job's next happenings that are told.
    pub(super) fn of<'a>(
        &self,
        next: impl Iterator<Item = &'a Happening> + Clone,
    ) -> impl Iterator<Item = &'a Happening> {
        let last = |class| next.clone().filter(|it| class_of(it) == class).last();
        let told = self.interval.map(|_| {
            [Class::Progress, Class::Incumbent].map(|class| last(class).map(|it| it.position))
        });
        let wants = *self;
        next.filter(move |happening| {
            let at = Some(happening.position);
            match class_of(happening) {
                Class::Progress => !wants.skip_progress && told.is_none_or(|told| told[0] == at),
                Class::Incumbent => !wants.skip_incumbents && told.is_none_or(|told| told[1] == at),
                Class::Log => !wants.skip_log,
                Class::Other => true,
            }
        })
    }

    /// Whether a happening is worth a look before its time.
    pub(super) fn is_urgent(happening: &Happening) -> bool {
        class_of(happening) == Class::Other
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Progress,
    Incumbent,
    Log,
    Other,
}

fn class_of(happening: &Happening) -> Class {
    match happening.event.kind {
        Some(Kind::Progress(_)) => Class::Progress,
        Some(Kind::Incumbent(_)) => Class::Incumbent,
        Some(Kind::Log(_)) => Class::Log,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::{Event, Incumbent, LogLines, Progress, Started};

    use super::*;
    use crate::table::Position;

    fn history() -> Vec<Happening> {
        let kinds = [
            Kind::Started(Started::default()),
            Kind::Progress(Progress::default()),
            Kind::Incumbent(Incumbent::default()),
            Kind::Log(LogLines::default()),
            Kind::Incumbent(Incumbent::default()),
            Kind::Progress(Progress::default()),
            Kind::Log(LogLines::default()),
        ];
        let happen = |(index, kind)| {
            let sequence = i32::try_from(index + 1).unwrap_or_default();
            let event = Event { sequence, kind: Some(kind), ..Event::default() };
            let position = Position::new(index as u64, 0);
            Happening {
                position,
                event: event.into(),
                solution: None,
                shed: false,
                answered_before: Vec::new(),
            }
        };
        kinds.into_iter().enumerate().map(happen).collect()
    }

    fn told(wants: Wants) -> Vec<i32> {
        wants.of(history().iter()).map(|happening| happening.event.sequence).collect()
    }

    #[test]
    fn what_a_watcher_leaves_out_is_left_out_and_nothing_else() {
        assert_eq!(told(Wants::default()), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(told(Wants { skip_progress: true, ..Wants::default() }), [1, 3, 4, 5, 7]);
        assert_eq!(told(Wants { skip_incumbents: true, ..Wants::default() }), [1, 2, 4, 6, 7]);
        assert_eq!(told(Wants { skip_log: true, ..Wants::default() }), [1, 2, 3, 5, 6]);
    }

    #[test]
    fn with_an_interval_only_the_latest_of_progress_and_incumbents_is_told() {
        let interval = Some(Duration::from_secs(1));
        assert_eq!(told(Wants { interval, ..Wants::default() }), [1, 4, 5, 6, 7]);
    }
}
