//! The entries that a worker appends to the results log, and their rate limits.

pub(crate) mod incumbents;
pub(crate) mod live;
pub(crate) mod progress;
pub(crate) mod solver_log;
pub(crate) mod writer;
