//! From a request to a job: everything that is decided before anything is queued,
//! without I/O.

pub mod catalog;
mod identity;
mod options;
mod plan;
mod stops;
mod sweep;

pub use identity::job_id;
pub use plan::{Plan, Submission, plan};
