//! A delivery of a job, from its lease to its acknowledgement.

pub(crate) mod cancels;
pub(crate) mod held_job;
pub(crate) mod intake;
pub(crate) mod redelivery;
