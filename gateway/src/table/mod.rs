//! The job table: a fold over the results log, kept up to date by a task that tails the log.
//! Watchers and all other requests read from it.

mod advance;
mod attach;
mod event_class;
mod finishes;
mod fold;
mod handle;
mod held;
mod history;
mod index;
mod listeners;
mod liveness;
mod markers;
mod position;
mod record;
mod retention;
mod snapshot;
mod snapshot_writer;
mod stage;
mod tail;
mod tally;
mod token;
mod tombstones;
mod usage;

#[cfg(test)]
mod tests;

pub(crate) use event_class::EventClass;
pub(crate) use finishes::LanePace;
pub(crate) use fold::{Changes, Fold};
pub use handle::Table;
pub(crate) use held::{Held, Rest};
pub(crate) use history::HistoryEvent;
pub(crate) use listeners::Listener;
pub(crate) use markers::CatchUpError;
pub(crate) use position::Position;
pub(crate) use record::Record;
pub use retention::Retention;
pub(crate) use snapshot::SnapshotError;
pub use snapshot::SnapshotFile;
pub(crate) use tally::{Tally, counted_answers};
pub(crate) use token::{InvalidToken, ResumeTokens};
pub(crate) use usage::{Day, Load, Owner, SECONDS_PER_DAY, Usage, day_of};
