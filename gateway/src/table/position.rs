use std::fmt;

/// A place in the results log: everything at or before it, or everything after it.
///
/// Positions order all events of all jobs, and mean the same at every gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The message.
    pub offset: u64,
    /// The entry in the message, from 0.
    pub entry: u32,
    /// The event that the entry made, from 1, for an entry can make several; 0 is
    /// before them.
    pub event: u32,
}

impl Position {
    /// The position of an entry's first event.
    pub fn new(offset: u64, entry: u32) -> Self {
        Self { offset, entry, event: 1 }
    }

    /// So many events of the same entry later.
    pub fn later(self, events: u32) -> Self {
        Self { event: self.event.saturating_add(events), ..self }
    }

    /// After every event of the message at `offset`.
    pub fn end_of(offset: u64) -> Self {
        Self { offset, entry: u32::MAX, event: u32::MAX }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.offset, self.entry, self.event)
    }
}
