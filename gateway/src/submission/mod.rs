//! Turns a request into a job: everything that is decided before the job is queued. No I/O.

pub mod catalog;
mod identity;
mod option_support;
mod options;
mod plan;
mod sweep;

pub use identity::{EncodedPayload, job_id};
pub use plan::{Plan, Submission, plan};
