//! Deliveries of jobs, from the lease to the acknowledgement: intake, duplicates, cancellation.

pub(crate) mod cancels;
pub(crate) mod disposal;
pub(crate) mod held_job;
pub(crate) mod intake;
pub(crate) mod lookup;
pub(crate) mod lookup_backoff;
pub(crate) mod running;
mod span;
