//! Positions in the results log.

use std::fmt;

/// A place in the results log, which divides it into what is at or before the position and what
/// is after it.
///
/// Positions order all events of all jobs, and are the same on every gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    /// The offset of the message.
    pub(crate) offset: u64,
    /// The entry in the message, from 0.
    pub(crate) entry: u32,
    /// The event of the entry, from 1, as an entry can make several; 0 is before all of them.
    pub(crate) event: u32,
}

impl Position {
    /// After every event of every message.
    pub(crate) const MAX: Self = Self { offset: u64::MAX, entry: u32::MAX, event: u32::MAX };

    /// The position of an entry's first event.
    pub(crate) fn new(offset: u64, entry: u32) -> Self {
        Self { offset, entry, event: 1 }
    }

    /// The position `events` events later in the same entry.
    pub(crate) fn later(self, events: u32) -> Self {
        Self { event: self.event.saturating_add(events), ..self }
    }

    /// After every event of the message at `offset`.
    pub(crate) fn end_of(offset: u64) -> Self {
        Self { offset, entry: u32::MAX, event: u32::MAX }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.offset, self.entry, self.event)
    }
}
