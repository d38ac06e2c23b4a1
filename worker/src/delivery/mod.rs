//! Deliveries of jobs, from the lease to the acknowledgement: intake, duplicates, cancellation.

pub(crate) mod cancels;
pub(crate) mod held_job;
pub(crate) mod intake;
pub(crate) mod redelivery;
