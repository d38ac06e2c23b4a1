//! What a worker writes into the results log, and when.

pub(crate) mod incumbents;
pub(crate) mod live;
pub(crate) mod progress;
pub(crate) mod solver_log;
pub(crate) mod writer;
