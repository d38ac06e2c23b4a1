//! Turns a request into a job: everything that is decided before the job is queued. No I/O.

pub(crate) mod catalog;
mod identity;
mod lane;
mod option_support;
mod options;
mod plan;
mod rank;
mod request_fields;
mod sweep;

pub(crate) use identity::job_id;
pub(crate) use plan::{Plan, Submission, plan};
pub(crate) use rank::rank;
