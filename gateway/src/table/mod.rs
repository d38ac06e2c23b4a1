//! The job table: a fold over the results log, kept up to date by a task that tails the log.
//! Watchers and all other requests read from it.

mod advance;
mod fold;
mod history;
mod markers;
mod position;
mod record;
mod retention;
mod shared;
mod snapshot;
mod snapshot_writer;
mod start;
mod tally;
mod token;
mod tombstones;
mod watchers;

#[cfg(test)]
mod tests;

pub use fold::{Changes, Fold};
pub use history::{HistoryEvent, INCUMBENTS_KEPT, LOG_KEPT, PROGRESS_KEPT, part_count};
pub use markers::CatchUpError;
pub use position::Position;
pub use record::{Attempt, Record, is_terminal};
pub use retention::Retention;
pub use shared::Table;
pub use snapshot::{SnapshotError, SnapshotFile};
pub use tally::{Tally, counted_answers};
pub use token::{InvalidToken, ResumeToken};
pub use watchers::Listener;
